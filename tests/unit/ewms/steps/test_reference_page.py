"""docs/reference/steps.md is what the docstrings of the authoring names say, and has each name once."""

from ewms import steps
from ewms.steps import reference_page


def test_the_page_is_current() -> None:
    same = reference_page.PATH.read_text() == reference_page.render_page()
    assert same, "run `python -m ewms.steps.reference_page --write`"


def test_each_authoring_name_stands_on_the_page_once() -> None:
    listed = [name for names in reference_page.SECTIONS.values() for name in names.split()]
    assert sorted([*listed, *reference_page.list_form_names()]) == sorted(steps.__all__)
    ours = {name for name in steps.__all__ if getattr(getattr(steps, name), "__module__", "").startswith("ewms.")}
    assert not ours & set(reference_page.list_form_names())


def test_each_example_on_the_page_is_marked_as_code() -> None:
    page = reference_page.render_page()
    assert page.count("```") % 2 == 0
    outside = "".join(page.split("```")[::2])
    assert not [line for line in outside.splitlines() if line.startswith(("@", ">>>", "begin >>", "    "))]
