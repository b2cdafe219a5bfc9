"""What a pilot reports arrives as it was, bounded; what is no report is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.attempts.failed_reports import (
    MAX_ERROR,
    MAX_EXCERPT_BYTES,
    MAX_LAST_LINES,
    MAX_NAME,
    MAX_REPORT_BYTES,
    FailedAttempt,
    attempt_from_bytes,
    attempt_to_bytes,
    bound_texts,
)
from schemas.errors import Rejected

TEXT = st.text(max_size=20)


def attempt(**members: object) -> FailedAttempt:
    return FailedAttempt(
        **{"event_id": "e", "attempt": 1, "pilot": "p", "reason": "task-failed", "error": "no"} | members
    )  # type: ignore[arg-type] # the members are the test's


@given(TEXT, st.integers(1, 10**6), TEXT, st.binary(max_size=MAX_EXCERPT_BYTES), st.none() | st.integers(0, 255))
def test_a_report_arrives_as_it_was(name: str, number: int, error: str, excerpt: bytes, code: int | None) -> None:
    sent = attempt(event_id=name, attempt=number, error=error, excerpt=excerpt, exit_code=code, took_s=0.5)
    assert attempt_from_bytes(attempt_to_bytes(sent)) == sent


def test_the_longest_report_is_within_its_bound() -> None:
    names = dict.fromkeys(("event_id", "pilot", "key", "queue", "site", "machine", "slot", "error"), "\x00" * 10**5)
    body = attempt_to_bytes(attempt(**names, last_lines="\x00" * 10**6, excerpt=b"x" * 10**6))
    assert len(body) <= MAX_REPORT_BYTES
    got = attempt_from_bytes(body)
    assert (len(got.event_id), len(got.error)) == (MAX_NAME, MAX_ERROR)
    assert (len(got.last_lines), len(got.excerpt)) == (MAX_LAST_LINES, MAX_EXCERPT_BYTES)


def test_of_the_last_lines_the_end_stays() -> None:
    assert bound_texts(attempt(last_lines="a" * MAX_LAST_LINES + "the end")).last_lines.endswith("athe end")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b"{}",
        b'{"event_id": 1}',
        json.dumps({"event_id": "e", "attempt": True, "pilot": "p", "reason": "", "error": ""}).encode(),
        json.dumps({"event_id": "e", "attempt": 10**30, "pilot": "p", "reason": "", "error": ""}).encode(),
        json.dumps({"event_id": "e", "attempt": 1, "pilot": "p", "reason": "", "error": "", "excerpt": "!"}).encode(),
        b'{"event_id": "e", "attempt": 1, "pilot": "p", "reason": "", "error": "", "took_s": NaN}',
        b" " * (MAX_REPORT_BYTES + 1),
    ],
)
def test_what_is_no_report_is_refused(body: bytes) -> None:
    with pytest.raises(Rejected):
        attempt_from_bytes(body)


def test_a_newer_pilots_report_is_read_and_half_a_surrogate_pair_is_made_storable() -> None:
    body = rb'{"event_id": "e", "attempt": 1, "pilot": "p", "reason": "", "error": "\ud800", "new": {}}'
    assert attempt_from_bytes(body).error == "?"
