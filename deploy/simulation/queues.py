"""A queue of the simulated broker. It delivers as a quorum queue does: to its consumers in turn, within their prefetch.

A failed event comes again after a pause, a returned one at once and first.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from deploy.simulation.agenda import Agenda
from pilot.life.instructions import Settlement
from schemas.broker.topology import EVENT_RETRY_MAX_S, EVENT_RETRY_S


@dataclass(slots=True)
class SimulatedEvent:
    """An event, with the counts that the broker keeps of it."""

    number: int
    attempt: int = 1
    n_returned: int = 0
    #: How many of its runs will fail; None before its first run. `is_hopeless`: it then becomes a dead letter.
    n_failures: int | None = None
    is_hopeless: bool = False


class Subscription:
    """A consumer's subscription to a queue: it gets at most `prefetch` unsettled events."""

    def __init__(
        self, queue: "SimulatedQueue", prefetch: int, deliver: Callable[["Subscription", SimulatedEvent], None]
    ) -> None:
        self.queue = queue
        self.deliver = deliver
        self.credit = prefetch
        self.is_active = True
        #: Whether the queue has this subscription in its turn.
        self.is_in_turn = False

    def cancel(self) -> None:
        """Take no more events. Delivered events stay unsettled."""
        self.is_active = False

    def settle_event(self, event: SimulatedEvent, how: Settlement) -> None:
        """Tell the queue how a delivered event ended."""
        self.credit += 1
        self.queue.settle_event(event, how)
        self.queue.resume_delivery(self)


@dataclass(slots=True)
class Backlog:
    """How many events are in all queues together: ready, delivered and not settled, or put off."""

    n_unsettled: int = 0
    #: When an event was last done.
    settled_at_s: float = 0.0


class SimulatedQueue:
    """A queue from which tasks take events. It counts its events in `backlog`."""

    def __init__(self, agenda: Agenda, backlog: Backlog) -> None:
        self._agenda = agenda
        self._backlog = backlog
        self._ready: deque[SimulatedEvent] = deque()
        self._turn: deque[Subscription] = deque()
        self._is_delivering = False

    def publish_event(self, event: SimulatedEvent) -> None:
        """Put a new event at the end of the queue."""
        self._backlog.n_unsettled += 1
        self._ready.append(event)
        self._deliver_events()

    def open_subscription(self, prefetch: int, deliver: Callable[[Subscription, SimulatedEvent], None]) -> Subscription:
        """Return a new subscription. The queue calls its `deliver` with each event."""
        subscription = Subscription(self, prefetch, deliver)
        self.resume_delivery(subscription)
        return subscription

    def resume_delivery(self, subscription: Subscription) -> None:
        """Give the subscription its turn again if it may get events."""
        if subscription.is_active and subscription.credit > 0 and not subscription.is_in_turn:
            subscription.is_in_turn = True
            self._turn.append(subscription)
        self._deliver_events()

    def settle_event(self, event: SimulatedEvent, how: Settlement) -> None:
        """Drop the event, or bring it back."""
        match how:
            case Settlement.REJECT:
                pause_s = min(EVENT_RETRY_MAX_S, EVENT_RETRY_S * event.attempt)
                event.attempt += 1
                self._agenda.call_later(pause_s, lambda: self._bring_back(event))
            case Settlement.RETURN:
                event.n_returned += 1
                self._bring_back(event)
            case _:
                self._backlog.n_unsettled -= 1
                self._backlog.settled_at_s = self._agenda.time()

    def _bring_back(self, event: SimulatedEvent) -> None:
        self._ready.appendleft(event)
        self._deliver_events()

    def _deliver_events(self) -> None:
        """Deliver ready events. A delivery may lead to another one: the outermost call makes it."""
        if self._is_delivering:
            return
        self._is_delivering = True
        try:
            while self._ready and self._turn:
                subscription = self._turn.popleft()
                subscription.is_in_turn = False
                if not subscription.is_active or subscription.credit <= 0:
                    continue
                subscription.credit -= 1
                event = self._ready.popleft()
                if subscription.credit > 0:
                    subscription.is_in_turn = True
                    self._turn.append(subscription)
                subscription.deliver(subscription, event)
        finally:
            self._is_delivering = False
