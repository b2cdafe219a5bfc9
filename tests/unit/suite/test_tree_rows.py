"""Each promise about trees (rows A1 to A36) has a test that carries its number; a rename must not lose one."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[2]
_NAME = re.compile(r"^\s*(?:async )?def (test_\w+)", re.MULTILINE)
#: A36 is this: criteria, tests and load figures are ours to deliver.
ROWS = range(1, 37)


def find_rows(name: str) -> set[int]:
    """Return the numbers of the rows that the name of a test carries: test_a1_a20_..."""
    return {int(number) for number in re.findall(r"(?<=_)a(\d{1,2})(?=_)", name)}


def test_a36_every_row_has_a_test_that_carries_its_number() -> None:
    names = [name for path in TESTS.rglob("test_*.py") for name in _NAME.findall(path.read_text())]
    carried = set[int]().union(*map(find_rows, names))
    assert set(ROWS) <= carried, f"no test carries {sorted(set(ROWS) - carried)}"
    assert max(carried) <= max(ROWS), "a test carries a number that no row has"


def test_the_number_of_a_row_is_read_from_a_name() -> None:
    assert find_rows("test_a1_a20_two_of_a_kind") == {1, 20}
    assert find_rows("test_k4_8_an_a4_page") == {4}
    assert find_rows("test_a_name_without_rows") == set()
