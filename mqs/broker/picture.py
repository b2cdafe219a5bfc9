"""Put the counts of a queue together into one picture whose numbers add up. (core)

    arrived = waiting + in work + put off + gone

The broker counts at different moments. A queue reports its ready, unacknowledged and delayed events together, but only
at intervals. The number of ready events is exact at any time. Acknowledged and published events are counted some
seconds late. So numbers that stand side by side may count an event twice, or not at all.

The picture is that of the queue's last report. What had arrived before the report, and is not in it, has gone. What has
arrived since is waiting, or a worker has taken it. What has surely gone since, because it was acknowledged or is a dead
letter by now, is no longer in the picture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mqs.broker.traffic import QueueTraffic
from schemas.ids import Mqid

#: For how long, in seconds, the numbers may contradict the gone events of an earlier picture. The broker's counts are
#: late for some seconds. If they contradict for longer, the report of that picture was older than we took it for.
CONTRADICTED_S = 10.0


@dataclass(frozen=True, slots=True)
class QueueReport:
    """How many events a queue held at its last report, by their state."""

    n_ready: int = 0
    n_unacknowledged: int = 0
    n_delayed: int = 0

    @property
    def n_held(self) -> int:
        """How many events the queue held."""
        return self.n_ready + self.n_unacknowledged + self.n_delayed


@dataclass(frozen=True, slots=True)
class QueueCount:
    """How many events and consumers a queue has. Ready events and consumers are exact; other counts are seconds old."""

    n_ready: int
    n_unacknowledged: int = 0
    #: Failed events, which the broker holds until their next attempt is due.
    n_delayed: int = 0
    n_consumers: int = 0
    #: The queue's last report as a whole: its numbers are of one moment.
    reported: QueueReport = field(default_factory=QueueReport)

    @property
    def n_events(self) -> int:
        """How many events are in the queue, in any state."""
        return self.n_ready + self.n_unacknowledged + self.n_delayed

    @property
    def is_empty(self) -> bool:
        """Whether the queue holds no event now, and held none at its last report.

        The report counts too: an event that was ready then may be in a worker's hands now, and is in neither count of
        this moment.
        """
        return not self.n_events and not self.reported.n_held

    @property
    def is_in_use(self) -> bool:
        """Whether the queue has consumers, or holds events, or held some at its last report."""
        return bool(self.n_consumers) or not self.is_empty


@dataclass(frozen=True, slots=True)
class CertainCount:
    """What was certain about a queue at one moment: at least so many events had come, and so many had left."""

    #: On a monotonic clock.
    at_s: float
    n_arrived: int
    n_left: int
    #: The number of the connection to the broker. A restarted broker has no report at first.
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class QueuePicture:
    """The numbers of one queue at one moment: `n_arrived` is the sum of the others."""

    n_arrived: int
    n_ready: int
    n_unacknowledged: int
    n_delayed: int
    n_gone: int


def count_dead_letters(count: QueueCount, *, n_on_loan: int | None) -> QueueCount:
    """Return the `count` of a dead queue with the letters that are on loan.

    `n_on_loan` is how many letters this MQS has on loan; None: it does not read the queue. If the queue then has a
    consumer, this is another MQS process, and the queue's last report has the number of its letters.
    """
    n_lent_elsewhere = count.reported.n_unacknowledged if count.n_consumers else 0
    return QueueCount(count.n_ready, n_lent_elsewhere if n_on_loan is None else n_on_loan)


def choose_past(counts: Sequence[CertainCount], *, at_s: float, epoch: int, settle_s: float) -> CertainCount | None:
    """Return the newest of `counts` that is surely older than the queue's last report; None if there is none.

    A report is up to `settle_s` seconds old.
    """
    older = [one for one in counts if one.at_s <= at_s - settle_s and one.epoch == epoch]
    return max(older, key=lambda one: one.at_s, default=None)


def count_arrived_by_report(report: QueueReport, past: CertainCount | None) -> int:
    """Return how many events had come at least by the time of the `report`: those in it, and those gone before."""
    return report.n_held + (past.n_left if past is not None else 0)


def take_picture(
    traffic: QueueTraffic,
    report: QueueReport,
    past: CertainCount | None,
    *,
    n_arrived: int,
    n_ready: int,
    n_consumers: int,
    n_gone_before: int,
) -> QueuePicture:
    """Return the picture of a queue. `n_arrived` events have come at least, and `n_ready` wait at this moment.

    `n_consumers` is the number of its consumers at this moment.
    `past` was certain before the report, and `n_gone_before` is the number of gone events of an earlier picture.
    """
    by_report = past.n_arrived - report.n_held if past is not None else 0
    n_gone = min(n_arrived, max(0, traffic.n_left, by_report, n_gone_before))
    picture = QueuePicture(n_arrived, report.n_ready, report.n_unacknowledged, report.n_delayed, n_gone)
    n_missing = n_arrived - n_gone - report.n_held
    if n_missing < 0:
        return _remove_events(picture, -n_missing, n_ready=n_ready)
    # These have come since the report, or are done since, and the broker has not counted that yet.
    n_wait = min(n_missing, max(0, n_ready - report.n_ready))
    if not n_consumers and not report.n_unacknowledged:
        # No worker can have them. The next report shows which of them are done.
        n_wait = n_missing
    return replace(
        picture,
        n_ready=report.n_ready + n_wait,
        n_unacknowledged=report.n_unacknowledged + n_missing - n_wait,
    )


def contradicts_gone(n_gone: int, *, n_arrived: int, n_ready: int) -> bool:
    """Return whether more events wait at this moment than `n_gone` gone events leave of those that have come."""
    return n_gone + n_ready > n_arrived


def trust_gone(n_gone: int, *, contradicted_for_s: float) -> int:
    """Return how many events had gone in an earlier picture; 0 if the numbers have contradicted it for long."""
    return n_gone if contradicted_for_s < CONTRADICTED_S else 0


def count_succeeded(pictures: Mapping[Mqid, QueuePicture], replayed: Mapping[Mqid, int], n_failed: int) -> int:
    """Return how many of the events that have gone from the queues of a workflow have not failed."""
    return sum(one.n_gone - replayed.get(queue, 0) for queue, one in pictures.items()) - n_failed


def settle_failed(
    pictures: Mapping[Mqid, QueuePicture], replayed: Mapping[Mqid, int], *, n_failed: int, n_succeeded: int
) -> dict[Mqid, QueuePicture]:
    """Return `pictures` in which all failed events have gone, and not in place of others.

    The queues' reports are older than the number `n_failed` of dead letters. At least `n_succeeded` events have gone
    and have not failed. If too few have gone in the pictures, some of the others are dead letters by now: put-off ones
    first, then unacknowledged ones, then ready ones.
    """
    n_more = n_succeeded - count_succeeded(pictures, replayed, n_failed)
    after = dict(pictures)
    for queue, one in pictures.items():
        if n_more <= 0:
            break
        n_delayed = min(n_more, one.n_delayed)
        n_held = min(n_more - n_delayed, one.n_unacknowledged)
        n_waiting = min(n_more - n_delayed - n_held, one.n_ready)
        n_here = n_delayed + n_held + n_waiting
        after[queue] = replace(
            one,
            n_ready=one.n_ready - n_waiting,
            n_unacknowledged=one.n_unacknowledged - n_held,
            n_delayed=one.n_delayed - n_delayed,
            n_gone=one.n_gone + n_here,
        )
        n_more -= n_here
    return after


def _remove_events(picture: QueuePicture, n: int, *, n_ready: int) -> QueuePicture:
    """Return `picture` without `n` events that have gone since the report. `n_ready` wait at this moment.

    They were ready at the report if fewer events are ready now; otherwise they were in hand, or put off before.
    """
    n_taken = min(n, max(0, picture.n_ready - n_ready))
    n_held = min(n - n_taken, picture.n_unacknowledged)
    n_delayed = min(n - n_taken - n_held, picture.n_delayed)
    n_waiting = n - n_taken - n_held - n_delayed
    return replace(
        picture,
        n_ready=picture.n_ready - n_taken - n_waiting,
        n_unacknowledged=picture.n_unacknowledged - n_held,
        n_delayed=picture.n_delayed - n_delayed,
    )
