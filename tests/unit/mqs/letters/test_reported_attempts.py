"""A report becomes a document of the workflow whose exchange it came over."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mqs.letters.reported_attempts import (
    attempt_of,
    document_id,
    document_of,
    done_document_of,
    read_done_attempt,
    workflow_of_exchange,
)
from schemas.attempts.done_reports import MAX_REPORT_BYTES, DoneReport, done_report_to_bytes
from schemas.attempts.failed_reports import FailedAttempt
from schemas.errors import Rejected
from schemas.ids import WorkflowId

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
WORKFLOW = WorkflowId("WF-6b00e09f-926a610b")
REPORT = FailedAttempt(
    "e1", 2, "p1", "task-failed", "ValueError: bad 17", failed_at="2026-11-28T11:59:58+00:00", excerpt=b"\xff"
)


@pytest.mark.parametrize(
    ("exchange", "workflow"),
    [
        (f"x.dead.{WORKFLOW}", WORKFLOW),
        ("", None),
        ("x.dead.", None),
        ("x.dead.WF-1", None),
        (f"dead.{WORKFLOW}", None),
        (f"x.{WORKFLOW}", None),
    ],
)
def test_only_a_dead_exchange_names_a_workflow(exchange: str, workflow: str | None) -> None:
    assert workflow_of_exchange(exchange) == workflow


def test_a_repetition_has_the_same_id_and_every_other_report_another() -> None:
    others = [
        replace(REPORT, event_id="e2"),
        replace(REPORT, attempt=3),
        replace(REPORT, n_replays=1),
        replace(REPORT, pilot="p2"),
        replace(REPORT, queue="a" * 21),
        replace(REPORT, event_id="", digest="d"),
        replace(REPORT, event_id="", digest="f"),
    ]
    assert document_id(WORKFLOW, REPORT) == document_id(WORKFLOW, replace(REPORT, error="told otherwise"))
    ids = {document_id(WORKFLOW, report) for report in (REPORT, *others)}
    assert len(ids | {document_id(WorkflowId("WF-1-00000000"), REPORT)}) == len(others) + 2


def test_a_document_is_shown_as_it_was_reported_with_its_signature() -> None:
    document = document_of(WORKFLOW, REPORT, now=NOW, entropy=1, retention=timedelta(days=7))
    assert document.expires_at == NOW + timedelta(days=7)
    assert (document.signature_text, len(document.cursor)) == ("ValueError: bad #", 24)
    shown = attempt_of(document)
    assert shown.counts
    given_back = document_of(WORKFLOW, replace(REPORT, counts=False), now=NOW, entropy=1, retention=timedelta(days=7))
    assert not attempt_of(given_back).counts
    assert (shown.event_id, shown.attempt, shown.excerpt, shown.failed_at) == (
        "e1",
        2,
        b"\xff",
        NOW - timedelta(seconds=2),
    )


@pytest.mark.parametrize("text", ["", "yesterday", "1999-01-01T00:00:00", "2099-01-01T00:00:00+00:00", "0001-01-01"])
def test_a_clock_far_off_is_not_believed(text: str) -> None:
    document = document_of(WORKFLOW, replace(REPORT, failed_at=text), now=NOW, entropy=0, retention=timedelta(1))
    assert document.failed_at == NOW


def test_cursors_ascend_in_time() -> None:
    early, late = (
        document_of(
            WORKFLOW, REPORT, now=NOW + timedelta(milliseconds=n), entropy=2**48 - 1 - n, retention=timedelta(1)
        )
        for n in (0, 1)
    )
    assert early.cursor < late.cursor


def done_report(**members: object) -> bytes:
    at = NOW.isoformat()
    report = DoneReport("e1", "r1", 1, "p1", taken_at=at, started_at=at, ended_at=at, acknowledged_at=at)
    return done_report_to_bytes(replace(report, **members))  # type: ignore[arg-type]


def test_a_traced_event_that_is_done_is_stored_until_its_retention_is_over_and_once() -> None:
    done = read_done_attempt(done_report(worker=3))
    document = done_document_of(WORKFLOW, done, now=NOW, entropy=1, retention=timedelta(days=7))
    assert (document.workflow_id, document.root, document.worker) == (WORKFLOW, "r1", 3)
    assert (document.expires_at, len(document.cursor)) == (NOW + timedelta(days=7), 24)
    again = read_done_attempt(done_report(worker=3, error="told otherwise"))
    assert document_id(WORKFLOW, done) == document_id(WORKFLOW, again)
    assert document_id(WORKFLOW, done) != document_id(WORKFLOW, read_done_attempt(done_report(attempt=2)))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"event_id": 7}', b"\xff", b" " * (MAX_REPORT_BYTES + 1)])
def test_what_is_no_report_is_refused_with_its_reason(body: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        read_done_attempt(body)
    assert "a report of a traced event" in caught.value.reason


def test_a_report_with_a_wrong_clock_is_refused() -> None:
    done = read_done_attempt(done_report(acknowledged_at=(NOW - timedelta(days=2)).isoformat()))
    with pytest.raises(Rejected, match="clock"):
        done_document_of(WORKFLOW, done, now=NOW, entropy=1, retention=timedelta(days=7))


def test_the_times_of_a_traced_failure_are_kept() -> None:
    at = (NOW - timedelta(seconds=5)).isoformat()
    document = document_of(
        WORKFLOW, replace(REPORT, published_at=at, taken_at="?"), now=NOW, entropy=1, retention=timedelta(days=7)
    )
    assert attempt_of(document).published_at == NOW - timedelta(seconds=5)
    assert attempt_of(document).taken_at is None
