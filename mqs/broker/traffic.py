"""How many events a queue has ever got, and how many have left it: numbers that only grow. (core)

The broker counts what is published onto a queue and what is acknowledged, and begins at nought when it restarts. What
we had seen of its counts until then is kept. What it counted after our last look and before its restart is lost, except
for the events that are still in the queue.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counters:
    """What the broker counted of a queue since it started."""

    n_published: int = 0
    n_acknowledged: int = 0


@dataclass(frozen=True, slots=True)
class Traffic:
    """What has gone through a queue."""

    #: Until the broker's last restart.
    before: Counters = Counters()
    #: Since then.
    now: Counters = Counters()

    @property
    def n_left(self) -> int:
        """How many events have left it for good."""
        return self.before.n_acknowledged + self.now.n_acknowledged


def after_count(traffic: Traffic, counted: Counters) -> Traffic:
    """Return `traffic` after the broker has `counted` so much; less than before means that it has restarted."""
    if counted.n_published < traffic.now.n_published or counted.n_acknowledged < traffic.now.n_acknowledged:
        before = Counters(
            traffic.before.n_published + traffic.now.n_published,
            traffic.before.n_acknowledged + traffic.now.n_acknowledged,
        )
        return Traffic(before, counted)
    return Traffic(traffic.before, counted)


def n_arrived(traffic: Traffic, n_ready: int) -> int:
    """Return how many events have ever come into a queue where `n_ready` wait.

    These have to be counted after the traffic, or some of them might have left meanwhile and count twice.
    """
    return max(traffic.before.n_published + traffic.now.n_published, traffic.n_left + n_ready)
