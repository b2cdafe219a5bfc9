"""Note what happens to a traced event in this pilot, and describe it for the report. (core)"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pilot.events.carried_headers import read_trace
from pilot.machine.whereabouts import Whereabouts
from pilot.settings import PilotSettings
from schemas.attempts.done_reports import DoneReport, OutputReport
from schemas.attempts.trace_sampling import read_sent_at
from schemas.ids import EventId, Mqid
from schemas.payloads.data_events import DataEvent, Header

#: Convert a time of the event loop's clock, in seconds, to an instant in UTC.
ToInstant = Callable[[float], datetime]


@dataclass(slots=True)
class TracedAttempt:
    """An attempt at a traced event, from the delivery on. Times are seconds of the event loop's clock."""

    #: The first event of the family.
    root: EventId
    taken_s: float
    #: The queue, the id and the time of each output that the broker has confirmed.
    outputs: list[tuple[Mqid, EventId, float]] = field(default_factory=list)
    #: The task's failure, if the pilot publishes it as the event's outcome.
    error: str = ""
    #: Whether the event became a dead letter, which is reported as a failed attempt.
    gave_up: bool = False


def describe_done(
    event: DataEvent,
    traced: TracedAttempt,
    *,
    attempt: int,
    queue: str,
    settings: PilotSettings,
    whereabouts: Whereabouts,
    pilot: str,
    started_s: float,
    ended_s: float,
    acknowledged_s: float,
    to_instant: ToInstant,
) -> DoneReport:
    """Return the report of an attempt at `event` that ended with its acknowledgement."""
    published_at = read_sent_at(event.headers)
    n_replays = event.headers.get(Header.REPLAYS, 0)
    return DoneReport(
        event_id=event.id,
        root=traced.root,
        attempt=attempt,
        pilot=pilot,
        published_at=None if published_at is None else published_at.isoformat(),
        taken_at=to_instant(traced.taken_s).isoformat(),
        started_at=to_instant(started_s).isoformat(),
        ended_at=to_instant(ended_s).isoformat(),
        acknowledged_at=to_instant(acknowledged_s).isoformat(),
        key=_read_text(event.headers, Header.KEY),
        parent=_read_text(event.headers, Header.PARENT),
        n_replays=n_replays if isinstance(n_replays, int) else 0,
        queue=queue,
        task_id=settings.task_id,
        taskforce_uuid=settings.taskforce_uuid,
        site=whereabouts.site,
        machine=whereabouts.machine,
        slot=whereabouts.slot,
        worker=whereabouts.worker,
        error=traced.error,
        outputs=tuple(
            OutputReport(queue=mqid, event_id=event_id, confirmed_at=to_instant(at_s).isoformat())
            for mqid, event_id, at_s in traced.outputs
        ),
        n_bytes=len(event.body),
        content_type=event.content_type,
        traceparent=read_trace(event.headers),
    )


def _read_text(headers: Mapping[str, Any], name: Header) -> str:
    text = headers.get(name, "")
    return text if isinstance(text, str) else ""
