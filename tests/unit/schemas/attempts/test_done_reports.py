"""A pilot's report of a traced event is what MQS reads, whatever its texts are."""

from dataclasses import fields
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.attempts.done_history import DoneAttempt
from schemas.attempts.done_reports import (
    MAX_ERROR,
    MAX_NAME,
    MAX_OUTPUTS,
    DoneReport,
    OutputReport,
    done_report_to_bytes,
)

AT = "2026-11-30T08:00:00.250000+00:00"


def report(**members: object) -> DoneReport:
    given_members = {
        "event_id": "e", "root": "r", "attempt": 2, "pilot": "p", "taken_at": AT, "started_at": AT, "ended_at": AT,
        "acknowledged_at": AT,
    }  # fmt: skip
    return DoneReport(**given_members | members)  # type: ignore[arg-type]


def test_mqs_reads_every_member_that_a_pilot_writes() -> None:
    assert {field.name for field in fields(DoneReport)} == set(DoneAttempt.model_fields) - {"cursor"}
    written = report(
        published_at=AT, key="k", parent="q", worker=3, outputs=(OutputReport("a1", "o", AT),), n_bytes=7, error="E",
        traceparent="00-1",
    )  # fmt: skip
    read = DoneAttempt.model_validate_json(done_report_to_bytes(written))
    assert (read.event_id, read.root, read.attempt, read.worker, read.key, read.parent) == ("e", "r", 2, 3, "k", "q")
    assert read.acknowledged_at == read.published_at == datetime(2026, 11, 30, 8, 0, 0, 250000, tzinfo=UTC)
    assert [(each.queue, each.event_id) for each in read.outputs] == [("a1", "o")]


@given(st.text(), st.text())
def test_any_text_of_an_event_arrives_cut_to_its_maximum(key: str, error: str) -> None:
    read = DoneAttempt.model_validate_json(done_report_to_bytes(report(key=key * 50, error=error * 50)))
    assert len(read.key) == min(len(key) * 50, MAX_NAME)
    assert len(read.error) == min(len(error) * 50, MAX_ERROR)


def test_only_some_of_very_many_outputs_are_reported() -> None:
    outputs = tuple(OutputReport("a", str(n), AT) for n in range(MAX_OUTPUTS + 5))
    read = DoneAttempt.model_validate_json(done_report_to_bytes(report(outputs=outputs)))
    assert len(read.outputs) == MAX_OUTPUTS


@pytest.mark.parametrize(
    "members",
    [
        {"taken_at": "yesterday"},
        {"taken_at": "2026-11-30T08:00:00"},
        {"ended_at": "0001-01-01T00:00:00+14:00"},
        {"published_at": "9999-12-31T23:59:59-12:00"},
        {"attempt": -1},
        {"n_bytes": 2**60},
    ],
)
def test_what_no_database_stores_is_refused(members: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DoneAttempt.model_validate_json(done_report_to_bytes(report(**members)))
