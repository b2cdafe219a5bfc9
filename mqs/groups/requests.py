"""Take requests for queues from workflows and other WMSs: decide, record the decision, then carry it out.

One task at a time holds the ledger, so that no room is given to two groups.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from mqs.broker.data_vhost import Broker
from mqs.broker.management import Load
from mqs.groups import endings, foreign_groups, lifecycle, repository, retirement
from mqs.groups.admission import Admitted, Applicant, Budget, Shortage, Usage, Verdict, verdicts
from mqs.groups.broker_steps import Rules, Shut
from mqs.groups.lifecycle import Outcome
from mqs.groups.reconciler import Carrier
from mqs.groups.repository import Found, Reader
from mqs.groups.yielding import shortages
from mqs.tokens.grants import check_site
from runtime.failpoints import failpoint
from runtime.kernel.decision import Decision, Repeated
from runtime.kernel.store import Store, Transaction
from runtime.telemetry import counter, log
from schemas.documents import GroupState, MQGroupDocument
from schemas.errors import EWMSError
from schemas.events import QueuesDeferred, WorkflowEnding, WorkflowOver, WorkflowRequested
from schemas.ids import EventId, Mqid, WorkflowId, mqid
from schemas.requests import ActivateQuery, ReserveQuery
from schemas.services import Service

_deferred = counter("mqs_groups_deferred_total", "Groups of queues that had to wait when they asked.")

#: How many groups are worked on at a time after a release or a start.
_N_AT_ONCE = 8


class Groups:
    """The groups of queues of all workflows."""

    def __init__(self, store: Store, broker: Broker, *, budget: Budget, rules: Rules) -> None:
        self._store = store
        self._budget = budget
        self._rules = rules
        self._ledger_turn = asyncio.Lock()
        self.carrier = Carrier(store, broker, rules=rules, ledger_turn=self._ledger_turn)
        #: Bytes and connections on the broker at the last sample; see `mqs.depths`.
        self.load = Load(n_bytes=0, n_connections=0)
        #: Called when a group waits for room that ended workflows' queues may take up; see `mqs.groups.making_room`.
        self.on_shortage: Callable[[], None] = lambda: None

    async def requested(self, event_id: EventId, event: WorkflowRequested) -> None:
        """Reserve the queues of a workflow, and create them if the budget allows it."""

        made = await self._judge(
            event.workflow_id,
            lambda found, now: Applicant(
                event.workflow_id, lifecycle.n_queues_of(event), event.priority, now, event.owner
            ),
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
        """Name the queues of another WMS's workflow, once. Return the group.

        Raises:
            NotFound: the workflow belongs to another site, or to one of our own users.
        """

        async def name(tx: Transaction) -> Decision:
            found = await repository.find(tx, query.workflow_id)
            if found.group is not None:
                check_site(found.group, query.site, missing="MQGroup not found")
            queues = [(mqid(secrets.randbits(80)), alias) for alias in dict.fromkeys(query.queue_aliases)]
            outcome = foreign_groups.reserved(
                found.group,
                found.profiles,
                query.workflow_id,
                queues,
                query.public,
                site=query.site,
                now=datetime.now(UTC),
                rules=self._rules,
            )
            return Decision(repository.changes(found, outcome))

        async with self.carrier.turn(query.workflow_id):
            await self._store.transact(name)
            return await repository.find(self._store, query.workflow_id)

    async def activate(self, query: ActivateQuery) -> Found:
        """Create the queues that another WMS has reserved. Return the group after that.

        Raises:
            Unavailable: the broker is away.
        """
        await self._judge(
            query.workflow_id,
            lambda found, now: Applicant(
                query.workflow_id,
                found.group.n_queues if found.group else 0,
                foreign_groups.DEFAULT_PRIORITY if query.priority is None else query.priority,
                now,
                repository.owner_of(found.group) if found.group else "",
            ),
            lambda found, verdict, now: (
                lifecycle.UNCHANGED
                if found.group is None
                else foreign_groups.asked(found.group, query.priority, verdict, now=now, rules=self._rules)
            ),
        )
        await self.advance(query.workflow_id)
        return await self.used(query.workflow_id)

    async def used(self, workflow_id: WorkflowId) -> Found:
        """Note that somebody asked for a token of a group of another WMS. Return the group after that."""

        async def note(tx: Transaction) -> Decision:
            found = await repository.find(tx, workflow_id)
            outcome = foreign_groups.used(found.group, now=datetime.now(UTC), rules=self._rules)
            return Decision(repository.changes(found, outcome))

        await self._store.transact(note)
        return await repository.find(self._store, workflow_id)

    async def over(self, event_id: EventId, event: WorkflowOver) -> None:
        """Begin to delete a workflow's queues."""

        async def retire(tx: Transaction) -> Decision:
            found = await repository.find(tx, event.workflow_id)
            outcome = retirement.over(found.group, event.workflow_id, found.profiles, now=datetime.now(UTC))
            return Decision(repository.changes(found, outcome), outcome.effects)

        await self._store.transact(retire, inbox_id=f"{Service.MQS}:{event_id}")
        failpoint("mqs.over")
        await self._try(self.advance(event.workflow_id))

    async def end(self, event_id: EventId, event: WorkflowEnding) -> None:
        """Record how WMS wants the workflow to end by itself."""

        async def note(tx: Transaction) -> Decision:
            found = await repository.find(tx, event.workflow_id)
            outcome = endings.wished(found.group, event, now=datetime.now(UTC))
            return Decision(repository.changes(found, outcome), outcome.effects)

        await self._store.transact(note, inbox_id=f"{Service.MQS}:{event_id}")
        failpoint("mqs.closed")
        await self._try(self.advance(event.workflow_id))

    async def shut(self, workflow_id: WorkflowId, mqids: tuple[Mqid, ...]) -> None:
        """Let no more events into these queues.

        Raises:
            Unavailable: the broker or the database is away.
        """
        await self.carrier.shut(workflow_id, Shut(mqids))

    async def advance(self, workflow_id: WorkflowId) -> None:
        """Do what the group's stored state asks for, until it asks for nothing more.

        Raises:
            Unavailable: the broker or the database is away; a repeated call goes on from there.
        """
        if await self.carrier.advance(workflow_id):
            await self._try(self.reconsider())

    async def reconsider(self) -> None:
        """Judge every waiting group again, and activate those that the budget now allows."""
        if not await repository.waiting(self._store):
            return
        admitted: list[WorkflowId] = []
        short: list[Shortage] = []

        async def admit(tx: Transaction) -> Decision:
            now = datetime.now(UTC)
            groups = await repository.waiting(tx)
            book = await repository.ledger(tx)
            applicants = list(map(_applicant, groups))
            usage = await self._usage(tx, applicants, book.n_queues if book else 0)
            decided = verdicts(applicants, usage, self._budget, now)
            pairs = [
                (group, lifecycle.reconsidered(group, decided[group.workflow_id], now=now, rules=self._rules))
                for group in groups
            ]
            short[:] = shortages(decided.values())
            admitted[:] = [name for name, verdict in decided.items() if isinstance(verdict, Admitted)]
            changes = [change for group, outcome in pairs for change in repository.changes(Found(group), outcome)]
            return Decision((*changes, *repository.booked(book, repository.n_more_held(pairs))))

        async with self._ledger_turn:
            await self._store.transact(admit)
        failpoint("mqs.admitted")
        self._tell_of(short)
        await self._each(admitted)

    async def shortages(self) -> tuple[Shortage, ...]:
        """Return how much room the waiting groups lack now."""
        applicants = list(map(_applicant, await repository.waiting(self._store)))
        book = await repository.ledger(self._store)
        usage = await self._usage(self._store, applicants, book.n_queues if book else 0)
        return shortages(verdicts(applicants, usage, self._budget, datetime.now(UTC)).values())

    async def wake(self, workflow_id: WorkflowId) -> None:
        """Work on a group whose `wake_at` has come.

        Raises:
            Unavailable: the database or the broker is away; the group will be woken again.
        """
        group = (await repository.find(self._store, workflow_id)).group
        if group is None or group.state is not GroupState.RESERVED or group.admitted_at or group.unasked:
            await self.advance(workflow_id)
        elif group.wake_at is not None and group.wake_at <= datetime.now(UTC):
            # One look decides for all waiting groups, so the next ones are no longer due.
            await self.reconsider()

    async def resume(self) -> None:
        """Take over from an earlier process: balance the ledger, then go on with every unfinished group."""

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
        """Record what `decide` returns for a group and its verdict. The budget judges it beside all waiting groups."""

        short: list[Shortage] = []

        async def step(tx: Transaction) -> Decision:
            now = datetime.now(UTC)
            found = await repository.find(tx, workflow_id)
            book = await repository.ledger(tx)
            others = [_applicant(group) for group in await repository.waiting(tx) if group.workflow_id != workflow_id]
            applicants = [*others, applicant(found, now)]
            usage = await self._usage(tx, applicants, book.n_queues if book else 0)
            verdict = verdicts(applicants, usage, self._budget, now)[workflow_id]
            short[:] = shortages([verdict])
            outcome = decide(found, verdict, now)
            n_more = repository.n_more_held([(found.group, outcome)])
            return Decision((*repository.changes(found, outcome), *repository.booked(book, n_more)), outcome.effects)

        async with self._ledger_turn:
            made = await self._store.transact(step, inbox_id=inbox_id)
        self._tell_of(short)
        return made

    def _tell_of(self, short: Sequence[Shortage]) -> None:
        if short:
            self.on_shortage()

    async def _each(self, workflow_ids: Sequence[WorkflowId]) -> None:
        slots = asyncio.Semaphore(_N_AT_ONCE)

        async def one(workflow_id: WorkflowId) -> None:
            async with slots:
                await self._try(self.advance(workflow_id))

        await asyncio.gather(*map(one, workflow_ids))

    async def _try(self, work: Awaitable[None]) -> None:
        # The work is recorded and the timers will retry it, so the event that led here counts as handled.
        try:
            await work
        except EWMSError as error:
            log.warning("queues have to wait", reason=error.reason)

    async def _usage(self, reader: Reader, applicants: Sequence[Applicant], n_queues: int) -> Usage:
        owners = {applicant.owner for applicant in applicants} if self._budget.max_owner_queues is not None else set()
        of_owner = await repository.n_queues_held_by(reader, owners) if owners else {}
        return Usage(n_queues, self.load.n_bytes, self.load.n_connections, of_owner)


def _applicant(group: MQGroupDocument) -> Applicant:
    asked_at = datetime.fromtimestamp(group.timestamp, UTC)
    return Applicant(group.workflow_id, group.n_queues, group.priority, asked_at, repository.owner_of(group))
