"""Count the events in queues: of one workflow on request, of the whole broker for gauges."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from datetime import timedelta

from mqs.broker.data_vhost import DataVhost
from mqs.broker.owner_shares import OwnerShare, find_owners_over
from mqs.broker.picture import QueueCount
from mqs.broker.progress_book import ProgressBook
from mqs.broker.traffic import COUNTED_WITHIN_S, QueueTraffic
from mqs.groups import progress, repository
from mqs.groups.admission import Budget
from mqs.groups.queue_owners import find_owner_shares
from mqs.groups.requests import Groups
from mqs.history.history_store import HistoryStore
from mqs.history.sampling import sample_queues
from runtime.clock import utc_now
from runtime.concurrency.loops import BackgroundLoop
from runtime.kernel.store import Store
from runtime.telemetry import fresh_gauge, gauge, log
from schemas.broker.topology import dead_queue
from schemas.errors import EWMSError, NotFound
from schemas.fleet.queue_documents import MQ_PROFILES
from schemas.ids import Mqid, WorkflowId
from schemas.questions.queues import BacklogsAnswer, Depth, DepthsAnswer, QueueBacklog

_DEAD = "dead"
_PREFIX_DEAD = dead_queue(WorkflowId(""))

_events = fresh_gauge("mqs_events", "Events in the data vhost's queues.", ["queues", "state"])
_queues = fresh_gauge("mqs_queues", "Queues on the data vhost.", ["queues"])
_without_takers = fresh_gauge(
    "mqs_queues_without_takers", "Queues that hold events and that no consumer reads.", ["queues"]
)
_ledger = fresh_gauge("mqs_queues_held", "Queues that count against the broker's budget.")
_budget = gauge("mqs_queues_budget", "The most queues that MQS makes on the broker; 0: it has no limit.")
_waiting = fresh_gauge("mqs_groups_waiting", "Groups of queues that no budget has admitted yet.")
_broker_bytes = fresh_gauge("mqs_broker_bytes", "Bytes of events on the broker.")
_broker_connections = fresh_gauge(
    "mqs_broker_connections", "Connections to the data vhost; only if there is a budget for them."
)
_owners_over = fresh_gauge("mqs_owners_over_share", "Owners whose queues are full, for their bytes on the broker.")
_counted_at = gauge("mqs_counted_timestamp_seconds", "When MQS last counted all queues, in seconds since 1970.")

#: The gauges that each count of the queues sets.
_COUNTED = (_events, _queues, _without_takers, _ledger, _waiting, _broker_bytes, _broker_connections, _owners_over)

_NOTHING = QueueCount(0)

#: How long the last count may take when MQS stops, in seconds.
_LAST_COUNT_S = 3.0

#: Stands for a connection that was lost meanwhile.
_NO_EPOCH = -1


async def measure_depths(
    store: Store, broker: DataVhost, book: ProgressBook, workflow_id: WorkflowId, *, max_age_s: float
) -> DepthsAnswer:
    """Return how many events each queue of a workflow holds, in the order of the reservation. A missing queue counts as
    empty.

    For a queue from which tasks take events, the numbers add up: they are those of its last report, up to `max_age_s`
    seconds ago, and what has surely happened since (`mqs.broker.picture`). For other queues the number of ready events
    is exact.

    Raises:
        NotFound: there is no such workflow.
        Unavailable: the broker or the database does not answer.
    """
    found = await repository.find_group(store, workflow_id)
    if found.group is None:
        raise NotFound("no queues of such a workflow")
    group = found.group
    live = [profile.mqid for profile in found.profiles if profile.is_activated and profile.retired_at is None]
    # Read the traffic before counting the events in the queues: `count_arrived` in `mqs.broker.traffic` has the reason.
    mqids = [profile.mqid for profile in found.profiles]
    traffic = await book.traffic_book.read_traffic(mqids) if group.activated_at else {}
    asked_at_s, epoch = asyncio.get_running_loop().time(), broker.epoch
    counts = await broker.count_queues([*live, dead_queue(workflow_id)]) if group.activated_at else {}
    n_dead = counts.get(dead_queue(workflow_id), _NOTHING).n_events
    n_failed = progress.count_failed(group, n_dead)
    drawn = {
        profile.mqid: book.draw_picture(
            profile.mqid,
            traffic.get(profile.mqid, QueueTraffic()),
            (count := counts.get(profile.mqid, _NOTHING)).reported,
            n_ready=count.n_ready,
            n_consumers=count.n_consumers,
            n_replayed=group.replayed.get(profile.mqid, 0),
            asked_at_s=asked_at_s,
            epoch=epoch if epoch == broker.epoch else _NO_EPOCH,
            settle_s=max_age_s,
        )
        for profile in found.profiles
    }
    taken = {profile.mqid: drawn[profile.mqid] for profile in found.profiles if profile.is_input}
    pictures = drawn | book.settle_failed(group, taken, n_failed=n_failed)
    if group.activated_at:
        await book.keep_shown(group, drawn)
    seen = progress.count_seen(group, found.profiles, {mqid: one.n_arrived for mqid, one in pictures.items()})
    return DepthsAnswer(
        queues=[
            Depth(
                mqid=profile.mqid,
                alias=profile.alias,
                is_public=profile.is_public,
                n_ready=one.n_ready if profile.is_input else count.n_ready,
                n_unacknowledged=one.n_unacknowledged if profile.is_input else count.n_unacknowledged,
                n_delayed=one.n_delayed if profile.is_input else count.n_delayed,
                n_consumers=count.n_consumers,
                n_arrived=seen[profile.mqid],
                n_replayed=group.replayed.get(profile.mqid, 0),
                # A drained group has no events left, so all events that arrived have gone.
                n_gone=one.n_gone if group.drained_at is None else one.n_arrived,
                may_grow=profile.is_input
                and group.drained_at is None
                and progress.may_grow(profile, utc_now(), counted_within=timedelta(seconds=COUNTED_WITHIN_S)),
            )
            for profile in found.profiles
            for one, count in ((pictures[profile.mqid], counts.get(profile.mqid, _NOTHING)),)
        ],
        n_dead=n_dead,
        n_failed=n_failed,
        max_age_s=max_age_s,
    )


async def measure_backlogs(broker: DataVhost, mqids: Sequence[Mqid]) -> BacklogsAnswer:
    """Return for each existing queue of `mqids` how many events are ready, unacknowledged and delayed, and its
    consumers.

    This costs one passive declaration for each queue, and one call of the management API.

    Raises:
        Unavailable: the broker does not answer.
    """
    counts = await broker.count_queues(list(mqids))
    return BacklogsAnswer(
        queues={
            Mqid(mqid): QueueBacklog(
                n_ready=count.n_ready,
                n_unacknowledged=count.n_unacknowledged,
                n_delayed=count.n_delayed,
                n_consumers=count.n_consumers,
            )
            for mqid, count in counts.items()
        }
    )


class Sampler:
    """Counts all events at intervals, for the gauges and for the budgets of bytes and connections."""

    def __init__(
        self,
        store: Store,
        broker: DataVhost,
        groups: Groups,
        book: ProgressBook,
        *,
        history: HistoryStore,
        budget: Budget,
        interval_s: float,
    ) -> None:
        self._store = store
        self._book = book
        self._broker = broker
        self._groups = groups
        self._history = history
        self._budget = budget
        _budget.set(budget.max_queues or 0)
        for one in _COUNTED:
            one.expect_counts(every_s=interval_s)
        #: Owners whose queues are full; None at the start, because an earlier process may have left some full.
        self._over: frozenset[str] | None = None
        self._loop = BackgroundLoop(
            self.sample_once,
            name="depth sampler",
            failed="the events in the queues could not be counted",
            every_s=interval_s,
        )

    def start(self) -> None:
        """Begin to count in the background."""
        # A broker that has restarted counts from zero: see that before it has counted as much as before.
        self._broker.on_connected.append(self._loop.wake)
        self._loop.start()

    async def stop(self) -> None:
        """Stop counting, and store the last counts and samples: the broker may restart before the next MQS looks."""
        await self._loop.stop()
        await self._history.stop()
        began_s = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(_LAST_COUNT_S):
                await self._book.traffic_book.keep_counters(await self._broker.read_counters(), began_s=began_s)
        except (EWMSError, TimeoutError) as error:
            log.info("the last counts of the queues were not stored", reason=str(error))

    async def sample_once(self) -> None:
        """Count all events once.

        Raises:
            Unavailable: the broker or the database does not answer.
        """
        began_s = asyncio.get_running_loop().time()
        # First, since admission waits for it.
        load = await self._broker.measure_load(connections=self._budget.max_connections is not None)
        self._groups.ledger.load = load
        _broker_bytes.set_value(load.n_bytes)
        if self._budget.max_connections is not None:
            _broker_connections.set_value(load.n_connections)
        if self._budget.max_owner_bytes is not None:
            await self._enforce_shares(load.bytes_of, self._budget.max_owner_bytes)
        counts = await self._broker.count_all()
        traffic = await self._book.traffic_book.keep_counters(
            load.counters_of, counts.keys() | load.counters_of.keys(), began_s=began_s
        )
        self._book.note_certain(traffic)
        self._book.forget_others(counts)
        await self._history.keep_samples(sample_queues(counts, traffic, load.consumers_of, at=utc_now()))
        public = await self._store.find(MQ_PROFILES, {"retired_at": None, "is_public": True}, projection={"_id": 1})
        set_gauges(counts, {profile["_id"] for profile in public}, load.without_takers)
        book = await repository.load_ledger(self._store)
        _ledger.set_value(book.n_queues if book else 0)
        _waiting.set_value(len(await repository.find_waiting(self._store)))
        _counted_at.set(utc_now().timestamp())

    async def _enforce_shares(self, bytes_of: Mapping[str, int], max_bytes: int) -> None:
        """Make the queues of owners with more than `max_bytes` refuse events. Let the queues of all other owners take
        events.
        """
        before = frozenset() if self._over is None else self._over
        held: Mapping[str, OwnerShare] = {}
        if before or sum(bytes_of.values()) >= max_bytes:
            held = await find_owner_shares(self._store, bytes_of)
        over = find_owners_over(held, before, max_bytes=max_bytes)
        if over or before or self._over is None:
            await self._broker.fill_queues(mqid for owner in over for mqid in held[owner].mqids)
        for owner in over - before:
            log.warning("an owner has more bytes of events than its share: its queues are full now", owner=owner)
        for owner in before - over:
            log.info("the queues of an owner take events again", owner=owner)
        self._over = over
        _owners_over.set_value(len(over))


def set_gauges(counts: Mapping[str, QueueCount], public: Set[str], without_takers: Set[str]) -> None:
    """Set the gauges of queues and events to `counts`. `public` and `without_takers` are queues of `counts`."""
    kinds = ("public", "private", _DEAD)
    n_queues: Counter[tuple[str, ...]] = Counter({(kind,): 0 for kind in kinds})
    n_idle = n_queues.copy()
    n_events: Counter[tuple[str, ...]] = Counter(
        {(kind, state): 0 for kind in kinds for state in ("ready", "unacknowledged", "delayed")}
    )
    for queue, count in counts.items():
        kind = _DEAD if queue.startswith(_PREFIX_DEAD) else "public" if queue in public else "private"
        n_queues[(kind,)] += 1
        n_idle[(kind,)] += count.n_ready > 0 and queue in without_takers
        n_events[kind, "ready"] += count.n_ready
        n_events[kind, "unacknowledged"] += count.n_unacknowledged
        n_events[kind, "delayed"] += count.n_delayed
    _queues.replace_values(n_queues)
    _without_takers.replace_values(n_idle)
    _events.replace_values(n_events)
