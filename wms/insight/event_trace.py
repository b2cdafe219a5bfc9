"""Put the trace of an event together from the reports of workers and the graph of the workflow. (core)"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from schemas.api.event_trace import EventState, TracedEvent
from schemas.attempts.dead_letters import DeadLetter
from schemas.attempts.done_history import DoneAttempt
from schemas.attempts.failed_history import Attempt
from schemas.ids import EventId
from wms.insight.event_relatives import Relative

A = TypeVar("A", Attempt, DoneAttempt)


@dataclass(frozen=True, slots=True)
class Reports:
    """What workers reported: failed attempts by event, and attempts that ended well. Each list has the oldest first."""

    failed: Mapping[EventId, Sequence[Attempt]] = field(default_factory=dict)
    done: Mapping[EventId, Sequence[DoneAttempt]] = field(default_factory=dict)

    @property
    def events(self) -> set[EventId]:
        """The events that workers reported."""
        return {*self.failed, *self.done}


def group_reports(attempts: Iterable[Attempt], done: Iterable[DoneAttempt] = ()) -> Reports:
    """Return the attempts by event, the oldest first."""
    return Reports(_group_by_event(attempts), _group_by_event(done))


def _group_by_event(attempts: Iterable[A]) -> dict[EventId, list[A]]:
    grouped: dict[EventId, list[A]] = {}
    for attempt in sorted(attempts, key=lambda one: one.cursor):
        grouped.setdefault(EventId(attempt.event_id), []).append(attempt)
    return grouped


def trace_events(
    line: Sequence[Relative],
    descendants: Sequence[Relative],
    reports: Reports,
    *,
    letter: DeadLetter | None,
    aliases: Mapping[str, str],
) -> list[TracedEvent]:
    """Return the events of a trace.

    `line` is the traced event after its known parents, the first parent first. Of `descendants`, which are those that
    can be, the trace has the ones with reports, and those on the way to them.
    """
    known = _find_known(descendants, reports)
    shown = [*line, *(each for each in descendants if each.event_id in known)]
    parents = {each.parent_id for each in shown}
    return [
        TracedEvent(
            event_id=each.event_id,
            generation=each.generation,
            parent_id=each.parent_id,
            made_by=each.made_by,
            mqid=each.mqid,
            alias=aliases.get(each.mqid, ""),
            state=_find_state(each, reports, letter, has_child=each.event_id in parents),
            attempts=list(reports.failed.get(each.event_id, ())),
            done=list(reports.done.get(each.event_id, ())),
            published_at=_find_publication(each.event_id, reports),
            dead_letter=letter if each.generation == 0 else None,
        )
        for each in shown
    ]


def _find_known(descendants: Sequence[Relative], reports: Reports) -> set[EventId]:
    """Return the descendants with reports, and those between them and the traced event."""
    parents = {each.event_id: each.parent_id for each in descendants}
    known: set[EventId] = set()
    for event_id in parents.keys() & reports.events:
        while event_id in parents and event_id not in known:
            known.add(event_id)
            event_id = parents[event_id]
    return known


def _find_state(event: Relative, reports: Reports, letter: DeadLetter | None, *, has_child: bool) -> EventState:
    attempts = reports.failed.get(event.event_id, ())
    if letter is not None and event.generation == 0:
        return EventState.DEAD
    if has_child or event.event_id in reports.done:
        return EventState.DONE
    if not attempts:
        return EventState.UNREPORTED
    return EventState.DEAD if attempts[-1].gave_up else EventState.FAILED


def _find_publication(event_id: EventId, reports: Reports) -> datetime | None:
    """Return when the event was published, as any report says. Return None if none says it."""
    of_it: list[Attempt | DoneAttempt] = [*reports.done.get(event_id, ()), *reports.failed.get(event_id, ())]
    return next((one.published_at for one in of_it if one.published_at is not None), None)
