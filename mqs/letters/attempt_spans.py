"""Describe attempts at traced events as spans of OpenTelemetry. (core)

    trace of the family            its id: that of the `traceparent` of the event, or a hash of the root
      event (publication to acknowledgement)
        attempt (delivery to acknowledgement)
        event that the task made from it
          attempt

The ids follow from the events, so a repeated report gives the same spans.
"""

import hashlib

from schemas.attempts.done_history import DoneAttempt
from schemas.attempts.finished_span import FinishedSpan
from schemas.attempts.trace_context import read_traceparent
from schemas.ids import WorkflowId


def describe_attempt(workflow_id: WorkflowId, done: DoneAttempt) -> tuple[FinishedSpan, FinishedSpan]:
    """Return the spans of an attempt at a traced event that ended well: that of the event, and that of the attempt."""
    trace_id, caller_id = _find_trace(workflow_id, done)
    event_span = _hash_words(workflow_id, "event", done.event_id, n_bytes=8)
    parent_id = _hash_words(workflow_id, "event", done.parent, n_bytes=8) if done.parent else caller_id
    names = {"ewms.workflow_id": workflow_id, "ewms.event_id": done.event_id, "ewms.queue": done.queue}
    event = FinishedSpan(
        name=f"event {done.task_id}".strip(),
        trace_id=trace_id,
        span_id=event_span,
        parent_id=parent_id,
        started_at=done.published_at or done.taken_at,
        ended_at=done.acknowledged_at,
        attributes={**names, "ewms.root": done.root, "ewms.key": done.key},
    )
    attempt = FinishedSpan(
        name=f"attempt {done.attempt}",
        trace_id=trace_id,
        span_id=_hash_words(workflow_id, "attempt", done.event_id, done.pilot, str(done.attempt), n_bytes=8),
        parent_id=event_span,
        started_at=done.taken_at,
        ended_at=done.acknowledged_at,
        attributes={
            **names,
            "ewms.task_id": done.task_id,
            "ewms.taskforce_uuid": done.taskforce_uuid,
            "ewms.machine": done.machine,
            "ewms.worker": -1 if done.worker is None else done.worker,
            "ewms.run_s": (done.ended_at - done.started_at).total_seconds(),
            "ewms.n_outputs": len(done.outputs),
        },
        error=done.error,
    )
    return event, attempt


def _find_trace(workflow_id: WorkflowId, done: DoneAttempt) -> tuple[int, int]:
    """Return the id of the event's trace, and the span of its publisher; 0: the publisher has none."""
    found = read_traceparent(done.traceparent)
    return found or (_hash_words(workflow_id, "family", done.root, n_bytes=16), 0)


def _hash_words(*words: str, n_bytes: int) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(words).encode()).digest()[:n_bytes], "big")
