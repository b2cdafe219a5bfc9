"""Which events are traced: a family as a whole or not at all, by a hash that everybody computes alike."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.attempts.trace_sampling import (
    DEFAULT_ONE_IN,
    MAX_ROOT,
    N_FIRST,
    find_root,
    is_marked_by_publisher,
    is_sampled,
    mark_headers,
    read_sent_at,
)
from schemas.ids import EventId

#: Ids whose CRC-32 is and is not divisible by 1000. Other programs can compute the same.
CHOSEN = EventId("e-203")
NOT_CHOSEN = EventId("e-0")
NOW = datetime(2026, 11, 30, 8, 0, 0, 123000, tzinfo=UTC)


def test_the_hash_is_the_stated_one() -> None:
    assert is_sampled(CHOSEN, 1000)
    assert not is_sampled(NOT_CHOSEN, 1000)
    assert not is_sampled(EventId(""), 1), "events without an id have no family"


def test_about_one_root_in_a_thousand_is_chosen() -> None:
    n = sum(is_sampled(str(uuid.UUID(int=number * 0x9E3779B97F4A7C15)), DEFAULT_ONE_IN) for number in range(100_000))
    assert 50 <= n <= 200


@given(st.text(min_size=1))
def test_one_in_one_is_every_event_and_0_is_none(event_id: str) -> None:
    assert is_sampled(event_id, 1)
    assert not is_sampled(event_id, 0)
    assert find_root(EventId(event_id), {"x-ewms-root": "r"}, 0) == "", "0 also overrules a mark"
    assert not is_marked_by_publisher(event_id, 0, 0)


@pytest.mark.parametrize(
    ("event_id", "headers", "root"),
    [
        (CHOSEN, {}, CHOSEN),
        (NOT_CHOSEN, {}, ""),
        (NOT_CHOSEN, {"x-ewms-root": "r"}, "r"),
        (NOT_CHOSEN, {"x-ewms-root": "r", "x-ewms-parent": "p"}, "r"),
        (CHOSEN, {"x-ewms-parent": "p"}, ""),  # its root was not chosen
        (NOT_CHOSEN, {"x-ewms-root": 7}, ""),
        (NOT_CHOSEN, {"x-ewms-root": ""}, ""),
        (NOT_CHOSEN, {"x-ewms-root": "r" * 1000}, "r" * MAX_ROOT),
    ],
)
def test_the_root_decides_for_its_family(event_id: EventId, headers: dict[str, Any], root: str) -> None:
    assert find_root(event_id, headers, 1000) == root


def test_a_publisher_marks_its_first_events_and_then_those_that_the_hash_chooses() -> None:
    assert [is_marked_by_publisher(NOT_CHOSEN, n, 1000) for n in (0, N_FIRST - 1, N_FIRST)] == [True, True, False]
    assert is_marked_by_publisher(CHOSEN, 10**6, 1000)


def test_a_mark_tells_the_root_and_when_the_event_was_published() -> None:
    headers = mark_headers(CHOSEN, NOW)
    assert find_root(NOT_CHOSEN, headers, 1000) == CHOSEN
    assert read_sent_at(headers) == NOW


@pytest.mark.parametrize("value", [None, "1", True, -1, 0, 10**18, 1.5])
def test_any_other_client_may_write_any_header(value: Any) -> None:
    assert read_sent_at({"x-ewms-sent-at": value}) is None
