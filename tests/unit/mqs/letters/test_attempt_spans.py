"""An attempt becomes spans whose ids follow from the events: its own, and at the end of the event that of the event."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mqs.letters.attempt_spans import describe_attempt, describe_failure
from mqs.letters.reported_attempts import document_of
from schemas.attempts.documents import FailedAttemptDocument
from schemas.attempts.done_history import DoneAttempt
from schemas.attempts.failed_reports import FailedAttempt
from schemas.ids import WorkflowId

WORKFLOW = WorkflowId("WF-6b00e09f-926a610b")
AT = datetime(2026, 11, 30, 8, tzinfo=UTC)
DONE = DoneAttempt(
    event_id="e", root="e", attempt=1, pilot="p", task_id="TK-1", machine="node7", worker=3, published_at=AT,
    taken_at=AT + timedelta(seconds=2), started_at=AT + timedelta(seconds=3), ended_at=AT + timedelta(seconds=5),
    acknowledged_at=AT + timedelta(seconds=6),
)  # fmt: skip


def test_the_spans_of_a_family_are_one_trace_in_which_an_event_is_below_that_from_which_it_was_made() -> None:
    event, attempt = describe_attempt(WORKFLOW, DONE)
    assert (event.started_at, event.ended_at) == (AT, DONE.acknowledged_at)
    assert (attempt.started_at, attempt.parent_id, event.parent_id) == (DONE.taken_at, event.span_id, 0)
    assert (attempt.attributes["ewms.machine"], attempt.attributes["ewms.run_s"]) == ("node7", 2.0)
    child, _ = describe_attempt(WORKFLOW, DONE.model_copy(update={"event_id": "c", "parent": "e"}))
    assert (child.trace_id, child.parent_id) == (event.trace_id, event.span_id)
    assert len({event.span_id, attempt.span_id, child.span_id}) == 3
    assert describe_attempt(WORKFLOW, DONE) == (event, attempt), "a repeated report gives the same spans"
    assert describe_attempt(WorkflowId("WF-1-00000000"), DONE)[0].trace_id != event.trace_id


def test_an_event_with_a_trace_of_its_publisher_is_a_part_of_it() -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    event, attempt = describe_attempt(WORKFLOW, DONE.model_copy(update={"traceparent": trace}))
    assert (event.trace_id, event.parent_id) == (int("a" * 32, 16), int("b" * 16, 16))
    assert attempt.trace_id == event.trace_id


def test_a_failure_that_was_published_as_the_outcome_is_a_failed_span() -> None:
    event, attempt = describe_attempt(WORKFLOW, DONE.model_copy(update={"error": "exit code 1"}))
    assert (event.error, attempt.error) == ("", "exit code 1")


@pytest.mark.parametrize("trace", ["", "x", "00-zz-1-01", f"00-{'0' * 32}-{'b' * 16}-01", "-" * 256])
def test_a_report_may_hold_any_text_as_its_trace(trace: str) -> None:
    plain, _ = describe_attempt(WORKFLOW, DONE)
    assert describe_attempt(WORKFLOW, DONE.model_copy(update={"traceparent": trace}))[0] == plain


ERROR = "ContainerRunError('task failed (exit code 1): ValueError: bad energy -3.2')"
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
REPORT = FailedAttempt(
    "e", 2, "p", "task-failed", ERROR, task_id="TK-1", machine="node7", worker=3, exit_code=1, took_s=2.5, key="k",
    failed_at=(AT + timedelta(seconds=9)).isoformat(),
)  # fmt: skip


def failed(**members: Any) -> FailedAttemptDocument:
    return document_of(WORKFLOW, replace(REPORT, **members), now=AT, entropy=0, retention=timedelta(1))


def test_a_failed_attempt_is_a_failed_span_with_the_exceptions_line() -> None:
    (attempt,) = describe_failure(failed())
    assert (attempt.name, attempt.error) == ("attempt 2", ERROR)
    assert (attempt.ended_at - attempt.started_at, attempt.ended_at) == (
        timedelta(seconds=2.5),
        AT + timedelta(seconds=9),
    )
    assert attempt.attributes["ewms.machine"] == "node7"
    assert attempt.attributes["ewms.exit_code"] == 1
    assert "ewms.exit_code" not in describe_failure(failed(exit_code=None))[0].attributes
    assert describe_failure(failed()) == (attempt,), "a repeated report gives the same spans"


def test_failures_of_a_traced_event_lie_below_its_span_which_comes_with_its_end() -> None:
    event, done = describe_attempt(WORKFLOW, DONE)
    (first,) = describe_failure(failed(attempt=1, root="e", taken_at=(AT + timedelta(seconds=2)).isoformat()))
    assert (first.trace_id, first.parent_id, first.started_at) == (event.trace_id, event.span_id, DONE.taken_at)
    assert first.span_id not in (done.span_id, event.span_id), "a worker may give an event back, and take it again"
    child, last = describe_failure(failed(event_id="c", root="e", parent="e", gave_up=True))
    assert (child.trace_id, child.parent_id, last.parent_id) == (event.trace_id, event.span_id, child.span_id)
    assert (child.name, child.error, child.ended_at) == ("event TK-1", ERROR, last.ended_at)


@pytest.mark.parametrize("parent", ["", "x"])
def test_failures_of_an_event_that_is_not_traced_are_below_its_publishers_span_until_it_is_given_up(
    parent: str,
) -> None:
    (first,) = describe_failure(failed(traceparent=TRACE, parent=parent))
    event, last = describe_failure(failed(traceparent=TRACE, parent=parent, attempt=5, gave_up=True))
    assert {first.trace_id, event.trace_id, last.trace_id} == {int("a" * 32, 16)}
    assert (first.parent_id, event.parent_id, last.parent_id) == (int("b" * 16, 16), int("b" * 16, 16), event.span_id)
    assert describe_failure(failed(parent=parent))[0].parent_id == 0, "no span lies above it that nobody reports"


def test_each_attempt_has_a_span_of_its_own() -> None:
    others: list[dict[str, Any]] = [
        {}, {"attempt": 1}, {"n_replays": 1}, {"pilot": "q"}, {"event_id": "f"},
        {"event_id": "", "digest": "d"}, {"event_id": "", "digest": "g"},
    ]  # fmt: skip
    assert len({describe_failure(failed(**members))[-1].span_id for members in others}) == len(others)


@pytest.mark.parametrize("took_s", [-1.0, 0, 1e-9, 2.0**53, -(2**53)])
def test_a_report_may_hold_any_number_and_any_text(took_s: float) -> None:
    text = "x\n\0é" * 60
    (attempt,) = describe_failure(
        failed(took_s=took_s, failed_at="yesterday", error="", reason=text, root=text, traceparent=text, worker=2**53)
    )
    assert AT - timedelta(days=30) <= attempt.started_at <= attempt.ended_at == AT
    assert attempt.error
