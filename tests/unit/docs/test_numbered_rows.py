"""Each numbered row of docs/reference/processes.md has a test that carries its number.

A test carries a number in its name (`test_o5_o15_...`, `test_t6_to_t14_...`), or as the first words of a subtest
("O25 C5 the map replaces the default").
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/reference/processes.md"
ROW = re.compile(r"^\| ((?:[OSTDRC]\d+(?:, )?)+) \|", re.MULTILINE)
TEST = re.compile(r"def test_([a-z0-9_]+)")
RANGE = re.compile(r"(?<![a-z0-9])([ostdrc])(\d+)_to_\1(\d+)(?![a-z0-9])")
IN_NAME = re.compile(r"(?<![a-z0-9])([ostdrc]\d+)(?![a-z0-9])")
IN_SUBTEST = re.compile(r"\"((?:[OSTDRC]\d+ ?)+)(?= [a-z]|[a-z]|\")")

#: A row about the language alone, which the server never sees, and rows about the server alone.
LANGUAGE_ONLY = {"O12"}
SERVER_ONLY = {"O3", "O7"}


def list_rows() -> list[str]:
    """Return the numbers of all rows of the page."""
    return [number for cell in ROW.findall(PAGE.read_text()) for number in cell.split(", ")]


def find_numbers(text: str) -> Iterator[str]:
    """Yield the numbers that the tests in `text` carry."""
    for name in TEST.findall(text):
        for letter, first, last in RANGE.findall(name):
            yield from (f"{letter}{number}".upper() for number in range(int(first), int(last) + 1))
        yield from (number.upper() for number in IN_NAME.findall(name))
    for words in IN_SUBTEST.findall(text):
        yield from words.split()


@cache
def find_carried(*folders: str) -> frozenset[str]:
    """Return the numbers that tests below these folders carry."""
    paths = (path for folder in folders for path in (ROOT / "tests" / folder).rglob("test_*.py"))
    return frozenset(number for path in paths if path != Path(__file__) for number in find_numbers(path.read_text()))


def test_the_page_has_its_rows() -> None:
    rows = list_rows()
    assert len(rows) == len(set(rows))
    counts = {letter: sum(row.startswith(letter) for row in rows) for letter in "OTDRC"}
    assert counts == {"O": 36, "T": 20, "D": 10, "R": 19, "C": 8}


def test_numbers_are_found_in_names_and_in_subtests() -> None:
    text = 'def test_o5_t6_to_t8_a_row_of_2_steps() -> None:\n    with subtests.test("O25 C5 the map"), test("O22"):'
    assert list(find_numbers(text)) == ["T6", "T7", "T8", "O5", "T6", "T8", "O25", "C5", "O22"]


@pytest.mark.parametrize("row", list_rows())
def test_each_row_has_a_test(row: str) -> None:
    assert row in find_carried("unit", "integration")


@pytest.mark.parametrize("row", [row for row in list_rows() if row[0] in "ORC" and row not in LANGUAGE_ONLY])
def test_each_row_of_the_server_has_a_test_on_real_services(row: str) -> None:
    assert row in find_carried("integration/wms")


@pytest.mark.parametrize("row", [row for row in list_rows() if row[0] == "O" and row not in SERVER_ONLY])
def test_each_demand_on_processes_has_a_test_without_a_server(row: str) -> None:
    assert row in find_carried("unit")
