from pathlib import Path

from schemas.causes.page import write_page


def test_the_page_of_causes_is_what_the_table_says() -> None:
    page = Path(__file__).parents[4] / "docs/reference/causes.md"
    assert page.read_text() == write_page(), "write docs/reference/causes.md again: see docs/howto/README.md, A cause"
