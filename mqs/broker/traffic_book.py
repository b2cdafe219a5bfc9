"""Keep the traffic of queues across restarts of the broker; `mqs.broker.traffic` decides about it.

Lower counts than before mean that the broker has restarted. An answer that a later answer has overtaken has lower
counts too. It must not look like a restart, so the book ignores it.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace

from mqs.broker.data_vhost import DataVhost
from mqs.broker.traffic import (
    MQ_TRAFFIC,
    BrokerLife,
    Counters,
    QueueTraffic,
    add_count,
    are_lower,
    has_restarted,
)
from runtime.clock import utc_now
from runtime.kernel.decision import Decision, Document, Insert, Update
from runtime.kernel.store import Store, Transaction
from schemas.ids import MQID

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
        #: The life of the broker, the number of the connection at that look, and its time on the loop's clock.
        self._life = BrokerLife()
        self._life_epoch: int | None = None
        self._life_at_s = 0.0
        self._turn = asyncio.Lock()

    async def read_traffic(self, queues: Sequence[str]) -> dict[str, QueueTraffic]:
        """Return the traffic of `queues`, by the queue's name. After a restart of the broker, also store its first
        counts.

        Raises:
            Unavailable: the broker or the database is away.
        """
        began_s = _now_s()
        counters = await self._broker.read_counters(queues)
        until_s = _now_s()
        found = await self._add_counts(counters, queues, began_s=began_s)
        if any(_has_begun_anew(self._recall(queue), found[queue]) for queue in queues):
            # Store the first counts of the broker's new life at once. Otherwise the counts from before it would grow
            # with the numbers that MQS shows from now on.
            async with self._turn:
                found = await self._add_counts(counters, queues, began_s=began_s)
                moved = [queue for queue in queues if _has_begun_anew(self._recall(queue), found[queue])]
                await self._write_moved({queue: found[queue] for queue in moved})
                self._counted_until_s |= dict.fromkeys(moved, until_s)
        return found

    async def keep_counters(
        self, counters: Mapping[str, Counters], queues: Iterable[str] = (), *, began_s: float
    ) -> dict[str, QueueTraffic]:
        """Store the broker's `counters`, by queue, and return the traffic of these queues and of `queues`.

        The broker leaves out those of `queues` that had no event since its start. Ignore queues without events of
        workflows, such as dead queues. `began_s` is the time of the question to the broker, on the loop's clock.

        Raises:
            Unavailable: the database is away.
        """
        until_s = _now_s()
        asked = [queue for queue in {*counters, *queues} if MQID.fullmatch(queue)]
        async with self._turn:
            found = await self._add_counts(counters, asked, began_s=began_s)
            moved = [queue for queue in asked if _has_moved(self._recall(queue), found[queue])]
            for some in _split_queues(moved):
                await self._write_moved({queue: found[queue] for queue in some})
            self._counted_until_s |= dict.fromkeys(asked, until_s)
        return found

    def find_shown(self, queue: str) -> tuple[int, int]:
        """Return the largest numbers that MQS has ever shown of a queue whose traffic was read.

        They are the number of events that came, without replays, and of those that have gone.
        """
        kept = self._recall(queue)
        return kept.n_arrived, kept.n_gone

    async def keep_shown(self, shown: Mapping[str, tuple[int, int]], *, corrected: Iterable[str] = ()) -> None:
        """Store the numbers of queues that MQS is about to show; see `find_shown`. Unchanged ones cost nothing.

        The numbers in the database do not become smaller, except for the gone events of `corrected` queues.

        Raises:
            Unavailable: the database is away.
        """
        changed = {queue: numbers for queue, numbers in shown.items() if numbers != self.find_shown(queue)}
        if not changed:
            return
        lowered = set(corrected)
        updates: list[tuple[Document, Document]] = []
        for queue, (n_arrived, n_gone) in changed.items():
            grown, exact = ({}, {"n_gone": n_gone}) if queue in lowered else ({"n_gone": n_gone}, {})
            operators = {
                "$max": {"n_arrived": n_arrived, **grown},
                "$set": {"seen_at": utc_now(), **exact},
                "$setOnInsert": _counts_of(self._recall(queue)),
            }
            updates.append(({"_id": queue}, operators))
        await self._store.bulk_update(MQ_TRAFFIC, updates, upsert=True)
        for queue, (n_arrived, n_gone) in changed.items():
            kept = self._recall(queue)
            n_kept = 0 if queue in lowered else kept.n_gone
            self._kept[queue] = replace(kept, n_arrived=max(kept.n_arrived, n_arrived), n_gone=max(n_kept, n_gone))

    def forget_others(self, queues: Iterable[str]) -> None:
        """Forget all queues in memory but `queues`. The database deletes its documents by their age."""
        here = set(queues)
        self._kept = {queue: traffic for queue, traffic in self._kept.items() if queue in here}
        self._counted_until_s = {queue: at_s for queue, at_s in self._counted_until_s.items() if queue in here}

    def _recall(self, queue: str) -> QueueTraffic:
        return self._kept.get(queue, QueueTraffic())

    async def _add_counts(
        self, counters: Mapping[str, Counters], queues: Iterable[str], *, began_s: float
    ) -> dict[str, QueueTraffic]:
        queues = list(queues)
        await self._load_kept(queues)
        life = await self._read_life({queue: counters[queue] for queue in queues if queue in counters})
        return {
            # The broker leaves out a queue that has had no event since the broker started.
            queue: add_count(self._recall(queue), counters.get(queue), life)
            if self._is_news(queue, began_s)
            else self._recall(queue)
            for queue in queues
        }

    def _is_news(self, queue: str, began_s: float) -> bool:
        """Return whether an answer to a question at `began_s` cannot be older than the kept counts."""
        return began_s >= self._counted_until_s.get(queue, began_s)

    async def _read_life(self, counters: Mapping[str, Counters]) -> BrokerLife:
        """Return the broker's life. A restart costs MQS its connection, so it is the same as long as that stays."""
        epoch = self._broker.epoch
        # MQS may not have noticed yet that the connection is lost.
        is_doubtful = any(are_lower(counted, self._recall(queue).now) for queue, counted in counters.items())
        is_young = self._life.up_s is not None and not self._life.process
        if self._life_epoch != epoch or is_doubtful or is_young:
            self._life_at_s = _now_s()
            self._life = await self._broker.read_life()
            self._life_epoch = epoch
        if self._life.up_s is None:
            return self._life
        return replace(self._life, up_s=self._life.up_s + _now_s() - self._life_at_s)

    async def _load_kept(self, queues: Iterable[str]) -> None:
        unknown = [queue for queue in queues if queue not in self._kept]
        for some in _split_queues(unknown):
            for document in await self._store.find(MQ_TRAFFIC, {"_id": {"$in": some}}):
                # Meanwhile another caller may have loaded it, and moved it on.
                self._kept.setdefault(document["_id"], _read_document(document))

    async def _write_moved(self, moved: Mapping[str, QueueTraffic]) -> None:
        async def step(tx: Transaction) -> Decision:
            known = await tx.find(MQ_TRAFFIC, {"_id": {"$in": list(moved)}}, projection={"_id": 1})
            there, seen = {document["_id"] for document in known}, {"seen_at": utc_now()}
            return Decision(
                tuple(
                    Update(MQ_TRAFFIC, queue, set=_counts_of(traffic) | seen)
                    if queue in there
                    else Insert(MQ_TRAFFIC, {"_id": queue, **_counts_of(traffic), **seen})
                    for queue, traffic in moved.items()
                )
            )

        await self._store.transact(step)
        for queue, traffic in moved.items():
            # The numbers that MQS has shown may have grown meanwhile.
            before = self._recall(queue)
            self._kept[queue] = replace(traffic, n_arrived=before.n_arrived, n_gone=before.n_gone)


def _has_begun_anew(before: QueueTraffic, after: QueueTraffic) -> bool:
    """Return whether `after` holds the first counts from a life of the broker."""
    is_first = after.life.process != before.life.process
    return is_first or after.before != before.before or has_restarted(before.life, after.life)


def _has_moved(before: QueueTraffic, after: QueueTraffic) -> bool:
    return after.now != before.now or _has_begun_anew(before, after)


def _counts_of(traffic: QueueTraffic) -> Document:
    """Return the part of a document that comes from the broker's counters."""
    return {name: value for name, value in asdict(traffic).items() if name in ("before", "now", "life")}


def _read_document(document: Document) -> QueueTraffic:
    # A document of an older MQS lacks some fields.
    return QueueTraffic(
        Counters(**document.get("before", {})),
        Counters(**document.get("now", {})),
        BrokerLife(**document.get("life", {})),
        document.get("n_arrived", 0),
        document.get("n_gone", 0),
    )


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def _split_queues(queues: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(queues), _MOST_AT_ONCE):
        yield queues[start : start + _MOST_AT_ONCE]
