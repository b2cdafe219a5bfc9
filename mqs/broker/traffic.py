"""Count how many events a queue has ever received, and how many have left it. Both numbers only grow. (core)

The broker counts the events that are published onto a queue and those that are acknowledged. It begins at zero when it
restarts. MQS keeps the counts from before the restart, and also the largest numbers of a queue that it has ever shown:
the broker counts some seconds late, so these may be larger. MQS misses the events between its last look and the
restart, except for events that are still in the queue. In a broker of several nodes, each node counts for itself.
"""

from dataclasses import dataclass, replace

from schemas.registry import register_collection

#: How old the broker's counts of traffic may be: it takes them every 5 s by default.
COUNTED_WITHIN_S = 6.0


@dataclass(frozen=True, slots=True)
class Counters:
    """The broker's counts at a queue since the broker started."""

    n_published: int = 0
    n_acknowledged: int = 0


#: A broker that has run for this much less time than before has restarted. Less may be an error of the clocks.
_CLOCKS_DIFFER_S = 2.0


#: Stands for the process of a broker with several nodes. It has many, and goes on when one of them ends.
MANY_PROCESSES = "cluster"


@dataclass(frozen=True, slots=True)
class BrokerLife:
    """The broker's process, and how long it had run when MQS looked. Each may be unknown."""

    process: str = ""
    up_s: float | None = None


@dataclass(frozen=True, slots=True)
class QueueTraffic:
    """The counts of the events that have gone through a queue."""

    #: The counts until the broker's last restart.
    before: Counters = Counters()
    #: The counts since then.
    now: Counters = Counters()
    #: The life of the broker that counted `now`.
    life: BrokerLife = BrokerLife()
    #: The largest numbers that MQS has ever shown: of events that came, without replays, and of those that have gone.
    n_arrived: int = 0
    n_gone: int = 0

    @property
    def n_left(self) -> int:
        """How many events have left the queue for good: consumers have acknowledged them."""
        return self.before.n_acknowledged + self.now.n_acknowledged


#: A document has these fields, and `seen_at`.
MQ_TRAFFIC = register_collection("MQTrafficColl", QueueTraffic)


def has_restarted(before: BrokerLife, now: BrokerLife) -> bool:
    """Return whether the broker has surely restarted between two looks at it."""
    if before.process and now.process and before.process != now.process:
        return True
    # In a container, each broker has the same process id.
    return before.up_s is not None and now.up_s is not None and now.up_s + _CLOCKS_DIFFER_S < before.up_s


def are_lower(counted: Counters, before: Counters) -> bool:
    """Return whether the broker has counted less than `before`, so that it must have begun anew."""
    return counted.n_published < before.n_published or counted.n_acknowledged < before.n_acknowledged


def add_count(traffic: QueueTraffic, counted: Counters | None, life: BrokerLife) -> QueueTraffic:
    """Return `traffic` with the broker's new counts. None: no event has come or left in this `life` of the broker.

    After a restart, the counts from before it are at least the numbers that MQS has shown. If one of several nodes
    ends, MQS misses the events that this node counted since the last look.
    """
    is_new = has_restarted(traffic.life, life)
    if counted is None and not is_new:
        return traffic
    counted = counted or Counters()
    if not is_new and life.process == MANY_PROCESSES:
        return replace(traffic, before=_add_lost(traffic, counted), now=counted, life=life)
    if is_new or are_lower(counted, traffic.now):
        n_published = traffic.before.n_published + traffic.now.n_published
        before = Counters(max(n_published, traffic.n_arrived), max(traffic.n_left, traffic.n_gone))
        return replace(traffic, before=before, now=counted, life=life)
    return replace(traffic, now=counted, life=life)


def _add_lost(traffic: QueueTraffic, counted: Counters) -> Counters:
    """Return the counts from before, with those that a node of the broker took with it when it ended.

    Each node counts the events of its own connections. What the others have counted is still in `counted`.
    """
    return Counters(
        traffic.before.n_published + max(0, traffic.now.n_published - counted.n_published),
        traffic.before.n_acknowledged + max(0, traffic.now.n_acknowledged - counted.n_acknowledged),
    )


def count_arrived(traffic: QueueTraffic, n_ready: int) -> int:
    """Return how many events a queue has ever received. `n_ready` events wait in it.

    Count `n_ready` after reading the traffic. Otherwise an event could leave in between and count twice.
    """
    return max(traffic.before.n_published + traffic.now.n_published, traffic.n_left + n_ready)
