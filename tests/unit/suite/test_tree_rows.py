"""Each promise about trees (rows A1 to A36), and each row of what AWX's clients need (K1.1 to K4.23), has a test that
carries its number; a rename must not lose one.
"""

import re
from pathlib import Path

TESTS = Path(__file__).parents[2]
_NAME = re.compile(r"^\s*(?:async )?def (test_\w+)", re.MULTILINE)
#: A36 is this: criteria, tests and load figures are ours to deliver.
ROWS = range(1, 37)
#: How many rows each table of 1.11 has.
CLIENT_ROWS = {1: 12, 2: 11, 3: 15, 4: 23}


def find_client_rows(name: str) -> set[tuple[int, int]]:
    """Return the rows of 1.11 that the name of a test carries: test_k1_4_k3_11_..."""
    return {(int(table), int(row)) for table, row in re.findall(r"(?<=_)k(\d)_(\d{1,2})(?=_)", name)}


def find_rows(name: str) -> set[int]:
    """Return the numbers of the rows that the name of a test carries: test_a1_a20_..."""
    return {int(number) for number in re.findall(r"(?<=_)a(\d{1,2})(?=_)", name)}


def test_a36_every_row_has_a_test_that_carries_its_number() -> None:
    names = [name for path in TESTS.rglob("test_*.py") for name in _NAME.findall(path.read_text())]
    carried = set[int]().union(*map(find_rows, names))
    assert set(ROWS) <= carried, f"no test carries {sorted(set(ROWS) - carried)}"
    assert max(carried) <= max(ROWS), "a test carries a number that no row has"


def test_every_row_about_clients_has_a_test_that_carries_its_number() -> None:
    names = [name for path in TESTS.rglob("test_*.py") for name in _NAME.findall(path.read_text())]
    carried = set[tuple[int, int]]().union(*map(find_client_rows, names))
    every = {(table, row) for table, n in CLIENT_ROWS.items() for row in range(1, n + 1)}
    assert carried == every, f"no test carries {sorted(every - carried)}, no row has {sorted(carried - every)}"


def test_the_number_of_a_row_is_read_from_a_name() -> None:
    assert find_rows("test_a1_a20_two_of_a_kind") == {1, 20}
    assert find_rows("test_k4_8_an_a4_page") == {4}
    assert find_rows("test_a_name_without_rows") == set()
