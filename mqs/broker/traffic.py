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


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen of a queue, and since when it has been the same."""

    n_arrived: int
    n_ready: int
    since_s: float


def after_sight(before: Sight | None, *, n_arrived: int, n_ready: int, at_s: float) -> Sight:
    """Return what is known of a queue after one more look, on any clock that only goes on."""
    if before is not None and (before.n_arrived, before.n_ready) == (n_arrived, n_ready):
        return before
    return Sight(n_arrived, n_ready, at_s)


def n_gone(traffic: Traffic, sight: Sight, n_held: int, *, at_s: float, settle_s: float) -> int:
    """Return how many events have left a queue for sure, where `n_held` are in it by its last report.

    An event that a consumer has just taken is not ready any more and not yet in the report, which is up to `settle_s`
    old. So the report is believed once nothing has moved for that long; until then only acknowledged events are gone.
    """
    by_report = max(0, sight.n_arrived - n_held)
    return by_report if at_s >= sight.since_s + settle_s else min(by_report, traffic.n_left)


def n_arrived(traffic: Traffic, n_ready: int) -> int:
    """Return how many events have ever come into a queue where `n_ready` wait.

    These have to be counted after the traffic, or some of them might have left meanwhile and count twice.
    """
    return max(traffic.before.n_published + traffic.now.n_published, traffic.n_left + n_ready)
