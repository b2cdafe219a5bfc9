"""Reported attempts reach a collector, failed ones with a limit. A fault costs spans and nothing else."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mqs.letters.attempt_export import AttemptSpanExport
from mqs.letters.reported_attempts import document_of, done_document_of
from runtime.kernel.decision import Document
from runtime.telemetry.span_export import start_export, stop_export
from schemas.attempts.done_history import DoneAttempt
from schemas.attempts.failed_reports import FailedAttempt
from schemas.ids import WorkflowId
from tests.span_collector import collector, list_spans

WORKFLOW = WorkflowId("WF-6b00e09f-926a610b")
AT = datetime(2026, 11, 30, 8, tzinfo=UTC)
REPORT = FailedAttempt("e", 1, "p", "task-failed", "ValueError: bad 17", failed_at=AT.isoformat(), gave_up=True)


@pytest.fixture(autouse=True)
def _no_export_is_left() -> Iterator[None]:
    yield
    stop_export()


def failed(event_id: str = "e", *, gave_up: bool = True) -> Document:
    report = replace(REPORT, event_id=event_id, gave_up=gave_up)
    return document_of(WORKFLOW, report, now=AT, entropy=0, retention=timedelta(1)).model_dump()


def done() -> Document:
    attempt = DoneAttempt(
        event_id="d", root="d", attempt=1, pilot="p", taken_at=AT, started_at=AT, ended_at=AT, acknowledged_at=AT
    )
    return done_document_of(WORKFLOW, attempt, now=AT, entropy=0, retention=timedelta(1)).model_dump()


async def test_failed_and_done_attempts_reach_the_collector() -> None:
    with collector() as (endpoint, received):
        start_export("mqs", endpoint)
        AttemptSpanExport().export_attempts(failed=[failed()], done=[done()])
        stop_export()
    spans = list_spans(received)
    assert [span.status.code for span in spans] == [2, 2, 0, 0]  # 2: an error
    assert spans[1].status.message == "ValueError: bad 17"


async def test_a_flood_of_failures_leaves_room_for_other_spans() -> None:
    with collector() as (endpoint, received):
        start_export("mqs", endpoint)
        export = AttemptSpanExport()
        for batch in range(10):
            some = [failed(f"e-{batch}-{n}", gave_up=False) for n in range(200)]
            export.export_attempts(failed=some, done=[done()])
        stop_export()
    codes = [span.status.code for span in list_spans(received)]
    assert 200 <= codes.count(2) < 1000
    assert codes.count(0) == 20


async def test_what_cannot_be_described_costs_no_report() -> None:
    with collector() as (endpoint, received):
        start_export("mqs", endpoint)
        export = AttemptSpanExport()
        export.export_attempts(failed=[{}, failed()], done=[])
        export.export_attempts(failed=[], done=[{"workflow_id": WORKFLOW}])
        export.export_attempts(failed=[failed()], done=[])
        stop_export()
    assert len(list_spans(received)) == 2


async def test_without_a_collector_nothing_is_described() -> None:
    AttemptSpanExport().export_attempts(failed=[{}], done=[{}])
