"""Find the events that a confirm is for. (core)

The broker numbers the events of a channel from 1, and may confirm many events at once.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Generic, TypeVar

Event = TypeVar("Event")


class Verdict(Enum):
    """What the broker did with an event."""

    TAKEN = "taken"
    #: No bound queue takes the event, so the broker returned it.
    UNROUTABLE = "unroutable"
    #: The queue refused the event, because the queue is full.
    REFUSED = "refused"


class ConfirmBook(Generic[Event]):
    """The events of one channel that the broker has not confirmed yet."""

    def __init__(self) -> None:
        #: The event and its id, by the broker's number of the event, the oldest first.
        self._open: dict[int, tuple[Event, str]] = {}
        self._n_sent = 0
        #: The ids of returned events. The broker first returns an event that no queue takes, and then confirms it.
        self._returned: set[str] = set()

    def __len__(self) -> int:
        """Return how many events are not confirmed."""
        return len(self._open)

    def add_event(self, event: Event, message_id: str) -> None:
        """Record an event that is being sent. Two unconfirmed events never have the same id."""
        self._n_sent += 1
        self._open[self._n_sent] = (event, message_id)

    def note_returned(self, message_id: str) -> None:
        """Record that the broker has returned an event, because no queue takes it."""
        self._returned.add(message_id)

    def settle_events(self, tag: int, *, and_earlier: bool, is_refused: bool) -> Iterator[tuple[Event, Verdict]]:
        """Remove the events that a confirm is for, and yield each with its verdict, the oldest first.

        `tag` is the event's number; with `and_earlier`, the confirm is for all earlier events too. Ignore an unknown
        `tag`.
        """
        if not and_earlier:
            if tag in self._open:
                yield self._take_out(tag, is_refused)
            return
        while self._open and (oldest := next(iter(self._open))) <= tag:
            yield self._take_out(oldest, is_refused)

    def take_all(self) -> list[Event]:
        """Remove and return all events, because their channel is closed."""
        events = [event for event, _ in self._open.values()]
        self._open.clear()
        self._returned.clear()
        return events

    def _take_out(self, tag: int, is_refused: bool) -> tuple[Event, Verdict]:
        event, message_id = self._open.pop(tag)
        is_returned = message_id in self._returned
        if is_returned:
            self._returned.discard(message_id)
        if is_refused:
            return event, Verdict.REFUSED
        return event, Verdict.UNROUTABLE if is_returned else Verdict.TAKEN
