"""The simulated queue delivers as the broker does."""

from deploy.simulation.agenda import Agenda
from deploy.simulation.queues import Backlog, SimulatedEvent, SimulatedQueue, Subscription
from pilot.life.instructions import Settlement


class World:
    """A queue with named consumers, which keep what they get."""

    def __init__(self) -> None:
        self.agenda, self.backlog = Agenda(), Backlog()
        self.queue = SimulatedQueue(self.agenda, self.backlog)
        self.got: list[tuple[str, int]] = []
        self.held: dict[int, tuple[Subscription, SimulatedEvent]] = {}

    def consume(self, name: str, prefetch: int) -> Subscription:
        def deliver(subscription: Subscription, event: SimulatedEvent) -> None:
            self.got.append((name, event.number))
            self.held[event.number] = (subscription, event)

        return self.queue.open_subscription(prefetch, deliver)

    def publish(self, *numbers: int) -> None:
        for number in numbers:
            self.queue.publish_event(SimulatedEvent(number))

    def settle(self, number: int, how: Settlement) -> SimulatedEvent:
        subscription, event = self.held.pop(number)
        subscription.settle_event(event, how)
        return event


def test_consumers_get_events_in_turn_within_their_prefetch() -> None:
    world = World()
    world.consume("a", 1)
    world.consume("b", 2)
    world.publish(1, 2, 3, 4)
    assert world.got == [("a", 1), ("b", 2), ("b", 3)]
    world.settle(2, Settlement.ACK)
    assert world.got[3:] == [("b", 4)]
    assert world.backlog.n_unsettled == 3


def test_a_failed_event_comes_again_after_a_pause_that_grows() -> None:
    world = World()
    world.consume("a", 1)
    world.publish(1)
    for attempt, at_s in ((2, 1.0), (3, 3.0)):
        event = world.settle(1, Settlement.REJECT)
        assert event.attempt == attempt
        assert world.agenda.make_next_call()
        assert (world.agenda.time(), len(world.got)) == (at_s, attempt)


def test_a_returned_event_comes_at_once_and_first() -> None:
    world = World()
    first = world.consume("a", 1)
    world.publish(1, 2)
    first.cancel()
    world.consume("b", 2)
    event = world.settle(1, Settlement.RETURN)
    assert (event.attempt, event.n_returned) == (1, 1)
    assert world.got == [("a", 1), ("b", 2), ("b", 1)]
    assert world.agenda.make_next_call() is False


def test_a_canceled_subscription_gets_no_more() -> None:
    world = World()
    world.consume("a", 5).cancel()
    world.publish(1)
    assert world.got == []
    world.consume("b", 1)
    world.settle(1, Settlement.DISCARD)
    assert world.backlog.n_unsettled == 0
