"""What a dead letter says, which ones are meant, and how one goes back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqs.letters.letter import (
    Letter,
    describe_choice,
    group_letters,
    letter_of,
    matches_filter,
    n_replays,
    replay_headers,
    select_letters,
    show_letter,
)
from schemas.attempts.dead_letters import LetterFilter

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


def pilots(event_id: str = "e", *, error: str = "ValueError: bad 1", task: str = "TK", minute: int = 0) -> Letter:
    return letter_of(
        b"body",
        event_id,
        "text/plain",
        {
            "x-ewms-dead-reason": "task-failed",
            "x-ewms-dead-error": error,
            "x-ewms-dead-attempts": 5,
            "x-ewms-dead-queue": "a1",
            "x-ewms-dead-task": task,
            "x-ewms-dead-worker": "node7",
            "x-ewms-dead-at": (AT + timedelta(minutes=minute)).isoformat(),
            "x-ewms-key": "k",
        },
    )


def test_a_pilots_letter_says_why_and_where() -> None:
    letter = show_letter(pilots())
    assert (letter.reason, letter.error, letter.attempts) == ("task-failed", "ValueError: bad 1", 5)
    assert (letter.queue, letter.task_id, letter.worker, letter.key) == ("a1", "TK", "node7", "k")
    assert (letter.dead_at, letter.n_bytes, letter.excerpt, letter.headers) == (AT, 4, b"body", None)


@pytest.mark.parametrize("reason", ["delivery_limit", "expired", "maxlen", "rejected", "new"])
def test_the_brokers_letter_is_told_from_what_the_broker_writes(reason: str) -> None:
    headers: dict[str, Any] = {
        "x-first-death-reason": reason,
        "x-first-death-queue": "a2",
        "x-death": [{"queue": "a2", "reason": reason, "time": AT.replace(tzinfo=None)}],
    }
    letter = letter_of(b"", "", "", headers)
    assert (letter.queue, letter.reason, letter.dead_at, letter.attempts) == ("a2", reason, AT, None)
    assert letter.error


def test_an_event_that_dies_again_is_another_letter() -> None:
    names = {
        pilots().letter,
        pilots("f").letter,
        pilots(minute=1).letter,
        letter_of(b"other", "e", "", {}).letter,
        letter_of(b"other", "e", "", {"x-ewms-replays": 1}).letter,
    }
    assert len(names) == 5
    assert pilots().letter == pilots(error="told otherwise").letter


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (LetterFilter(), True),
        (LetterFilter(task_id="TK"), True),
        (LetterFilter(task_id="TK", event_id="x"), False),
        (LetterFilter(signature=pilots().signature, event_id="e"), True),
        (LetterFilter(signature=""), False),
    ],
)
def test_a_letter_is_meant_if_it_matches_all_that_is_given(which: LetterFilter, *, expected: bool) -> None:
    assert matches_filter(pilots(), which) is expected


@given(st.permutations(range(6)), st.integers(1, 7))
def test_pages_hold_every_letter_once_the_oldest_first(order: list[int], size: int) -> None:
    letters = [pilots(f"e{n}", minute=n // 2) for n in order]
    seen: list[Letter] = []
    after = None
    while page := select_letters(letters, LetterFilter(), after=after)[:size]:
        seen += page
        after = page[-1].cursor
    assert seen == sorted(letters, key=lambda letter: letter.place)
    assert len(seen) == 6


def test_a_cursor_that_is_none_is_the_beginning() -> None:
    assert select_letters([pilots()], LetterFilter(), after="rubbish") == [pilots()]
    assert select_letters([letter_of(b"", "", "", {})], LetterFilter(), after=pilots().cursor) == []


def test_groups_are_of_one_task_and_one_kind_of_error() -> None:
    bad = [pilots(f"e{n}", error=f"ValueError: bad {n}", minute=n) for n in range(3)]
    groups = group_letters([*bad, pilots("x", error="KeyError: 'y'"), pilots("z", task="TL")])
    assert [(group.task_id, group.text, group.n_letters) for group in groups][:1] == [("TK", "ValueError: bad #", 3)]
    assert (groups[0].example, groups[0].letter) == ("ValueError: bad 2", bad[2].letter)
    assert (groups[0].first_at, groups[0].last_at) == (AT, AT + timedelta(minutes=2))
    assert sorted(group.n_letters for group in groups) == [1, 1, 3]


def test_a_replay_keeps_the_senders_headers_and_counts() -> None:
    headers = {
        **pilots().headers,
        "traceparent": "00-1",
        "x-mine": 7,
        "x-bytes": b"\xff",
        "x-table": {"a": 1},
        "x-half": "\ud800",
        "x-delivery-count": 3,
        "x-acquired-count": 4,
        "x-death": [],
        "x-first-death-queue": "a1",
        "x-last-death-reason": "rejected",
    }
    once = replay_headers(headers)
    assert once == {"traceparent": "00-1", "x-mine": 7, "x-ewms-key": "k", "x-ewms-replays": 1}
    assert n_replays(replay_headers(once)) == 2


@pytest.mark.parametrize("value", [None, "3", True, -1, 2**40, 1.5])
def test_a_count_that_is_none_counts_from_nought(value: Any) -> None:
    assert n_replays({"x-ewms-replays": value}) == 0


HEADERS = st.dictionaries(
    st.sampled_from(["x-ewms-dead-at", "x-ewms-dead-attempts", "x-death", "x-ewms-dead-error", "x-ewms-key", "other"]),
    st.none() | st.text() | st.binary() | st.integers() | st.booleans() | st.lists(st.none() | st.text(), max_size=2),
)


@given(st.binary(), st.text(), HEADERS)
def test_no_strangers_headers_are_too_strange(body: bytes, event_id: str, headers: dict[str, Any]) -> None:
    letter = letter_of(body, event_id, "", headers)
    show_letter(letter, body=body, whole=True).model_dump_json()
    replay_headers(headers)


def test_the_audit_says_in_words_what_was_meant() -> None:
    assert describe_choice(None, LetterFilter()) == "all"
    assert describe_choice(None, LetterFilter(task_id="TK", signature="s")) == "task_id TK, signature s"
    assert describe_choice(["a"] * 6, LetterFilter()) == "letters a, a, a, a, a ..."
