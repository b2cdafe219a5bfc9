"""When a token that held is no longer believed, and when the issuer's keys are looked at again."""

from typing import Any

import pytest

from runtime.web.callers.remembered_tokens import RememberedTokens, Standing, judge_keys

ISSUER = "https://idp.example"


def claims(exp: float = 100.0, iss: str = ISSUER) -> dict[str, Any]:
    return {"exp": exp, "iss": iss}


def test_a_token_is_believed_until_it_expires() -> None:
    remembered = RememberedTokens(10)
    remembered.add_token("token", claims(exp=100), kid="a", key=1)
    assert remembered.find_claims("token", now=99.9) == claims(exp=100)
    assert remembered.find_claims("token", now=100.0) is None
    assert len(remembered) == 0


def test_the_newest_are_remembered() -> None:
    remembered = RememberedTokens(3)
    for number in range(10):
        remembered.add_token(str(number), claims(), kid="a", key=1)
    assert [n for n in range(10) if remembered.find_claims(str(n), now=0.0)] == [7, 8, 9]


@pytest.mark.parametrize(
    ("keys", "left"),
    [
        ({"a": 1, "b": 2}, {"by a", "by b"}),
        ({"b": 2}, {"by b"}),
        ({"a": 3, "b": 2}, {"by b"}),
        ({}, set()),
    ],
    ids=["all stay", "one is withdrawn", "one kid names another key", "none is left"],
)
def test_what_a_withdrawn_key_signed_is_forgotten_and_nothing_else(keys: dict[str, int], left: set[str]) -> None:
    remembered = RememberedTokens(10)
    remembered.add_token("by a", claims(), kid="a", key=1)
    remembered.add_token("by b", claims(), kid="b", key=2)
    assert remembered.keep_signed_with(keys, issuer=ISSUER) == 2 - len(left)
    assert {token for token in ("by a", "by b") if remembered.find_claims(token, now=0.0)} == left


def test_what_was_issued_under_another_name_is_forgotten() -> None:
    remembered = RememberedTokens(10)
    remembered.add_token("token", claims(), kid="a", key=1)
    assert remembered.keep_signed_with({"a": 1}, issuer="https://renamed.example") == 1


NEVER = float("-inf")


@pytest.mark.parametrize(
    ("fetched_at", "tried_at", "expected"),
    [
        (NEVER, NEVER, Standing.OVERDUE),
        (NEVER, 999.0, Standing.FRESH),
        (NEVER, 990.0, Standing.DUE),
        (950.0, 950.0, Standing.FRESH),
        (900.0, 900.0, Standing.DUE),
        (800.0, 800.0, Standing.OVERDUE),
        (800.0, 996.0, Standing.FRESH),
        (800.0, 950.0, Standing.DUE),
    ],
    ids=[
        "at the start",
        "never had, just failed",
        "never had, failed a while ago",
        "young",
        "as old as they may get",
        "nobody has looked for long",
        "old, just failed",
        "old, failed a while ago",
    ],
)
def test_keys_are_looked_at_again_when_they_are_old_and_waited_for_when_nobody_has_looked(
    fetched_at: float, tried_at: float, expected: Standing
) -> None:
    assert judge_keys(now=1000.0, fetched_at=fetched_at, tried_at=tried_at, life_s=100.0, pause_s=5.0) is expected
