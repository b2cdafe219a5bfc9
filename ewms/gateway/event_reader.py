"""Read server-sent events from the lines of an answer. (core)"""

from collections.abc import AsyncIterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamedEvent:
    """One event of a stream."""

    name: str
    data: str
    id: str


async def read_events(lines: AsyncIterator[str]) -> AsyncIterator[StreamedEvent]:
    """Yield the events in `lines`. Comments, and an event whose end is missing, are left out.

    Source: WHATWG HTML, 9.2.6.
    """
    name, last_id, data = "", "", list[str]()
    async for line in lines:
        if not line:
            if data:
                yield StreamedEvent(name, "\n".join(data), last_id)
            name, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "event":
                name = value
            case "data":
                data.append(value)
            case "id":
                last_id = value
            case _:
                pass  # a comment, or the time to wait before a new connection
