"""An attempt at a traced event becomes two spans, whose ids follow from the events."""

from datetime import UTC, datetime, timedelta

import pytest

from mqs.letters.attempt_spans import describe_attempt
from schemas.attempts.done_history import DoneAttempt
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
