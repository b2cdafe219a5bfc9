"""Carries groups of queues through their life: what `mqs.lifecycle` decides is recorded, then done on the broker.

Each workflow's turn is one at a time, and so is the ledger's. What is done on the broker is derived from the stored
state alone and is safe to repeat, so every step that fails or is cut off is simply taken again: by the next event of
the workflow, by its `wake_at`, or at the next start.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from weakref import WeakValueDictionary

from mqs import lifecycle, repository, reserving
from mqs.admission import Admitted, Applicant, Budget, Usage, Verdict, verdicts
from mqs.broker import Broker
from mqs.lifecycle import Declare, Look, Outcome, Remind, Remove, Rules
from mqs.management import Load
from mqs.repository import Found
from mqs.topology import doomed
from runtime.decision import Decision, Repeated
from runtime.failpoints import failpoint
from runtime.store import Store, Transaction
from runtime.telemetry import counter, histogram, log
from schemas.documents import GroupState, MQGroupDocument, MQProfileDocument
from schemas.errors import EWMSError
from schemas.events import QueuesDeferred, WorkflowOver, WorkflowRequested
from schemas.ids import EventId, Mqid, WorkflowId, mqid
from schemas.requests import ActivateQuery, ReserveQuery
from schemas.topology import Service, dead_queue

_activated = counter("mqs_groups_activated_total", "Groups of queues activated.")
_deferred = counter("mqs_groups_deferred_total", "Groups of queues that had to wait when they asked.")
_retired = counter("mqs_groups_retired_total", "Groups of queues retired.")
_declare_s = histogram("mqs_declare_seconds", "Time to create the queues of a group.")

#: How many groups are worked on at a time after a release or a start.
_N_AT_ONCE = 8


class Groups:
    """The groups of queues of all workflows."""

    def __init__(self, store: Store, broker: Broker, *, budget: Budget, rules: Rules) -> None:
        self._store = store
        self._broker = broker
        self._budget = budget
        self._rules = rules
        self._ledger_turn = asyncio.Lock()
        # A lock lives as long as somebody holds it or waits for it.
        self._turns: WeakValueDictionary[WorkflowId, asyncio.Lock] = WeakValueDictionary()
        #: What the broker carries beside queues, as sampled last; see `mqs.depths`.
        self.load = Load(n_bytes=0, n_connections=0)

    async def requested(self, event_id: EventId, event: WorkflowRequested) -> None:
        """Reserve the queues of a workflow, and create them if the budget allows it."""

        made = await self._judge(
            event.workflow_id,
            lambda found, now: Applicant(event.workflow_id, lifecycle.n_queues_of(event), event.priority, now),
            lambda found, verdict, now: lifecycle.requested(found.group, event, verdict, now=now, rules=self._rules),
            inbox_id=f"{Service.MQS}:{event_id}",
        )
        if isinstance(made, Decision):
            waits = any(isinstance(said, QueuesDeferred) for said in made.events)
            if made.changes:
                log.info("queues reserved", n_queues=len(event.queues), priority=event.priority, waits=waits)
                _deferred.inc(waits)
        failpoint("mqs.reserved")
        await self._try(self.advance(event.workflow_id))

    async def reserve(self, query: ReserveQuery) -> Found:
        """Name the queues of another WMS's workflow, once; return the group."""

        async def name(tx: Transaction) -> Decision:
            found = await repository.find(tx, query.workflow_id)
            queues = [(mqid(secrets.randbits(80)), alias) for alias in dict.fromkeys(query.queue_aliases)]
            outcome = reserving.reserved(found.group, query.workflow_id, queues, query.public, now=datetime.now(UTC))
            return Decision(repository.changes(found, outcome))

        async with self._turns.setdefault(query.workflow_id, asyncio.Lock()):
            await self._store.transact(name)
            return await repository.find(self._store, query.workflow_id)

    async def activate(self, query: ActivateQuery) -> Found:
        """Create the queues that another WMS has reserved, and return the group as it is then.

        Raises:
            Unavailable: the broker is away.
        """
        await self._judge(
            query.workflow_id,
            lambda found, now: Applicant(
                query.workflow_id,
                found.group.n_queues if found.group else 0,
                reserving.DEFAULT_PRIORITY if query.priority is None else query.priority,
                now,
            ),
            lambda found, verdict, now: (
                lifecycle.UNCHANGED
                if found.group is None
                else reserving.asked(found.group, query.priority, verdict, now=now, rules=self._rules)
            ),
        )
        await self.advance(query.workflow_id)
        return await repository.find(self._store, query.workflow_id)

    async def over(self, event_id: EventId, event: WorkflowOver) -> None:
        """Begin to take the queues of a workflow away."""

        async def retire(tx: Transaction) -> Decision:
            found = await repository.find(tx, event.workflow_id)
            outcome = lifecycle.over(found.group, event.workflow_id, found.profiles, now=datetime.now(UTC))
            return Decision(repository.changes(found, outcome), outcome.events)

        await self._store.transact(retire, inbox_id=f"{Service.MQS}:{event_id}")
        failpoint("mqs.over")
        await self._try(self.advance(event.workflow_id))

    async def advance(self, workflow_id: WorkflowId) -> None:
        """Do on the broker what the group's stored state asks for, until it asks for nothing more.

        Raises:
            Unavailable: the broker or the database is away; asking again goes on from there.
        """
        released = False
        async with self._turns.setdefault(workflow_id, asyncio.Lock()):
            while True:
                found = await repository.find(self._store, workflow_id)
                if found.group is None:
                    break
                match lifecycle.next_step(found.group, found.profiles, datetime.now(UTC), self._rules):
                    case Declare():
                        await self._declare(workflow_id, found)
                    case Remove() as what:
                        await self._remove(workflow_id, what)
                        released = True
                    case Look(mqids):
                        released |= await self._look(workflow_id, mqids)
                    case Remind():
                        await self._record(
                            workflow_id,
                            lambda group, _: lifecycle.reminded(group, now=datetime.now(UTC), rules=self._rules),
                        )
                    case None:
                        break
        if released:
            await self._try(self.reconsider())

    async def reconsider(self) -> None:
        """Look again at every group that waits, and activate those that the budget now allows."""
        if not await repository.waiting(self._store):
            return
        admitted: list[WorkflowId] = []

        async def admit(tx: Transaction) -> Decision:
            now = datetime.now(UTC)
            groups = await repository.waiting(tx)
            book = await repository.ledger(tx)
            usage = self._usage(book.n_queues if book else 0)
            decided = verdicts(map(_applicant, groups), usage, self._budget, now)
            pairs = [
                (group, lifecycle.reconsidered(group, decided[group.workflow_id], now=now, rules=self._rules))
                for group in groups
            ]
            admitted[:] = [name for name, verdict in decided.items() if isinstance(verdict, Admitted)]
            changes = [change for group, outcome in pairs for change in repository.changes(Found(group), outcome)]
            return Decision((*changes, *repository.booked(book, repository.n_more_held(pairs))))

        async with self._ledger_turn:
            await self._store.transact(admit)
        failpoint("mqs.admitted")
        await self._each(admitted)

    async def wake(self, workflow_id: WorkflowId) -> None:
        """Take up a group whose time has come.

        Raises:
            Unavailable: the database or the broker is away; the group will be woken again.
        """
        group = (await repository.find(self._store, workflow_id)).group
        if group is None or group.state is not GroupState.RESERVED or group.admitted_at is not None:
            await self.advance(workflow_id)
        elif group.wake_at is not None and group.wake_at <= datetime.now(UTC):
            # One look decides for all that wait, so the next of them are no longer due.
            await self.reconsider()

    async def resume(self) -> None:
        """Take up what an earlier process left: balance the ledger, then go on with every group under way."""

        async def balance(tx: Transaction) -> Decision:
            return repository.balanced(await repository.ledger(tx), await repository.n_queues_held(tx))

        async with self._ledger_turn:
            await self._store.transact(balance)
        await self._each(await repository.unfinished(self._store))
        await self._try(self.reconsider())

    async def _judge(
        self,
        workflow_id: WorkflowId,
        applicant: Callable[[Found, datetime], Applicant],
        decide: Callable[[Found, Verdict, datetime], Outcome],
        *,
        inbox_id: str | None = None,
    ) -> Decision | Repeated:
        """Record what `decide` makes of a group and of what the budget says to it beside all that wait."""

        async def step(tx: Transaction) -> Decision:
            now = datetime.now(UTC)
            found = await repository.find(tx, workflow_id)
            book = await repository.ledger(tx)
            others = [_applicant(group) for group in await repository.waiting(tx) if group.workflow_id != workflow_id]
            usage = self._usage(book.n_queues if book else 0)
            verdict = verdicts([*others, applicant(found, now)], usage, self._budget, now)[workflow_id]
            outcome = decide(found, verdict, now)
            n_more = repository.n_more_held([(found.group, outcome)])
            return Decision((*repository.changes(found, outcome), *repository.booked(book, n_more)), outcome.events)

        async with self._ledger_turn:
            return await self._store.transact(step, inbox_id=inbox_id)

    async def _declare(self, workflow_id: WorkflowId, found: Found) -> None:
        mqids = [profile.mqid for profile in found.profiles]
        with _declare_s.time():
            await self._broker.declare(workflow_id, mqids)
        failpoint("mqs.declared")
        after = await self._record(
            workflow_id,
            lambda group, profiles: lifecycle.activated(group, profiles, now=datetime.now(UTC), rules=self._rules),
        )
        if after is not None and after.state is GroupState.ACTIVE:
            _activated.inc()
            log.info("queues activated", workflow_id=workflow_id, n_queues=len(mqids))
        elif after is None or after.state is GroupState.RETIRED:
            # Another process has retired it meanwhile: nobody else knows of what was just declared.
            await self._broker.remove(doomed(workflow_id, mqids, with_dead_letters=True))

    async def _remove(self, workflow_id: WorkflowId, what: Remove) -> None:
        await self._broker.remove(doomed(workflow_id, what.mqids, with_dead_letters=what.with_dead_letters))
        failpoint("mqs.removed")
        async with self._ledger_turn:
            after = await self._record(
                workflow_id,
                lambda group, profiles: lifecycle.removed(
                    group, profiles, what, now=datetime.now(UTC), rules=self._rules
                ),
            )
        log.info("queues deleted", workflow_id=workflow_id, n_queues=len(what.mqids), dead=what.with_dead_letters)
        if after is not None and after.state is GroupState.RETIRED:
            _retired.inc()

    async def _look(self, workflow_id: WorkflowId, mqids: Sequence[Mqid]) -> bool:
        """See whether queues that outlived their workflow are in use; True if they are not, and are deleted now."""
        counts = await self._broker.counts([*mqids, dead_queue(workflow_id)])
        in_use = any(count.in_use for count in counts.values())
        unused: Remove | None = None

        def decide(group: MQGroupDocument, profiles: Sequence[MQProfileDocument]) -> Outcome:
            nonlocal unused
            after = lifecycle.after_look(group, profiles, in_use=in_use, now=datetime.now(UTC), rules=self._rules)
            unused = after if isinstance(after, Remove) else None
            return lifecycle.UNCHANGED if isinstance(after, Remove) else after

        await self._record(workflow_id, decide)
        if unused is not None:
            await self._remove(workflow_id, unused)
        return unused is not None

    async def _record(
        self,
        workflow_id: WorkflowId,
        decide: Callable[[MQGroupDocument, Sequence[MQProfileDocument]], Outcome],
    ) -> MQGroupDocument | None:
        """Make true what `decide` says of the group as it is now; return it as it is afterwards."""
        after: MQGroupDocument | None = None

        async def step(tx: Transaction) -> Decision:
            nonlocal after
            found = await repository.find(tx, workflow_id)
            after = found.group
            if found.group is None:
                return Decision()
            outcome = decide(found.group, found.profiles)
            after = outcome.group or found.group
            n_more = repository.n_more_held([(found.group, outcome)])
            book = await repository.ledger(tx) if n_more else None
            return Decision((*repository.changes(found, outcome), *repository.booked(book, n_more)), outcome.events)

        await self._store.transact(step)
        return after

    async def _each(self, workflow_ids: Sequence[WorkflowId]) -> None:
        slots = asyncio.Semaphore(_N_AT_ONCE)

        async def one(workflow_id: WorkflowId) -> None:
            async with slots:
                await self._try(self.advance(workflow_id))

        await asyncio.gather(*map(one, workflow_ids))

    async def _try(self, work: Awaitable[None]) -> None:
        # What is to be done is recorded, and the timers see to it: the event that led here is handled all the same.
        try:
            await work
        except EWMSError as error:
            log.warning("queues have to wait", reason=error.reason)

    def _usage(self, n_queues: int) -> Usage:
        return Usage(n_queues, self.load.n_bytes, self.load.n_connections)


def _applicant(group: MQGroupDocument) -> Applicant:
    return Applicant(group.workflow_id, group.n_queues, group.priority, datetime.fromtimestamp(group.timestamp, UTC))
