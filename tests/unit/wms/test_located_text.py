"""Texts of JSON and YAML as values: JSON does not go through the slow reader, and obeys the same rules."""

from typing import Any

import pytest

from wms import located_text
from wms.located_text import BadDocument, read_plain


def test_json_does_not_go_through_the_reader_of_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> Any:
        raise AssertionError("YAML")

    monkeypatch.setattr(located_text, "read_located", refuse)
    assert read_plain('{"a": [1, 2.5, null, true], "b": {"c": "d"}}') == {"a": [1, 2.5, None, True], "b": {"c": "d"}}


def test_yaml_is_read_too() -> None:
    assert read_plain("a: 1\nb: [x, y]\n") == {"a": 1, "b": ["x", "y"]}
    assert read_plain("") is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"a": 1, "a": 2}', "stands here twice"),
        ("[" * 40 + "]" * 40, "nested too deeply"),
        ("[" * 5000, "nested too deeply"),
        ("[" * 200_000, "nested too deeply"),
        ("- " * 200_000, "nested too deeply"),
        ("{", "line"),
    ],
)
def test_json_obeys_the_rules_of_these_documents(text: str, fault: str) -> None:
    with pytest.raises(BadDocument, match=fault):
        read_plain(text)


def test_a_number_that_json_does_not_have_is_a_text_as_in_yaml() -> None:
    assert read_plain('{"a": NaN}') == {"a": "NaN"}
