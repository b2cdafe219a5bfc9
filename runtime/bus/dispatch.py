"""Choose the handlers of each event of an inbox.

    table = DispatchTable()
    table.add_handler(TaskforceStart, starter.start)
    table.add_handler(TaskforceStop, stopper.stop)
    await bus.consume(table)

The inbox parks an event without a handler. Several handlers may share a type, for example two parts of a service that
need the same fact. Each of these handlers gets the event, and each needs its own inbox id. The inbox acknowledges the
event when all handlers have returned. If one handler asks for another attempt, all handlers run again.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Self, TypeVar

from schemas.errors import Conflict, Rejected
from schemas.events import ControlEvent, Payload, UnknownType

P = TypeVar("P", bound=Payload)

#: Called with a payload and its event. The table in `runtime.bus.intake` says what the errors of a handler mean.
PayloadHandler = Callable[[P, ControlEvent], Awaitable[None]]

#: Called with every event of an inbox, of any type.
EventHandler = Callable[[ControlEvent], Awaitable[None]]


class DispatchTable:
    """The handlers of one inbox, by the class of the payload that they take."""

    def __init__(self) -> None:
        self._by_type: dict[type[Payload], list[PayloadHandler[Any]]] = {}
        self._of_every_type: list[EventHandler] = []

    @classmethod
    def with_one_handler(cls, handler: EventHandler) -> Self:
        """Return a table that calls `handler` with every event."""
        table = cls()
        table._of_every_type.append(handler)
        return table

    def add_handler(self, payload: type[P], handler: PayloadHandler[P]) -> None:
        """Call `handler` with every event whose payload is an instance of this class, but not of a subclass."""
        self._by_type.setdefault(payload, []).append(handler)

    def has_handler(self, event: ControlEvent) -> bool:
        """Return whether this table has a handler for `event`."""
        return bool(self._of_every_type) or type(event.data) in self._by_type

    async def handle_event(self, event: ControlEvent) -> None:
        """Call every handler of `event`, one after the other.

        Raises:
            UnknownType: the event has no handler.
            Rejected: one handler has rejected the event, and the other handlers have handled it.
            Conflict: every handler had nothing left to do.
            Exception: another error of a handler, at once. The broker must deliver the event again.
        """
        if not self.has_handler(event):
            raise UnknownType(f"this service has no handler for events of type {event.type!r}")
        rejected: Rejected | None = None
        conflicts: list[Conflict] = []
        calls = self._find_calls(event)
        for call in calls:
            try:
                await call()
            except Conflict as error:
                conflicts.append(error)
            except Rejected as error:
                rejected = rejected or error
        if rejected is not None:
            raise rejected
        if len(conflicts) == len(calls):
            raise conflicts[0]

    def _find_calls(self, event: ControlEvent) -> list[Callable[[], Awaitable[None]]]:
        by_type = self._by_type.get(type(event.data), [])
        return [
            *(partial(handler, event.data, event) for handler in by_type),
            *(partial(handler, event) for handler in self._of_every_type),
        ]
