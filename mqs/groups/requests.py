"""Take requests for queues from workflows and other WMSs: decide, record the decision, then carry it out.

One task at a time holds the ledger, so that no room is given to two groups.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from mqs.broker.data_vhost import DataVhost
from mqs.broker.management import Load
from mqs.groups import endings, foreign_groups, lifecycle, repository, retirement
from mqs.groups.admission import Admitted, Applicant, Budget, Shortage, Usage, Verdict, judge_applicants
from mqs.groups.broker_steps import Rules, Shut
from mqs.groups.lifecycle import GroupDecision
from mqs.groups.reconciler import Reconciler
from mqs.groups.repository import StoredGroup
from mqs.groups.yielding import sum_shortages
from mqs.tokens.grants import check_site
from runtime.clock import utc_now
from runtime.failpoints import failpoint
from runtime.kernel.database import Reader
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

    def __init__(self, store: Store, broker: DataVhost, *, budget: Budget, rules: Rules) -> None:
        self._store = store
        self._budget = budget
        self._rules = rules
        self._ledger_turn = asyncio.Lock()
        self.carrier = Reconciler(store, broker, rules=rules, ledger_turn=self._ledger_turn)
        #: Bytes and connections on the broker at the last sample; see `mqs.depths`.
        self.load = Load(n_bytes=0, n_connections=0)
        #: Called when a group waits for room that ended workflows' queues may take up; see `mqs.groups.making_room`.
        self.on_shortage: Callable[[], None] = lambda: None

    async def request_queues(self, event_id: EventId, event: WorkflowRequested) -> None:
        """Reserve the queues of a workflow, and create them if the budget allows it."""

        new: StoredGroup | None = None

        def decide(found: StoredGroup, verdict: Verdict, now: datetime) -> GroupDecision:
            nonlocal new
            outcome = lifecycle.apply_request(found.group, event, verdict, now=now, rules=self._rules)
            new = StoredGroup(outcome.group, outcome.profiles) if found.group is None else None
            return outcome

        made = await self._decide_with_budget(
            event.workflow_id,
            lambda found, now: Applicant(
                event.workflow_id, lifecycle.count_queues(event), event.priority, now, event.owner
            ),
            decide,
            inbox_id=f"{Service.MQS}:{event_id}",
        )
        if isinstance(made, Decision):
            waits = any(isinstance(said, QueuesDeferred) for said in made.events)
            if made.changes:
                log.info("queues reserved", n_queues=len(event.queues), priority=event.priority, waits=waits)
                _deferred.inc(waits)
        failpoint("mqs.reserved")
        # What this transaction has stored need not be read again.
        await self._try_now(self.advance_group(event.workflow_id, known=new if isinstance(made, Decision) else None))

    async def reserve_group(self, query: ReserveQuery) -> StoredGroup:
        """Name the queues of another WMS's workflow, once. Return the group.

        Raises:
            NotFound: the workflow belongs to another site, or to one of our own users.
        """

        async def name(tx: Transaction) -> Decision:
            found = await repository.find_group(tx, query.workflow_id)
            if found.group is not None:
                check_site(found.group, query.site, missing="MQGroup not found")
            queues = [(mqid(secrets.randbits(80)), alias) for alias in dict.fromkeys(query.queue_aliases)]
            outcome = foreign_groups.reserve_group(
                found.group,
                found.profiles,
                query.workflow_id,
                queues,
                query.public,
                site=query.site,
                now=utc_now(),
                rules=self._rules,
            )
            return Decision(repository.group_changes(found, outcome))

        async with self.carrier.turns.hold_turn(query.workflow_id):
            await self._store.transact(name)
            return await repository.find_group(self._store, query.workflow_id)

    async def activate_group(self, query: ActivateQuery) -> StoredGroup:
        """Create the queues that another WMS has reserved. Return the group after that.

        Raises:
            Unavailable: the broker is away.
        """
        await self._decide_with_budget(
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
                else foreign_groups.request_activation(found.group, query.priority, verdict, now=now, rules=self._rules)
            ),
        )
        await self.advance_group(query.workflow_id)
        return await self.note_use(query.workflow_id)

    async def note_use(self, workflow_id: WorkflowId) -> StoredGroup:
        """Note that somebody asked for a token of a group of another WMS. Return the group after that."""

        async def note(tx: Transaction) -> Decision:
            found = await repository.find_group(tx, workflow_id)
            outcome = foreign_groups.note_use(found.group, now=utc_now(), rules=self._rules)
            return Decision(repository.group_changes(found, outcome))

        await self._store.transact(note)
        return await repository.find_group(self._store, workflow_id)

    async def retire_group(self, event_id: EventId, event: WorkflowOver) -> None:
        """Begin to delete a workflow's queues."""

        async def retire(tx: Transaction) -> Decision:
            found = await repository.find_group(tx, event.workflow_id)
            outcome = retirement.apply_end(found.group, event.workflow_id, found.profiles, now=utc_now())
            return Decision(repository.group_changes(found, outcome), outcome.effects)

        await self._store.transact(retire, inbox_id=f"{Service.MQS}:{event_id}")
        failpoint("mqs.over")
        await self._try_now(self.advance_group(event.workflow_id))

    async def note_ending(self, event_id: EventId, event: WorkflowEnding) -> None:
        """Record how WMS wants the workflow to end by itself."""

        async def note(tx: Transaction) -> Decision:
            found = await repository.find_group(tx, event.workflow_id)
            outcome = endings.apply_ending(found.group, event, now=utc_now())
            return Decision(repository.group_changes(found, outcome), outcome.effects)

        await self._store.transact(note, inbox_id=f"{Service.MQS}:{event_id}")
        failpoint("mqs.closed")
        await self._try_now(self.advance_group(event.workflow_id))

    async def shut_queues(self, workflow_id: WorkflowId, mqids: tuple[Mqid, ...]) -> None:
        """Let no more events into these queues.

        Raises:
            Unavailable: the broker or the database is away.
        """
        await self.carrier.shut_queues(workflow_id, Shut(mqids))

    async def advance_group(self, workflow_id: WorkflowId, *, known: StoredGroup | None = None) -> None:
        """Do what the group's stored state asks for, until it asks for nothing more. `known` is that state, if at hand.

        Raises:
            Unavailable: the broker or the database is away; a repeated call goes on from there.
        """
        if await self.carrier.advance_group(workflow_id, known=known):
            await self._try_now(self.reconsider_waiting())

    async def reconsider_waiting(self) -> None:
        """Judge every waiting group again, and activate those that the budget now allows."""
        if not await repository.find_waiting(self._store):
            return
        admitted: list[WorkflowId] = []
        short: list[Shortage] = []

        async def admit(tx: Transaction) -> Decision:
            now = utc_now()
            groups = await repository.find_waiting(tx)
            book = await repository.load_ledger(tx)
            applicants = list(map(_applicant_of, groups))
            usage = await self._measure_usage(tx, applicants, book.n_queues if book else 0)
            decided = judge_applicants(applicants, usage, self._budget, now)
            pairs = [
                (group, lifecycle.apply_verdict(group, decided[group.workflow_id], now=now, rules=self._rules))
                for group in groups
            ]
            short[:] = sum_shortages(decided.values())
            admitted[:] = [name for name, verdict in decided.items() if isinstance(verdict, Admitted)]
            changes = [
                change for group, outcome in pairs for change in repository.group_changes(StoredGroup(group), outcome)
            ]
            return Decision((*changes, *repository.ledger_changes(book, repository.count_more_held(pairs))))

        async with self._ledger_turn:
            await self._store.transact(admit)
        failpoint("mqs.admitted")
        self._report_shortage(short)
        await self._advance_all(admitted)

    async def find_shortages(self) -> tuple[Shortage, ...]:
        """Return how much room the waiting groups lack now."""
        applicants = list(map(_applicant_of, await repository.find_waiting(self._store)))
        book = await repository.load_ledger(self._store)
        usage = await self._measure_usage(self._store, applicants, book.n_queues if book else 0)
        return sum_shortages(judge_applicants(applicants, usage, self._budget, utc_now()).values())

    async def wake_group(self, workflow_id: WorkflowId) -> None:
        """Work on a group whose `wake_at` has come.

        Raises:
            Unavailable: the database or the broker is away; the group will be woken again.
        """
        group = (await repository.find_group(self._store, workflow_id)).group
        if group is None or group.state is not GroupState.RESERVED or group.admitted_at or group.unasked:
            await self.advance_group(workflow_id)
        elif group.wake_at is not None and group.wake_at <= utc_now():
            # One look decides for all waiting groups, so the next ones are no longer due.
            await self.reconsider_waiting()

    async def resume_all(self) -> None:
        """Take over from an earlier process: balance the ledger, then go on with every unfinished group."""

        async def balance(tx: Transaction) -> Decision:
            return repository.balance_ledger(await repository.load_ledger(tx), await repository.count_queues_held(tx))

        async with self._ledger_turn:
            await self._store.transact(balance)
        await self._advance_all(await repository.find_unfinished(self._store))
        await self._try_now(self.reconsider_waiting())

    async def _decide_with_budget(
        self,
        workflow_id: WorkflowId,
        applicant: Callable[[StoredGroup, datetime], Applicant],
        decide: Callable[[StoredGroup, Verdict, datetime], GroupDecision],
        *,
        inbox_id: str | None = None,
    ) -> Decision | Repeated:
        """Record what `decide` returns for a group and its verdict. The budget judges it beside all waiting groups."""

        short: list[Shortage] = []

        async def step(tx: Transaction) -> Decision:
            now = utc_now()
            found = await repository.find_group(tx, workflow_id)
            book = await repository.load_ledger(tx)
            others = [
                _applicant_of(group) for group in await repository.find_waiting(tx) if group.workflow_id != workflow_id
            ]
            applicants = [*others, applicant(found, now)]
            usage = await self._measure_usage(tx, applicants, book.n_queues if book else 0)
            verdict = judge_applicants(applicants, usage, self._budget, now)[workflow_id]
            short[:] = sum_shortages([verdict])
            outcome = decide(found, verdict, now)
            n_more = repository.count_more_held([(found.group, outcome)])
            return Decision(
                (*repository.group_changes(found, outcome), *repository.ledger_changes(book, n_more)), outcome.effects
            )

        async with self._ledger_turn:
            made = await self._store.transact(step, inbox_id=inbox_id)
        self._report_shortage(short)
        return made

    def _report_shortage(self, short: Sequence[Shortage]) -> None:
        if short:
            self.on_shortage()

    async def _advance_all(self, workflow_ids: Sequence[WorkflowId]) -> None:
        slots = asyncio.Semaphore(_N_AT_ONCE)

        async def one(workflow_id: WorkflowId) -> None:
            async with slots:
                await self._try_now(self.advance_group(workflow_id))

        await asyncio.gather(*map(one, workflow_ids))

    async def _try_now(self, work: Awaitable[None]) -> None:
        # The work is recorded and the timers will retry it, so the event that led here counts as handled.
        try:
            await work
        except EWMSError as error:
            log.warning("queues have to wait", reason=error.reason)

    async def _measure_usage(self, reader: Reader, applicants: Sequence[Applicant], n_queues: int) -> Usage:
        owners = {applicant.owner for applicant in applicants} if self._budget.max_owner_queues is not None else set()
        of_owner = await repository.count_queues_of_owners(reader, owners) if owners else {}
        return Usage(n_queues, self.load.n_bytes, self.load.n_connections, of_owner)


def _applicant_of(group: MQGroupDocument) -> Applicant:
    asked_at = datetime.fromtimestamp(group.timestamp, UTC)
    return Applicant(group.workflow_id, group.n_queues, group.priority, asked_at, repository.owner_of(group))
