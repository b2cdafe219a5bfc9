"""Server-sent events as bytes. (core)

    id: 42
    event: step
    data: {"name": "provision", "status": "success"}

A blank line ends an event, and a line that begins with a colon is a comment. Source: WHATWG HTML, 9.2.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

#: A comment, which shows both sides that the connection is still open.
HEARTBEAT = b":\n\n"

MAX_ID = 256

_LINE_ENDS = re.compile(r"\r\n|\n|\r")
_NO_FIELD = re.compile(r"[\r\n\0]")


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of a stream. After a broken connection, the client sends the last `id` that it received."""

    data: str
    id: str = ""
    name: str = ""


#: What a stream sends: an event, or the bytes of events that several streams share.
StreamPart = StreamEvent | bytes


def format_event(event: StreamEvent) -> bytes:
    """Return the bytes of `event`.

    Raises:
        ValueError: the event's id or name has a line end or a NUL.
    """
    for field in (event.id, event.name):
        if _NO_FIELD.search(field):
            raise ValueError("the id and the name of an event must be one line without NUL")
    lines = [f"id: {event.id}"] if event.id else []
    lines += [f"event: {event.name}"] if event.name else []
    lines += [f"data: {line}" for line in _LINE_ENDS.split(event.data)]
    return "\n".join((*lines, "\n")).encode()


def format_events(events: Iterable[StreamEvent]) -> bytes:
    """Return the bytes of `events`, one after the other.

    Raises:
        ValueError: the id or the name of an event has a line end or a NUL.
    """
    return b"".join(map(format_event, events))


def format_pause(pause_s: float) -> bytes:
    """Return the bytes that tell the client how many seconds to wait before it connects again."""
    return f"retry: {round(pause_s * 1000)}\n\n".encode()


def is_event_id(text: str) -> bool:
    """Return whether a client may send `text` as the id of an event."""
    return len(text) <= MAX_ID and text.isprintable()
