"""Put the trace of an event together from the reports of workers and the graph of the workflow. (core)"""

from collections.abc import Iterable, Mapping, Sequence

from schemas.api.event_trace import EventState, TracedEvent
from schemas.failures.dead_letters import DeadLetter
from schemas.failures.history import Attempt
from schemas.ids import EventId
from wms.insight.event_relatives import Relative

#: Failed attempts by event, each list with the oldest first.
Reports = Mapping[EventId, Sequence[Attempt]]


def group_attempts(attempts: Iterable[Attempt]) -> dict[EventId, list[Attempt]]:
    """Return `attempts` by event, the oldest first."""
    grouped: dict[EventId, list[Attempt]] = {}
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
            attempts=list(reports.get(each.event_id, ())),
            dead_letter=letter if each.generation == 0 else None,
        )
        for each in shown
    ]


def _find_known(descendants: Sequence[Relative], reports: Reports) -> set[EventId]:
    """Return the descendants with reports, and those between them and the traced event."""
    parents = {each.event_id: each.parent_id for each in descendants}
    known: set[EventId] = set()
    for event_id in parents.keys() & reports.keys():
        while event_id in parents and event_id not in known:
            known.add(event_id)
            event_id = parents[event_id]
    return known


def _find_state(event: Relative, reports: Reports, letter: DeadLetter | None, *, has_child: bool) -> EventState:
    attempts = reports.get(event.event_id, ())
    if letter is not None and event.generation == 0:
        return EventState.DEAD
    if has_child:
        return EventState.DONE
    if not attempts:
        return EventState.UNREPORTED
    return EventState.DEAD if attempts[-1].gave_up else EventState.FAILED
