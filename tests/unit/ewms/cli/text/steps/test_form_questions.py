"""A form's page becomes questions, and what a person types becomes the page's values."""

from typing import Any

import pytest

from ewms.cli.text.steps.form_questions import FormField, list_fields, parse_answer, write_question
from ewms.steps import Choice, Divider, FormPage, Label, choice_list


class Page(FormPage):
    number: int
    node: Choice("Node", [("a", "Amsterdam"), ("b", "Berlin")])  # type: ignore[valid-type]  # made at run time
    hint: Label = "only shown"
    line: Divider
    note: str | None = None
    rack: str = "r1"
    ports: choice_list(Choice("Port", [("p", "P")]), min_items=1)  # type: ignore[valid-type]  # made at run time
    is_core: bool = False


def find_field(name: str) -> FormField:
    return next(field for field in list_fields(Page.model_json_schema()) if field.name == name)


def test_only_what_somebody_fills_in_is_asked_for_in_the_page_s_order() -> None:
    fields = list(list_fields(Page.model_json_schema()))
    assert [field.name for field in fields] == ["number", "node", "note", "rack", "ports", "is_core"]
    assert [field.is_required for field in fields] == [True, True, False, False, True, False]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("number", " 12 ", 12),
        ("node", "2", "Berlin"),
        ("node", "Amsterdam", "Amsterdam"),
        ("note", "", None),
        ("rack", "", "r1"),
        ("rack", "r9", "r9"),
        ("ports", '["P"]', ["P"]),
        ("is_core", "yes", True),
        ("is_core", "", False),
    ],
)
def test_an_answer_becomes_the_value_that_the_field_takes(name: str, text: str, value: Any) -> None:
    assert parse_answer(find_field(name), text) == value


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("number", "many", "'many' is not a whole number"),
        ("number", "", "needs a value"),
        ("node", "9", "none of the choices"),
        ("ports", "P", "is not JSON, an array"),
        ("is_core", "perhaps", "yes or no"),
    ],
)
def test_an_answer_that_fits_nothing_says_what_fits(name: str, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_answer(find_field(name), text)


def test_choices_are_listed_with_numbers_and_a_default_stands_before_the_answer() -> None:
    assert list(write_question(find_field("node"))) == ["  1  Amsterdam", "  2  Berlin", "Node: "]
    assert list(write_question(find_field("rack"))) == ["Rack [r1]: "]
