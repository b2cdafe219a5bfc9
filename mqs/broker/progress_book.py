"""Draw the pictures of queues (`mqs.broker.picture`), and remember what an earlier picture has shown.

Neither the number of events that came into a queue, nor that of the gone ones, nor that of a workflow's done events
ever falls, also over restarts of MQS and of the broker. Only a late report of the broker corrects them, see
`contradicts_gone`. The database has the largest numbers: `TrafficBook` those of queues, the group that of a workflow.
"""

import asyncio
from collections.abc import Iterable, Mapping

from mqs.broker.data_vhost import DataVhost
from mqs.broker.picture import (
    CONTRADICTED_S,
    CertainCount,
    QueuePicture,
    QueueReport,
    choose_past,
    contradicts_gone,
    count_arrived_by_report,
    count_succeeded,
    settle_failed,
    take_picture,
    trust_gone,
)
from mqs.broker.traffic import QueueTraffic, count_arrived
from mqs.broker.traffic_book import TrafficBook
from runtime.kernel.store import Store
from schemas.broker.topology import dead_queue
from schemas.fleet.queue_documents import MQ_GROUPS, MQGroupDocument
from schemas.ids import Mqid, WorkflowId

#: How often to remember what is certain about a queue, and how old a report may be at most, in seconds.
_CERTAIN_EVERY_S = 0.4
_OLDEST_REPORT_S = 30.0


