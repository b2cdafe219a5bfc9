"""Keep the traffic of queues across restarts of the broker; `mqs.broker.traffic` decides about it.

Lower counts than before mean that the broker has restarted. An answer that a later answer has overtaken has lower
counts too. It must not look like a restart, so the book ignores it.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict

from mqs.broker.data_vhost import DataVhost
from mqs.broker.traffic import MQ_TRAFFIC, Counters, QueueSight, QueueTraffic, add_count, add_sight, count_gone
from runtime.clock import utc_now
from runtime.kernel.decision import Decision, Insert, Update
from runtime.kernel.store import Store, Transaction
from schemas.ids import MQID, Mqid

#: The most documents that one transaction writes.
_MOST_AT_ONCE = 500


class TrafficBook:
    """The known traffic of each queue."""

    def __init__(self, store: Store, broker: DataVhost) -> None:
        self._store = store
        self._broker = broker
        #: Queue -> its traffic, as in the database.
        self._kept: dict[str, QueueTraffic] = {}
        #: Queue -> the latest time, on the loop's clock, at which the broker may have taken the kept counts.
        self._counted_until_s: dict[str, float] = {}
        #: Queue -> the highest number of events without replays that this book has ever returned.
        self._most_arrived: dict[str, int] = {}
        #: Queue -> its last counts, and since when they have not changed.
        self._sights: dict[str, QueueSight] = {}
        self._turn = asyncio.Lock()

    async def read_traffic(self, queues: Sequence[str]) -> dict[str, QueueTraffic]:
        """Return the traffic of `queues`.

        Raises:
            Unavailable: the broker or the database is away.
        """
        began_s = _now_s()
        counters = await self._broker.read_counters(queues)
        await self._load_kept(queues)
        # The broker leaves out a queue that has had no event since the broker started.
        return {
            queue: add_count(kept, counters[queue]) if queue in counters and self._is_news(queue, began_s) else kept
            for queue, kept in ((queue, self._kept.get(queue, QueueTraffic())) for queue in queues)
        }

    async def keep_counters(self, counters: Mapping[str, Counters], *, began_s: float) -> None:
        """Store the broker's `counters`, by queue. Ignore queues without events of workflows, such as dead queues.

        `began_s` is the time of the question to the broker, on the loop's clock.

        Raises:
            Unavailable: the database is away.
        """
        until_s = _now_s()
        async with self._turn:
            await self._keep_changed(
                {q: c for q, c in counters.items() if MQID.fullmatch(q) and self._is_news(q, began_s)}
            )
            self._counted_until_s |= dict.fromkeys(counters, until_s)

    async def _keep_changed(self, counters: Mapping[str, Counters]) -> None:
        await self._load_kept(counters)
        moved = {
            queue: after
            for queue, counted in counters.items()
            if (after := add_count(self._kept.get(queue, QueueTraffic()), counted)) != self._kept.get(queue)
        }
        for some in _split_queues(list(moved)):
            await self._write_moved({queue: moved[queue] for queue in some})

    def count_arrived(self, arrived: Mapping[str, int], replayed: Mapping[Mqid, int]) -> dict[str, int]:
        """Return how many events each queue has received, replays included. Apart from replays the numbers never fall.

        MQS counts a replay before it sends the event, but the broker's own counts come late.
        """
        for queue, n in arrived.items():
            n_once = n - replayed.get(Mqid(queue), 0)
            self._most_arrived[queue] = max(n_once, self._most_arrived.get(queue, 0))
        return {queue: self._most_arrived[queue] + replayed.get(Mqid(queue), 0) for queue in arrived}

    def count_gone(
        self, queue: str, traffic: QueueTraffic, *, n_arrived: int, n_ready: int, n_held: int, settle_s: float
    ) -> int:
        """Return how many events have certainly left `queue`. See `mqs.broker.traffic.count_gone`."""
        at_s = _now_s()
        sight = add_sight(self._sights.get(queue), n_arrived=n_arrived, n_ready=n_ready, at_s=at_s)
        self._sights[queue] = sight
        return count_gone(traffic, sight, n_held, at_s=at_s, settle_s=settle_s)

    def forget_others(self, queues: Iterable[str]) -> None:
        """Forget all queues in memory but `queues`. The database deletes its documents by their age."""
        here = set(queues)
        self._kept = {queue: traffic for queue, traffic in self._kept.items() if queue in here}
        self._counted_until_s = {queue: at_s for queue, at_s in self._counted_until_s.items() if queue in here}
        self._most_arrived = {queue: n for queue, n in self._most_arrived.items() if queue in here}
        self._sights = {queue: sight for queue, sight in self._sights.items() if queue in here}

    def _is_news(self, queue: str, began_s: float) -> bool:
        """Return whether an answer to a question at `began_s` cannot be older than the kept counts."""
        return began_s >= self._counted_until_s.get(queue, began_s)

    async def _load_kept(self, queues: Iterable[str]) -> None:
        unknown = [queue for queue in queues if queue not in self._kept]
        for some in _split_queues(unknown):
            for document in await self._store.find(MQ_TRAFFIC, {"_id": {"$in": some}}):
                self._kept[document["_id"]] = QueueTraffic(Counters(**document["before"]), Counters(**document["now"]))

    async def _write_moved(self, moved: Mapping[str, QueueTraffic]) -> None:
        async def step(tx: Transaction) -> Decision:
            now = utc_now()
            known = await tx.find(MQ_TRAFFIC, {"_id": {"$in": list(moved)}}, projection={"_id": 1})
            there = {document["_id"] for document in known}
            return Decision(
                tuple(
                    Update(MQ_TRAFFIC, queue, set={**asdict(traffic), "seen_at": now})
                    if queue in there
                    else Insert(MQ_TRAFFIC, {"_id": queue, **asdict(traffic), "seen_at": now})
                    for queue, traffic in moved.items()
                )
            )

        await self._store.transact(step)
        self._kept |= moved


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def _split_queues(queues: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(queues), _MOST_AT_ONCE):
        yield queues[start : start + _MOST_AT_ONCE]
