"""Outcomes and log pieces: what a pilot writes is what a reader reads, and a doubt gives way to what is known."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Rejected
from schemas.ids import EventId, TaskId
from schemas.pilot.outcome_reading import (
    MAX_OUTCOME_BYTES,
    MAX_PIECE_JSON_BYTES,
    outcome_from_bytes,
    piece_from_bytes,
)
from schemas.pilot.outcomes import (
    MAX_ERROR,
    MAX_OUTPUT_BYTES,
    MAX_PIECE_BYTES,
    EventOutcome,
    LogLength,
    LogPiece,
    RunEnding,
    TaskStream,
    outcome_event_id,
    outcome_to_bytes,
    piece_to_bytes,
    supersedes,
)

DONE = EventOutcome(EventId("5f0e1c1a-4a1c-4a37-8a55-5cf0c2f6a001"), 1, RunEnding.EXITED, 0, task_id=TaskId("TK"))
PIECE = LogPiece(EventId("e"), 1, "run", TaskStream.STDOUT, 0, "text")

JSON_VALUES = st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), st.lists, max_leaves=5)


@given(JSON_VALUES, st.sampled_from(RunEnding), st.none() | st.integers(0, 255), st.text(max_size=50))
def test_a_reader_reads_what_a_pilot_writes(
    output: object, ending: RunEnding, exit_status: int | None, error: str
) -> None:
    sent = replace(
        DONE, ending=ending, exit_status=exit_status, error=error, output=output, stderr=LogLength(2, 90_000, True)
    )
    assert outcome_from_bytes(outcome_to_bytes(sent)) == sent


def test_the_largest_outcome_and_piece_are_within_what_a_reader_accepts() -> None:
    largest = replace(DONE, output="x" * (MAX_OUTPUT_BYTES - 2), error="\0" * (MAX_ERROR + 1), key="\0" * 256)
    body = outcome_to_bytes(largest)
    assert len(body) <= MAX_OUTCOME_BYTES
    assert len(outcome_from_bytes(body).error) == MAX_ERROR
    piece = piece_to_bytes(replace(PIECE, text="\0" * MAX_PIECE_BYTES, key="\0" * 256))
    assert len(piece) <= MAX_PIECE_JSON_BYTES
    assert piece_from_bytes(piece).text == "\0" * MAX_PIECE_BYTES


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"rubbish", "the body"),
        (b"[]", "the body"),
        (b'{"event_id": "e", "ending": "exited"}', "attempt"),
        (b'{"event_id": "e", "attempt": 1, "ending": "vanished"}', "ending"),
        (b" " * (MAX_OUTCOME_BYTES + 1), "at most"),
    ],
)
def test_what_is_no_outcome_is_refused_with_the_reason(body: bytes, says: str) -> None:
    with pytest.raises(Rejected, match=says):
        outcome_from_bytes(body)


def test_what_is_no_piece_is_refused_with_the_reason() -> None:
    with pytest.raises(Rejected, match="stream"):
        piece_from_bytes(json.dumps({"event_id": "e", "attempt": 1, "run": "r", "stream": "x"}).encode())


HUGE = 10**23


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"attempt": HUGE}, "attempt"),
        ({"attempt": 0}, "attempt"),
        ({"exit_status": -HUGE}, "exit_status"),
        ({"worker": -1}, "worker"),
        ({"stderr": {"n_bytes": HUGE}}, "stderr.n_bytes"),
    ],
)
def test_a_number_that_no_database_stores_is_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(Rejected, match=says):
        outcome_from_bytes(json.dumps(json.loads(outcome_to_bytes(DONE)) | changes).encode())


def test_a_number_of_a_piece_that_no_database_stores_is_refused() -> None:
    for name in ("attempt", "number"):
        with pytest.raises(Rejected, match=name):
            piece_from_bytes(json.dumps(json.loads(piece_to_bytes(PIECE)) | {name: HUGE}).encode())


def test_a_newer_pilots_members_are_ignored() -> None:
    raw = json.loads(outcome_to_bytes(DONE)) | {"new": 1}
    assert outcome_from_bytes(json.dumps(raw).encode()) == DONE


def test_only_exit_status_0_is_success() -> None:
    assert DONE.is_success
    assert not replace(DONE, exit_status=1).is_success
    assert not replace(DONE, ending=RunEnding.OUTPUT_UNUSABLE).is_success


def test_what_is_known_replaces_a_doubt_and_nothing_else_does() -> None:
    doubt = replace(DONE, ending=RunEnding.IN_DOUBT, attempt=2, exit_status=None)
    failed = replace(DONE, exit_status=1)
    assert supersedes(DONE, doubt)
    assert supersedes(failed, doubt)
    assert not supersedes(doubt, DONE)
    assert not supersedes(failed, DONE)
    assert not supersedes(doubt, doubt)


def test_an_outcomes_id_is_the_same_each_time_and_differs_between_attempts_and_tasks() -> None:
    ids = {outcome_event_id(DONE.event_id, TaskId(task), attempt) for task in ("A", "B") for attempt in (1, 2)}
    assert len(ids) == 4
    assert outcome_event_id(DONE.event_id, TaskId("A"), 1) in ids
    assert outcome_event_id(EventId("no UUID"), TaskId("A"), 1) is None
