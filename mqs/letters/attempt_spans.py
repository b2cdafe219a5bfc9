"""Describe the attempts that pilots report as spans of OpenTelemetry. (core)

    trace of the family            its id: that of the `traceparent` of the event, or a hash of the root
      event (publication to acknowledgement, or to the failure after which it was given up)
        attempt (delivery to acknowledgement, or to its failure)
        event that the task made from it
          attempt

The ids follow from the events, so a repeated report gives the same spans. Of an event that is not traced, nobody
reports a good end. So its failed attempts are below its publisher's span, until it is given up.
"""

import hashlib
from datetime import datetime, timedelta

from schemas.attempts.documents import FailedAttemptDocument
from schemas.attempts.done_history import DoneAttempt
from schemas.attempts.finished_span import FinishedSpan
from schemas.attempts.trace_context import read_traceparent
from schemas.ids import WorkflowId

#: The longest time (seconds) of a failed attempt. A worker writes the report, and may write any number.
_LONGEST_S = 30 * 86400.0

_Reported = DoneAttempt | FailedAttemptDocument


def describe_attempt(workflow_id: WorkflowId, done: DoneAttempt) -> tuple[FinishedSpan, FinishedSpan]:
    """Return the spans of an attempt at a traced event that ended well: that of the event, and that of the attempt."""
    event = _build_event(workflow_id, done, begun_at=done.taken_at, ended_at=done.acknowledged_at)
    attempt = FinishedSpan(
        name=f"attempt {done.attempt}",
        trace_id=event.trace_id,
        span_id=_name_attempt(workflow_id, "attempt", done),
        parent_id=event.span_id,
        started_at=done.taken_at,
        ended_at=done.acknowledged_at,
        attributes={
            **_describe_worker(workflow_id, done),
            "ewms.run_s": (done.ended_at - done.started_at).total_seconds(),
            "ewms.n_outputs": len(done.outputs),
        },
        error=done.error,
    )
    return event, attempt


def describe_failure(failed: FailedAttemptDocument) -> tuple[FinishedSpan, ...]:
    """Return the span of a failed attempt. If the event was given up after it, return the span of the event first."""
    run_s = min(max(failed.took_s, 0.0), _LONGEST_S)
    begun_at = failed.taken_at or failed.failed_at - timedelta(seconds=run_s)
    error = failed.error or failed.reason or "the attempt failed"
    event = _build_event(failed.workflow_id, failed, begun_at=begun_at, ended_at=failed.failed_at, error=error)
    exited = {} if failed.exit_code is None else {"ewms.exit_code": failed.exit_code}
    attempt = FinishedSpan(
        name=f"attempt {failed.attempt}",
        trace_id=event.trace_id,
        span_id=_name_attempt(failed.workflow_id, "failure", failed),
        parent_id=event.span_id if failed.root or failed.gave_up else event.parent_id,
        started_at=begun_at,
        ended_at=failed.failed_at,
        attributes={
            **_describe_worker(failed.workflow_id, failed),
            "ewms.run_s": run_s,
            "ewms.reason": failed.reason,
            "ewms.counts": failed.counts,
            **exited,
        },
        error=error,
    )
    return (event, attempt) if failed.gave_up else (attempt,)


def _build_event(
    workflow_id: WorkflowId, reported: _Reported, *, begun_at: datetime, ended_at: datetime, error: str = ""
) -> FinishedSpan:
    """Return the span of an event. It begins with the publication, or at `begun_at` if its publisher did not tell."""
    event_id = _find_event_id(reported)
    # Without a root, the parent has no span, and each event is a trace of its own.
    parent = reported.parent if reported.root else ""
    root = reported.root or event_id
    trace_id, caller_id = read_traceparent(reported.traceparent) or (_hash_words(workflow_id, "family", root, n=16), 0)
    return FinishedSpan(
        name=f"event {reported.task_id}".strip(),
        trace_id=trace_id,
        span_id=_hash_words(workflow_id, "event", event_id),
        parent_id=_hash_words(workflow_id, "event", parent) if parent else caller_id,
        started_at=reported.published_at or begun_at,
        ended_at=ended_at,
        attributes={
            "ewms.workflow_id": workflow_id,
            "ewms.event_id": reported.event_id,
            "ewms.queue": reported.queue,
            "ewms.root": root,
            "ewms.key": reported.key,
        },
        error=error,
    )


def _describe_worker(workflow_id: WorkflowId, reported: _Reported) -> dict[str, str | int | float]:
    return {
        "ewms.workflow_id": workflow_id,
        "ewms.event_id": reported.event_id,
        "ewms.queue": reported.queue,
        "ewms.task_id": reported.task_id,
        "ewms.taskforce_uuid": reported.taskforce_uuid,
        "ewms.machine": reported.machine,
        "ewms.worker": -1 if reported.worker is None else reported.worker,
    }


def _name_attempt(workflow_id: WorkflowId, kind: str, reported: _Reported) -> int:
    number = f"{reported.n_replays}.{reported.attempt}"
    return _hash_words(workflow_id, kind, _find_event_id(reported), reported.pilot, number)


def _find_event_id(reported: _Reported) -> str:
    """Return the id of the event. Return its digest if a failed event has no id."""
    digest = reported.digest if isinstance(reported, FailedAttemptDocument) else ""
    return reported.event_id or digest


def _hash_words(*words: str, n: int = 8) -> int:
    """Return the first `n` bytes of the hash of `words`, as a number."""
    return int.from_bytes(hashlib.sha256("\0".join(words).encode()).digest()[:n], "big")
