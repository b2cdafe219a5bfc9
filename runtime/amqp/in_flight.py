"""An event that is being sent, and the callers that wait for its confirm."""

import asyncio

from runtime.amqp.wire.properties import EventProperties


class EventInFlight:
    """An event that is being sent, and the waits of its callers for the broker's confirm."""

    __slots__ = (
        "__weakref__",
        "body",
        "exchange",
        "follower",
        "is_handed_over",
        "is_over",
        "outcome",
        "predecessor",
        "properties",
        "routing_key",
        "task",
        "waiters",
    )

    def __init__(self, exchange: str, routing_key: str, body: bytes, properties: EventProperties) -> None:
        self.exchange = exchange
        self.routing_key = routing_key
        self.body = body
        self.properties = properties
        self.waiters: list[ConfirmWaiter] = []
        #: Whether the event is on an open channel: the broker may have the event, or gets it when the broker reads.
        self.is_handed_over = False
        self.is_over = False
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
    """One caller's wait for the confirm of one event."""

    def __init__(self, event: EventInFlight) -> None:
        super().__init__()
        self.event = event
        event.waiters.append(self)
