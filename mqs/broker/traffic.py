"""Count how many events a queue has ever received, and how many have left it. Both numbers only grow. (core)

The broker counts the events that are published onto a queue and those that are acknowledged. It begins at zero when it
restarts. MQS keeps the counts from before the restart. It misses the events between its last look and the restart,
except for events that are still in the queue.
"""

from dataclasses import dataclass

from schemas.registry import register_collection


@dataclass(frozen=True, slots=True)
class Counters:
    """The broker's counts at a queue since the broker started."""

    n_published: int = 0
    n_acknowledged: int = 0


@dataclass(frozen=True, slots=True)
class QueueTraffic:
    """The counts of the events that have gone through a queue."""

    #: The counts until the broker's last restart.
    before: Counters = Counters()
    #: The counts since then.
    now: Counters = Counters()

    @property
    def n_left(self) -> int:
        """How many events have left the queue for good: consumers have acknowledged them."""
        return self.before.n_acknowledged + self.now.n_acknowledged


#: A document has these fields, and `seen_at`.
MQ_TRAFFIC = register_collection("MQTrafficColl", QueueTraffic)


def add_count(traffic: QueueTraffic, counted: Counters) -> QueueTraffic:
    """Return `traffic` with the broker's new counts. Lower counts than before mean that the broker has restarted."""
    if counted.n_published < traffic.now.n_published or counted.n_acknowledged < traffic.now.n_acknowledged:
        before = Counters(
            traffic.before.n_published + traffic.now.n_published,
            traffic.before.n_acknowledged + traffic.now.n_acknowledged,
        )
        return QueueTraffic(before, counted)
    return QueueTraffic(traffic.before, counted)


@dataclass(frozen=True, slots=True)
class QueueSight:
    """The last counts of a queue, and since when they have not changed."""

    n_arrived: int
    n_ready: int
    since_s: float


def add_sight(before: QueueSight | None, *, n_arrived: int, n_ready: int, at_s: float) -> QueueSight:
    """Return the sight of a queue after one more look, at `at_s` of a monotonic clock."""
    if before is not None and (before.n_arrived, before.n_ready) == (n_arrived, n_ready):
        return before
    return QueueSight(n_arrived, n_ready, at_s)


def count_gone(traffic: QueueTraffic, sight: QueueSight, n_held: int, *, at_s: float, settle_s: float) -> int:
    """Return how many events have certainly left a queue. By its last report, `n_held` events are in it.

    An event that a consumer has just taken is no longer ready, and not yet in the report, which is up to `settle_s`
    seconds old. So this function uses the report only if nothing has moved for that long. Until then only acknowledged
    events count as gone.
    """
    by_report = max(0, sight.n_arrived - n_held)
    return by_report if at_s >= sight.since_s + settle_s else min(by_report, traffic.n_left)


def count_arrived(traffic: QueueTraffic, n_ready: int) -> int:
    """Return how many events a queue has ever received. `n_ready` events wait in it.

    Count `n_ready` after reading the traffic. Otherwise an event could leave in between and count twice.
    """
    return max(traffic.before.n_published + traffic.now.n_published, traffic.n_left + n_ready)
