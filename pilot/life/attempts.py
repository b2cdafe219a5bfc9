"""Decide whether a failed event gets another attempt, and write the headers of its dead letter. (core)

When a task fails, the pilot *rejects* the event *with requeue*: the queue's policy delays the next attempt and counts
it (ruling 5). At the fifth failure the pilot publishes the event's own bytes, with the reasons, to the workflow's dead
letters. Then the pilot acknowledges the event.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from pilot.failures.failure import Failure
from pilot.machine.whereabouts import Whereabouts
from pilot.settings import PilotSettings
from schemas.attempts.failed_reports import MAX_EXCERPT_BYTES, FailedAttempt
from schemas.attempts.trace_sampling import read_sent_at
from schemas.broker.topology import MAX_ATTEMPTS
from schemas.payloads.data_events import DataEvent, Header, HeaderValue

#: One AMQP frame carries all headers. This limit keeps their texts far below the smallest frame.
_MAX_TEXT = 2000

_BROKERS = frozenset({Header.DELIVERY_COUNT, Header.ACQUIRED_COUNT})


def gives_up(failure: Failure, attempt: int) -> bool:
    """Return whether the pilot gives the event up after `failure` at the attempt number `attempt` (from 1)."""
    return failure.final or attempt >= MAX_ATTEMPTS


def dead_letter_headers(
    headers: Iterable[tuple[str, HeaderValue]],
    failure: Failure,
    *,
    attempt: int,
    queue: str,
    settings: PilotSettings,
    worker: str,
    now: datetime,
) -> dict[str, HeaderValue]:
    """Return a dead letter's headers: the sender's headers, and the reason, queue, task and worker of the last attempt.

    `headers` are the headers of the event. The headers that the broker adds on delivery are left out.
    """
    return {
        **senders_headers(headers),
        Header.DEAD_REASON: failure.reason.value,
        Header.DEAD_ERROR: str(failure)[:_MAX_TEXT],
        Header.DEAD_ATTEMPTS: attempt,
        Header.DEAD_QUEUE: queue,
        Header.DEAD_TASK: settings.task_id,
        Header.DEAD_TASKFORCE: settings.taskforce_uuid,
        Header.DEAD_WORKER: worker,
        Header.DEAD_AT: now.isoformat(),
    }


def senders_headers(headers: Iterable[tuple[str, HeaderValue]]) -> dict[str, HeaderValue]:
    """Return the headers that the sender set, without those that the broker adds on delivery."""
    return {key: value for key, value in headers if not _is_brokers(key)}


def failed_attempt(
    event: DataEvent,
    failure: Failure,
    *,
    attempt: int,
    gave_up: bool,
    counts: bool,
    queue: str,
    settings: PilotSettings,
    whereabouts: Whereabouts,
    pilot: str,
    last_lines: str,
    took_s: float,
    now: datetime,
    taken_at: datetime | None = None,
    root: str = "",
    traceparent: str = "",
) -> FailedAttempt:
    """Return the report of one failed attempt at `event`. `took_s` is for how many seconds the task ran.

    `counts` is whether the attempt counts against the event. `taken_at` is when the pilot got it, and `root`
    the first event of its family, if it is traced. `traceparent` is the valid trace that it carries, or "".
    """
    published_at = None if taken_at is None else read_sent_at(event.headers)
    key, parent = event.headers.get(Header.KEY, ""), event.headers.get(Header.PARENT, "")
    return FailedAttempt(
        event_id=event.id,
        key=key if isinstance(key, str) else "",
        parent=parent if isinstance(parent, str) else "",
        attempt=attempt,
        pilot=pilot,
        reason=failure.reason.value,
        error=str(failure),
        queue=queue,
        task_id=settings.task_id,
        taskforce_uuid=settings.taskforce_uuid,
        last_lines=last_lines or failure.traceback,
        exit_code=failure.exit_code,
        site=whereabouts.site,
        machine=whereabouts.machine,
        slot=whereabouts.slot,
        worker=whereabouts.worker,
        failed_at=now.isoformat(),
        took_s=round(took_s, 3),
        published_at="" if published_at is None else published_at.isoformat(),
        taken_at="" if taken_at is None else taken_at.isoformat(),
        root=root,
        traceparent=traceparent,
        n_replays=replays if isinstance(replays := event.headers.get(Header.REPLAYS), int) else 0,
        gave_up=gave_up,
        counts=counts,
        n_bytes=len(event.body),
        content_type=event.content_type,
        digest=hashlib.sha256(event.body).hexdigest(),
        excerpt=event.body[:MAX_EXCERPT_BYTES],
    )


def _is_brokers(header: str) -> bool:
    """Return whether the broker adds `header` on delivery. A new event must not carry such a header."""
    return header in _BROKERS or header.startswith(("x-death", "x-first-death", "x-last-death"))
