"""Watch the queues of workflows that are to end by themselves, and tell WMS when all their events are done.

The results of the checks stay in memory, so a new process begins again. `mqs.quiescence` and `mqs.groups.endings`
decide.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from mqs.broker.data_vhost import DataVhost
from mqs.broker.progress_book import ProgressBook
from mqs.broker.traffic import COUNTED_WITHIN_S, count_arrived
from mqs.groups import endings, repository
from mqs.groups.lifecycle import UNCHANGED, GroupDecision
from mqs.groups.repository import StoredGroup
from mqs.groups.requests import Groups
from mqs.quiescence import QuietWatch, add_look
from runtime.clock import utc_now
from runtime.concurrency.loops import BackgroundLoop
from runtime.failpoints import failpoint
from runtime.kernel.decision import Decision
from runtime.kernel.store import Store, Transaction
from runtime.telemetry import counter, log
from schemas.broker.topology import dead_queue
from schemas.errors import EWMSError
from schemas.fleet.queue_documents import MQGroupDocument
from schemas.ids import Mqid, WorkflowId

_drained = counter("mqs_groups_drained_total", "Groups of queues whose workflow had nothing left to do.")

#: How many groups the watch looks at concurrently.
_N_AT_ONCE = 4

#: The longest pause between two looks. The pause grows while a workflow has work left.
_LONGEST_PAUSE_S = 10.0


@dataclass(slots=True)
class _LooksSoFar:
    """What earlier checks have shown about one group."""

    watch: QuietWatch
    #: When the next look is due, on the loop's clock, and the pause before it.
    look_at_s: float = 0.0
    pause_s: float = field(default=0.0)
    #: Since when, on the same clock, every level has been empty for good; None if some level is not.
    settled_at_s: float | None = None


class EndWatcher:
    """The loop that checks the groups whose workflows are to end by themselves."""

    def __init__(
        self,
        store: Store,
        broker: DataVhost,
        groups: Groups,
        book: ProgressBook,
        *,
        confirm_replays: Callable[[], Awaitable[None]],
        settle_s: float,
        look_s: float,
    ) -> None:
        """`settle_s` is how many seconds old a queue's report may be. `look_s` is the pause between two checks.

        `confirm_replays` returns when the broker has read every replay that was sent before the call.
        """
        self._confirm_sent = confirm_replays
        self._store = store
        self._broker = broker
        self._groups = groups
        self._book = book
        self._settle_s = settle_s
        self._look_s = look_s
        self._seen: dict[WorkflowId, _LooksSoFar] = {}
        self._loop = BackgroundLoop(
            self.look_once,
            name="end watch",
            failed="the queues of ending workflows could not be checked",
            every_s=look_s,
        )

    def start(self) -> None:
        """Begin to watch in the background."""
        self._loop.start()

    async def stop(self) -> None:
        """Stop watching."""
        await self._loop.stop()

    async def look_once(self) -> None:
        """Check every group once whose next check is due.

        Raises:
            Unavailable: the database does not answer.
        """
        groups = {group.workflow_id: group for group in await repository.find_ending(self._store)}
        self._seen = {name: seen for name, seen in self._seen.items() if name in groups}
        slots = asyncio.Semaphore(_N_AT_ONCE)

        async def look_in_turn(group: MQGroupDocument) -> None:
            async with slots:
                await self._look_at_group(group)

        await asyncio.gather(*map(look_in_turn, groups.values()))

    async def _look_at_group(self, group: MQGroupDocument) -> None:
        now_s = _now_s()
        seen = self._seen.get(group.workflow_id)
        if seen is None or seen.watch.rev != group.rev:
            seen = self._seen[group.workflow_id] = _LooksSoFar(QuietWatch(group.rev))
        if now_s < seen.look_at_s:
            return
        before = seen.watch
        try:
            found = await repository.find_group(self._store, group.workflow_id)
            if found.group is None or found.group.rev != group.rev:
                return
            if endings.expects_results(group):
                await self._count_results(found, group)
            if endings.is_replaying(group, utc_now()):
                seen.watch = QuietWatch(group.rev)
                if not endings.is_sending_letters(group, utc_now()):
                    await self._confirm_replays(group)
            elif endings.is_closing(group):
                await self._look_at_levels(found, group, seen)
        except EWMSError as error:
            # Begin the watch anew: earlier looks may date from before a restart of the broker.
            seen.watch = QuietWatch(group.rev)
            log.info("could not check whether a workflow is done", workflow_id=group.workflow_id, reason=error.reason)
        is_near = seen.watch.level > before.level or seen.watch.seen_at_s is not None
        seen.pause_s = self._look_s if is_near else min(max(self._look_s, 1.25 * seen.pause_s), _LONGEST_PAUSE_S)
        seen.look_at_s = _now_s() + seen.pause_s

    async def _look_at_levels(self, found: StoredGroup, group: MQGroupDocument, seen: _LooksSoFar) -> None:
        while seen.watch.level < len(group.levels):
            if inputs := endings.find_inputs_to_shut(group, found.profiles, seen.watch.level):
                await self._groups.shut_queues(group.workflow_id, inputs)
                # The group has changed, so the watch begins anew.
                return
            began_at_s = _now_s()
            epoch, counts = await self._broker.count_in_one_life(group.levels[seen.watch.level])
            before = seen.watch
            seen.watch = add_look(
                before,
                is_empty=all(count.is_empty for count in counts.values()),
                epoch=epoch,
                began_at_s=began_at_s,
                at_s=_now_s(),
                settle_s=self._settle_s,
            )
            if seen.watch.level == before.level:
                return
        await self._mark_drained(found, group, seen)

    async def _confirm_replays(self, group: MQGroupDocument) -> None:
        """Remove the mark of unconfirmed replays, when the broker has read every event that was sent before.

        The broker reads a connection in order. So when it confirms an event that MQS sends now, every replay is in its
        queue, or was lost with an earlier connection. Then the watch checks all levels again.

        Raises:
            Unavailable: the broker does not answer, or accepts no events for now.
        """
        await self._confirm_sent()

        def clear_replays(stored: MQGroupDocument) -> GroupDecision:
            if stored.rev != group.rev:
                return UNCHANGED
            return GroupDecision(stored.model_copy(update={"has_unconfirmed_replays": False, "replaying_until": None}))

        await self._record_decision(group, clear_replays)
        log.info("every replay is settled", workflow_id=group.workflow_id)

    async def _mark_drained(self, found: StoredGroup, group: MQGroupDocument, seen: _LooksSoFar) -> None:
        n_dead = await self._count_dead(group)
        n_results = None
        if group.n_expected is not None:
            arrived = await self._count_arrived(found, group)
            n_results = endings.count_results(arrived, found.profiles)
            seen.settled_at_s = seen.settled_at_s or _now_s()
            is_short = n_results + (n_dead if group.counts_dead else 0) < group.n_expected
            if is_short and _now_s() < seen.settled_at_s + self._settle_s + COUNTED_WITHIN_S:
                # Wait: the broker's counts come late, and MQS cannot take back a reported number of results.
                return
        rev = seen.watch.rev
        outcome = await self._record_decision(
            group, lambda stored: endings.mark_drained(stored, rev, n_dead, n_results, now=utc_now())
        )
        if outcome.group is not None:
            _drained.inc()
            log.info("every event is settled", workflow_id=group.workflow_id, n_dead=n_dead)
            failpoint("mqs.drained")

    async def _count_results(self, found: StoredGroup, group: MQGroupDocument) -> None:
        arrived = await self._count_arrived(found, group)
        n_dead = (
            await self._count_dead(group)
            if group.counts_dead or sum(arrived.values()) >= (group.n_expected or 0)
            else 0
        )
        await self._record_decision(
            group,
            lambda stored: endings.mark_results_arrived(stored, arrived, n_dead, found.profiles, now=utc_now()),
        )

    async def _count_arrived(self, found: StoredGroup, group: MQGroupDocument) -> dict[Mqid, int]:
        """Return how many events each public output queue has ever received."""
        mqids = [profile.mqid for profile in found.profiles if profile.is_public and profile.is_output]
        began_s = _now_s()
        traffic = await self._book.traffic_book.read_traffic(mqids)
        # Count ready events after reading the traffic. The callers count dead letters after that.
        counts = await self._broker.count_queues(mqids)
        arrived = {mqid: count_arrived(traffic[mqid], counts[mqid].n_ready if mqid in counts else 0) for mqid in mqids}
        await self._book.traffic_book.keep_counters({mqid: traffic[mqid].now for mqid in mqids}, began_s=began_s)
        return self._book.count_arrived(arrived, group.replayed)

    async def _count_dead(self, group: MQGroupDocument) -> int:
        counts = await self._broker.count_queues([dead_queue(group.workflow_id)])
        return sum(count.n_events for count in counts.values())

    async def _record_decision(
        self, group: MQGroupDocument, decide: Callable[[MQGroupDocument], GroupDecision]
    ) -> GroupDecision:
        outcome = UNCHANGED

        async def step(tx: Transaction) -> Decision:
            nonlocal outcome
            found = await repository.find_group(tx, group.workflow_id)
            outcome = UNCHANGED if found.group is None else decide(found.group)
            return Decision(repository.group_changes(found, outcome), outcome.effects)

        await self._store.transact(step)
        return outcome


def _now_s() -> float:
    return asyncio.get_running_loop().time()
