"""The tables of docs/reference/rights.md are what the routes and the table of rights say."""

import pytest

from wms.gateway import rights_page


def test_the_page_is_what_the_routes_are() -> None:
    before = rights_page.PATH.read_text()
    after = rights_page.render_page(before)
    assert before == after, f"run `python -m wms.gateway.rights_page`:\n{rights_page.compare_pages(before, after)}"


def test_a_difference_is_shown_by_its_lines_alone() -> None:
    page = rights_page.PATH.read_text()
    wrong = page.replace("| `GET /clusters` | yes", "| `GET /clusters` | ")
    shown = rights_page.compare_pages(wrong, rights_page.render_page(wrong))
    assert [line[:20] for line in shown.splitlines() if line[0] in "+-"][2:] == [
        "-| `GET /clusters` |",
        "+| `GET /clusters` |",
    ]


def test_a_page_without_marks_is_not_overwritten() -> None:
    with pytest.raises(ValueError, match="no marks for the table of routes"):
        rights_page.render_page("# Rights")