class ProgressBook:
    """The pictures of queues, and the largest numbers in them so far."""

    def __init__(self, store: Store, broker: DataVhost) -> None:
        self._store = store
        self._broker = broker
        self.traffic_book = TrafficBook(store, broker)
        #: Queue -> the highest number of events without replays.
        self._most_arrived: dict[str, int] = {}
        #: Queue -> what was certain about it at earlier moments, the oldest first.
        self._certain: dict[str, list[CertainCount]] = {}
        #: Queue -> the highest number of gone events.
        self._most_gone: dict[str, int] = {}
        #: Queue -> since when, on the loop's clock, its numbers contradict the highest number of gone events.
        self._contradicted_since_s: dict[str, float] = {}
        #: Workflow -> the highest number of its events that have gone and have not failed.
        self._most_succeeded: dict[WorkflowId, int] = {}

    def note_certain(self, traffic: Mapping[str, QueueTraffic]) -> None:
        """Remember what the `traffic` of queues, which was just read, makes certain about them."""
        for queue, one in traffic.items():
            self._note_certain(queue, one, 0)

    def count_arrived(self, arrived: Mapping[Mqid, int], replayed: Mapping[Mqid, int]) -> dict[Mqid, int]:
        """Return queue id -> how many events the queue has received, replays included. Apart from replays the numbers
        never fall.

        MQS counts a replay before it sends the event, but the broker's own counts come late.
        """
        for queue, n in arrived.items():
            n_before = max(self._most_arrived.get(queue, 0), self.traffic_book.find_shown(queue)[0])
            self._most_arrived[queue] = max(n - replayed.get(queue, 0), n_before)
        return {queue: self._most_arrived[queue] + replayed.get(queue, 0) for queue in arrived}

    def draw_picture(
        self,
        queue: Mqid,
        traffic: QueueTraffic,
        report: QueueReport,
        *,
        n_ready: int,
        n_consumers: int,
        n_replayed: int,
        asked_at_s: float,
        epoch: int,
        settle_s: float,
    ) -> QueuePicture:
        """Return the numbers of `queue`, which add up. See `mqs.broker.picture`.

        `report` is its last one. MQS asked for it at `asked_at_s` on the loop's clock, and counted `n_ready` and
        `n_consumers` later. `epoch` is the number of the connection to the broker from the first question about the
        queue to the last.
        """
        past = choose_past(self._certain.get(queue, []), at_s=asked_at_s, epoch=epoch, settle_s=settle_s)
        n_seen = max(count_arrived(traffic, n_ready), count_arrived_by_report(report, past))
        n_arrived = self.count_arrived({queue: n_seen}, {queue: n_replayed})[queue]
        picture = take_picture(
            traffic,
            report,
            past,
            n_arrived=n_arrived,
            n_ready=n_ready,
            n_consumers=n_consumers,
            n_gone_before=self._find_gone_before(queue, n_arrived, n_ready),
        )
        self._most_gone[queue] = picture.n_gone
        self._note_certain(queue, traffic, n_arrived)
        return picture

    def settle_failed(
        self, group: MQGroupDocument, pictures: Mapping[Mqid, QueuePicture], *, n_failed: int
    ) -> dict[Mqid, QueuePicture]:
        """Return the `pictures` of all queues that a workflow's tasks take events from, without its `n_failed` events.

        See `mqs.broker.picture`. The number of events that have gone and have not failed never falls.
        """
        n_before = max(self._most_succeeded.get(group.workflow_id, 0), group.n_succeeded)
        if any(map(self._is_corrected, pictures)):
            n_before = 0
        n_succeeded = max(0, n_before, count_succeeded(pictures, group.replayed, n_failed))
        self._most_succeeded[group.workflow_id] = n_succeeded
        return settle_failed(pictures, group.replayed, n_failed=n_failed, n_succeeded=n_succeeded)

    async def keep_shown(self, group: MQGroupDocument, queues: Iterable[Mqid]) -> None:
        """Store the largest numbers of a workflow and of its `queues` before MQS shows them, if they have changed.

        Raises:
            Unavailable: the database is away.
        """
        queues = list(queues)
        corrected = [queue for queue in queues if self._is_corrected(queue)]
        await self.traffic_book.keep_shown(
            {queue: (self._most_arrived[queue], self._most_gone[queue]) for queue in queues}, corrected=corrected
        )
        n_succeeded = self._most_succeeded.get(group.workflow_id, group.n_succeeded)
        if n_succeeded != group.n_succeeded:
            operator = "$set" if corrected else "$max"
            # The kernel may store the whole group at the same time. Then it reads the group again.
            update = {operator: {"n_succeeded": n_succeeded}}
            await self._store.bulk_update(MQ_GROUPS, [({"_id": group.workflow_id}, update)])

    def forget_others(self, queues: Iterable[str]) -> None:
        """Forget all queues in memory but `queues`, also their traffic."""
        here = set(queues)
        self.traffic_book.forget_others(here)
        self._most_arrived = {queue: n for queue, n in self._most_arrived.items() if queue in here}
        self._certain = {queue: counts for queue, counts in self._certain.items() if queue in here}
        self._most_gone = {queue: n for queue, n in self._most_gone.items() if queue in here}
        self._contradicted_since_s = {queue: s for queue, s in self._contradicted_since_s.items() if queue in here}
        self._most_succeeded = {
            workflow: n for workflow, n in self._most_succeeded.items() if dead_queue(workflow) in here
        }

    def _find_gone_before(self, queue: Mqid, n_arrived: int, n_ready: int) -> int:
        n_gone = self._most_gone.get(queue, self.traffic_book.find_shown(queue)[1])
        if contradicts_gone(n_gone, n_arrived=n_arrived, n_ready=n_ready):
            self._contradicted_since_s.setdefault(queue, _now_s())
        else:
            self._contradicted_since_s.pop(queue, None)
        return trust_gone(n_gone, contradicted_for_s=self._contradicted_for_s(queue))

    def _is_corrected(self, queue: Mqid) -> bool:
        return self._contradicted_for_s(queue) >= CONTRADICTED_S

    def _contradicted_for_s(self, queue: Mqid) -> float:
        now_s = _now_s()
        return now_s - self._contradicted_since_s.get(queue, now_s)

    def _note_certain(self, queue: str, traffic: QueueTraffic, n_arrived: int) -> None:
        """Remember what is certain about `queue` now. At least `n_arrived` events have come."""
        at_s, before = _now_s(), self._certain.get(queue, [])
        n_arrived = max(n_arrived, count_arrived(traffic, 0), max((one.n_arrived for one in before), default=0))
        now = CertainCount(at_s, n_arrived, traffic.n_left, self._broker.epoch)
        if before and at_s < before[-1].at_s + _CERTAIN_EVERY_S:
            return
        # One that is older than any report, and the ones after it.
        n_old = sum(one.at_s <= at_s - _OLDEST_REPORT_S for one in before)
        self._certain[queue] = [*before[max(0, n_old - 1) :], now]


def _now_s() -> float:
    return asyncio.get_running_loop().time()
