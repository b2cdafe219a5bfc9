"""Limits as text."""

import pytest

from wms.inventory.limits.limit_text import LimitRefused, LimitTerm, Subscript, TermKind, parse_limit

ADD, KEEP, REMOVE = TermKind.ADD, TermKind.KEEP, TermKind.REMOVE

#: text -> its terms
TERMS: list[tuple[str, list[LimitTerm]]] = [
    ("", []),
    ("  ", []),
    ("web1", [LimitTerm(ADD, "web1", False)]),
    (
        "web*:&prod:!db1",
        [LimitTerm(ADD, "web*", False), LimitTerm(KEEP, "prod", False), LimitTerm(REMOVE, "db1", False)],
    ),
    ("a, b ,,c", [LimitTerm(ADD, name, False) for name in "abc"]),
    (
        "& label=rack-7 , !label=old*",
        [LimitTerm(KEEP, "label=rack-7".removeprefix("label="), True), LimitTerm(REMOVE, "old*", True)],
    ),
    ("web[0]", [LimitTerm(ADD, "web", False, Subscript(0, 0))]),
    ("web[-1]", [LimitTerm(ADD, "web", False, Subscript(-1, -1))]),
    ("web[1:3],db", [LimitTerm(ADD, "web", False, Subscript(1, 3)), LimitTerm(ADD, "db", False)]),
    ("web[2:]", [LimitTerm(ADD, "web", False, Subscript(2, None))]),
    ("db[ab]?", [LimitTerm(ADD, "db[ab]?", False)]),
    ("web[!a]*[0]", [LimitTerm(ADD, "web[!a]*", False, Subscript(0, 0))]),
    ("label=odd[0:4]", [LimitTerm(ADD, "odd", True, Subscript(0, 4))]),
]


@pytest.mark.parametrize(("text", "terms"), TERMS, ids=[text or "empty" for text, _ in TERMS])
def test_a_limit_is_read_into_terms(text: str, terms: list[LimitTerm]) -> None:
    assert parse_limit(text) == terms


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("~web.*", "a limit has no regular expressions"),
        ("web:&", "this is no name"),
        ("web 1", "this is no name"),
        ("web;rm", "this is no name"),
        ("label=", "this is no name"),
        ("rack=7", "this is no name"),
        (":", "there is no term in this limit"),
        (",,", "there is no term in this limit"),
        ("web[-3:1]", "a range begins at 0 or later"),
        ("x" * 5000, "a limit has at most 4096 characters"),
        ("a," * 51, "a limit has at most 50 terms"),
    ],
)
def test_what_is_no_limit_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(LimitRefused, match=reason):
        parse_limit(text)
