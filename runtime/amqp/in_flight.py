"""An event that is being sent, and the callers that wait for its confirm."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from runtime.amqp.wire.properties import EventProperties

log = logging.getLogger(__name__)


class ConfirmWait(Protocol):
    """One caller's wait for the confirm of one event. It ends once."""

    @property
    def event(self) -> "EventInFlight":
        """The event."""
        ...

    def done(self) -> bool:
        """Return whether the wait is over."""
        ...

    def set_result(self, result: None, /) -> None:
        """End the wait, because the broker has the event."""
        ...

    def set_exception(self, exception: BaseException, /) -> None:
        """End the wait with an error."""
        ...


class EventInFlight:
    """An event that is being sent, and the waits of its callers for the broker's confirm."""

    __slots__ = (
        "__weakref__",
        "body",
        "exchange",
        "follower",
        "is_handed_over",
        "is_over",
        "may_repeat",
        "outcome",
        "predecessor",
        "properties",
        "routing_key",
        "task",
        "waiters",
        "was_sent",
    )

    def __init__(
        self, exchange: str, routing_key: str, body: bytes, properties: EventProperties, *, may_repeat: bool = True
    ) -> None:
        self.exchange = exchange
        self.routing_key = routing_key
        self.body = body
        self.properties = properties
        self.waiters: list[ConfirmWait] = []
        #: Whether the event is on an open channel: the broker may have the event, or gets it when the broker reads.
        self.is_handed_over = False
        self.is_over = False
        #: Whether the publisher may send the event again after the event `was_sent` and the channel was lost.
        self.may_repeat = may_repeat
        self.was_sent = False
        #: If a task sends the event: that task, and the future of the outcome for which the task waits.
        self.task: asyncio.Task[None] | None = None
        self.outcome: asyncio.Future[BaseException | None] | None = None
        #: Other events with the same id. This event is sent when `predecessor` is over, `follower` after this event.
        self.predecessor: EventInFlight | None = None
        self.follower: EventInFlight | None = None

    @property
    def message_id(self) -> str:
        """The event's id."""
        return self.properties.message_id

    @property
    def has_waiters(self) -> bool:
        """Whether a caller still waits for the confirm."""
        return any(not waiter.done() for waiter in self.waiters)

    def end_waits(self, error: BaseException | None) -> None:
        """End all waits: well if `error` is None, else with `error`."""
        for waiter in self.waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)
        self.drop_content()

    def drop_content(self) -> None:
        """Drop the body and the waits. The waits refer to this event: so the garbage collector has nothing to do."""
        self.body = b""
        self.waiters.clear()

    def is_same(self, exchange: str, routing_key: str, body: bytes) -> bool:
        """Return whether this event has these bytes and this destination."""
        return (self.exchange, self.routing_key, self.body) == (exchange, routing_key, body)


class ConfirmWaiter(asyncio.Future[None]):
    """A wait that the caller awaits."""

    def __init__(self, event: EventInFlight) -> None:
        super().__init__()
        self.event = event


class ConfirmCall:
    """A wait whose end calls a function at once. It costs less than a future, whose callbacks the loop calls later."""

    __slots__ = ("_is_done", "_on_end", "event")

    def __init__(self, event: EventInFlight, on_end: Callable[[BaseException | None], None]) -> None:
        """`on_end` gets None if the broker has the event, else the error."""
        self.event = event
        self._on_end = on_end
        self._is_done = False

    def done(self) -> bool:
        """Return whether the wait is over."""
        return self._is_done

    def set_result(self, _: None, /) -> None:
        """Call the function with None."""
        self._end(None)

    def set_exception(self, exception: BaseException, /) -> None:
        """Call the function with the error."""
        self._end(exception)

    def _end(self, error: BaseException | None) -> None:
        self._is_done = True
        try:
            self._on_end(error)
        except Exception:
            # One confirm may be for many events. The others have their outcomes too.
            log.exception("a callback for a confirm raised an error")


class EventsById:
    """The events that are being sent. Of several events with one id, only one is on its way: the broker returns an
    event by its id.
    """

    def __init__(self) -> None:
        #: The latest event of each id.
        self._latest: dict[str, EventInFlight] = {}

    def __len__(self) -> int:
        return len(self._latest)

    def list_latest(self) -> list[EventInFlight]:
        """Return the latest event of each id."""
        return [*self._latest.values()]

    def join_event(
        self, exchange: str, routing_key: str, body: bytes, properties: EventProperties, *, may_repeat: bool = True
    ) -> EventInFlight:
        """Return the same event if it is being sent already, else a new one."""
        earlier = self._latest.get(properties.message_id)
        if earlier is not None and earlier.is_same(exchange, routing_key, body):
            return earlier
        return EventInFlight(exchange, routing_key, body, properties, may_repeat=may_repeat)

    def add_event(self, event: EventInFlight) -> bool:
        """Record that `event` is being sent. Return whether it is new and no event with its id is before it."""
        earlier = self._latest.get(event.message_id)
        if earlier is event:
            return False
        self._latest[event.message_id] = event
        if earlier is None:
            return True
        earlier.follower, event.predecessor = event, earlier
        return False

    def forget_event(self, event: EventInFlight) -> EventInFlight | None:
        """Forget an event that is over. Return the event that waited for it; None if there is none."""
        before, after = event.predecessor, event.follower
        event.predecessor = event.follower = None
        is_latest = self._latest.get(event.message_id) is event
        if after is not None:
            after.predecessor = before
        if before is not None:
            # This event still waited for `before` when its last caller stopped waiting.
            before.follower = after
            if is_latest:
                self._latest[event.message_id] = before
            return None
        if is_latest:
            del self._latest[event.message_id]
        return after
