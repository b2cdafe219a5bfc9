"""Make events from JSON lines. Check every line before the first event is published. (core)"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from schemas.api.queues.events import MAX_EVENTS_AT_ONCE
from schemas.broker.queue_format import Wire
from schemas.errors import Rejected, TooLarge
from schemas.ids import EventId, Mqid
from schemas.payloads.event_lines import parse_line, read_key
from schemas.payloads.payload_codec import PreparedEvent, event_id, prepare_event

#: How many faulty lines an error describes. It counts the others.
MAX_FAULTS = 5

_REMEDY = "write a text in quotes"


class NumberedLine(NamedTuple):
    """A line that becomes an event. Lines count from 1."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class LineRules:
    """How the lines of one request become events."""

    mqid: Mqid
    wire: Wire
    #: The field with each event's key; None: events have no keys.
    key: str | None
    #: The request's identity by its `Idempotency-Key`; empty without one.
    request: str


def split_lines(text: str) -> list[NumberedLine]:
    """Return the lines of `text` that are not empty. Only a line feed ends a line, because JSON may hold other breaks.

    Raises:
        Rejected: there is no line, or there are too many.
    """
    # Some editors put a byte order mark before the first line.
    lines = text.removeprefix("\ufeff").split("\n")
    kept = [NumberedLine(number, line.rstrip("\r")) for number, line in enumerate(lines, 1) if line.strip()]
    if not kept:
        raise Rejected("'lines': must have at least one event", hint="write one JSON value on each line")
    if len(kept) > MAX_EVENTS_AT_ONCE:
        raise Rejected(
            f"'lines': must have at most {MAX_EVENTS_AT_ONCE} events, not {len(kept)}",
            hint="publish them in several requests",
        )
    return kept


def prepare_events(lines: Sequence[NumberedLine], drawn: Sequence[EventId], rules: LineRules) -> list[PreparedEvent]:
    """Return the events of `lines`, in their order.

    An event's id follows from its key. Without a key, it follows from the request's identity and the line. Without
    both, it is one of `drawn`, which has a random id for each line.

    Raises:
        Rejected: lines cannot become events. The error describes the first `MAX_FAULTS` of them.
    """
    events: list[PreparedEvent] = []
    faults: list[Rejected] = []
    n_faults = 0
    for line, drawn_id in zip(lines, drawn, strict=True):
        try:
            events.append(_prepare_event(line, drawn_id, rules))
        except Rejected as error:
            n_faults += 1
            if len(faults) < MAX_FAULTS:
                faults.append(error)
    if not faults:
        return events
    more = f"; {n_faults - len(faults)} more line(s) have faults" if n_faults > len(faults) else ""
    raise Rejected(
        f"nothing is published, because {n_faults} of {len(lines)} line(s) cannot be events: "
        f"{'; '.join(fault.reason for fault in faults)}{more}",
        hint=faults[0].hint,
    )


def _prepare_event(line: NumberedLine, drawn_id: EventId, rules: LineRules) -> PreparedEvent:
    where = f"line {line.number}"
    payload = parse_line(line.text, where, remedy=_REMEDY)
    key = read_key(payload, rules.key, where, option="'key'")
    # JSON has no tuples, so this is no key of a user.
    once = (rules.request, line.number) if rules.request else None
    id_ = event_id(rules.mqid, once if key is None else key) or drawn_id
    try:
        return prepare_event(payload, id_, key=key, wire=rules.wire)
    except TooLarge as error:
        raise Rejected(f"{where}: {error.reason}", hint=error.hint) from error
    except (TypeError, ValueError) as error:
        raise Rejected(f"{where}: the event cannot be written as JSON: {error}", hint=_REMEDY) from error
