"""An event as a user gets it, and the ids of the events that a program has handled. (core)"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from schemas.ids import EventId
from schemas.payloads.data_events import Header
from schemas.payloads.payload_codec import decode_body


@dataclass(frozen=True, slots=True)
class Event:
    """An event as a user gets it. `body` is decoded by the content type; `raw` are the event's bytes."""

    id: str
    body: Any
    raw: bytes = field(repr=False)
    #: "" for an event of an existing message client.
    content_type: str
    headers: dict[str, Any] = field(repr=False)
    #: The number of this delivery, counted from 1 by the broker.
    attempt: int = 1

    @property
    def parent(self) -> str:
        """Return the id of the input event from which this event was made. Return "" if there is none."""
        return str(self.headers.get(Header.PARENT, ""))

    @classmethod
    def from_data_event(cls, data: "ReceivedEvent") -> "Event":
        """Return `data`, a data event or a delivery of one, as a user gets it."""
        raw, content_type = data.body, data.content_type
        return cls(data.id, decode_body(raw, content_type), raw, content_type, dict(data.headers), data.attempt)


class ReceivedEvent(Protocol):
    """What a queue has given us of an event."""

    @property
    def id(self) -> EventId:
        """The event's id; empty if it has none."""
        ...

    @property
    def body(self) -> bytes:
        """The event's bytes."""
        ...

    @property
    def content_type(self) -> str:
        """The content type; empty if the event has none."""
        ...

    @property
    def headers(self) -> Mapping[str, Any]:
        """The AMQP headers."""
        ...

    @property
    def attempt(self) -> int:
        """The number of this delivery, from 1."""
        ...


class RecentIds:
    """The ids of the last `capacity` handled events. Older ids are forgotten, so the memory has a limit."""

    def __init__(self, capacity: int = 200_000) -> None:
        #: How many ids are remembered at most. It may be changed at any time.
        self.capacity = capacity
        self._ids: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, event: str) -> bool:
        return event in self._ids

    def add_id(self, event: str) -> None:
        """Remember `event`. Ignore an empty id: events without an id cannot be distinguished."""
        if not event:
            return
        self._ids[event] = None
        self._ids.move_to_end(event)
        while len(self._ids) > self.capacity:
            self._ids.popitem(last=False)
