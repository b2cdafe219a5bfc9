"""Take requests for queues from workflows and other WMSs: decide, record the decision, then carry it out."""

import asyncio
import secrets
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from mqs.broker.data_vhost import DataVhost
from mqs.groups import endings, foreign_groups, lifecycle, repository, retirement
from mqs.groups.admission import Applicant, Budget, Verdict
from mqs.groups.broker_steps import Rules, Shut
from mqs.groups.lifecycle import GroupDecision
from mqs.groups.queue_ledger import QueueLedger
from mqs.groups.queue_owners import owner_of
from mqs.groups.reconciler import Reconciler
from mqs.groups.repository import StoredGroup
from mqs.tokens.grants import check_site
from runtime.clock import utc_now
from runtime.failpoints import failpoint
from runtime.kernel.decision import Decision
from runtime.kernel.store import Store, Transaction
from runtime.telemetry import counter, log
from runtime.tracing import current_traceparent
from schemas.broker.services import Service
from schemas.errors import EWMSError
from schemas.events import QueuesDeferred, WorkflowEnding, WorkflowOver, WorkflowRequested
from schemas.fleet.queue_documents import GroupState
from schemas.ids import EventId, Mqid, WorkflowId, mqid
from schemas.questions.queues import ActivateQuery, ReserveQuery

_deferred = counter("mqs_groups_deferred_total", "Groups of queues that had to wait when they asked.")

#: How many groups MQS works on at a time, after a release of queues or at its start.
_N_AT_ONCE = 8


class Groups:
    """Takes requests for the queues of all workflows, and carries them out."""

    def __init__(self, store: Store, broker: DataVhost, *, budget: Budget, rules: Rules) -> None:
        self._store = store
        self._rules = rules
        self.ledger = QueueLedger(store, budget=budget, rules=rules)
        self.carrier = Reconciler(store, broker, rules=rules, ledger_turn=self.ledger.turn)

    async def request_queues(self, event_id: EventId, event: WorkflowRequested) -> None:
        """Reserve the queues of a workflow, and create them if the budget allows."""

        new: StoredGroup | None = None
        traceparent = current_traceparent() or ""
        asking = Applicant(event.workflow_id, lifecycle.count_queues(event), event.priority, utc_now(), event.owner)
        # The broker needs longer than the database, so let it begin. `advance_group` below goes on from there, or takes
        # back what was not admitted.
        begin_creation = partial(
            self.carrier.creations.begin_creation, event.workflow_id, [queue.mqid for queue in event.queues]
        )
        if self.ledger.expects_room(asking):
            begin_creation()

        def decide_request(found: StoredGroup, verdict: Verdict, now: datetime) -> GroupDecision:
            nonlocal new
            outcome = lifecycle.apply_request(
                found.group, event, verdict, now=now, rules=self._rules, traceparent=traceparent
            )
            new = StoredGroup(outcome.group, outcome.profiles) if found.group is None else None
            if new is not None and lifecycle.count_held(new.group):
                begin_creation()
            return outcome

        made = await self.ledger.decide_with_budget(
            event.workflow_id,
            lambda found, now: replace(asking, asked_at=now),
            decide_request,
            inbox_id=f"{Service.MQS}:{event_id}",
        )
        if isinstance(made, Decision):
            waits = any(isinstance(said, QueuesDeferred) for said in made.events)
            if made.changes:
                log.info("queues reserved", n_queues=len(event.queues), priority=event.priority, waits=waits)
                _deferred.inc(waits)
        failpoint("mqs.reserved")
        # Pass on the group that this transaction has stored, which saves reading it again.
        await self._try_work(self.advance_group(event.workflow_id, known=new if isinstance(made, Decision) else None))

    async def reserve_group(self, query: ReserveQuery) -> StoredGroup:
        """Reserve names for the queues of another WMS's workflow, unless this was done before. Return the group.

        Raises:
            NotFound: the workflow belongs to another site, or to one of our own users.
        """

        async def reserve_queues(tx: Transaction) -> Decision:
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
            await self._store.transact(reserve_queues)
            return await repository.find_group(self._store, query.workflow_id)

    async def activate_group(self, query: ActivateQuery) -> StoredGroup:
        """Create the queues that another WMS has reserved, if the budget allows. Return the changed group.

        Raises:
            Unavailable: the broker does not answer.
        """
        await self.ledger.decide_with_budget(
            query.workflow_id,
            lambda found, now: Applicant(
                query.workflow_id,
                found.group.n_queues if found.group else 0,
                foreign_groups.DEFAULT_PRIORITY if query.priority is None else query.priority,
                now,
                owner_of(found.group) if found.group else "",
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
        """Record that a token was requested for a group of another WMS. Return the changed group."""

        async def record_use(tx: Transaction) -> Decision:
            found = await repository.find_group(tx, workflow_id)
            outcome = foreign_groups.note_use(found.group, now=utc_now(), rules=self._rules)
            return Decision(repository.group_changes(found, outcome))

        await self._store.transact(record_use)
        return await repository.find_group(self._store, workflow_id)

    async def find_opened(self, workflow_id: WorkflowId) -> StoredGroup:
        """Return the group of a workflow, for whose queues tokens are wanted. If it is active, open its queues first.

        Raises:
            Unavailable: the queues cannot be opened now.
        """
        found = await repository.find_group(self._store, workflow_id)
        if found.group is None or found.group.is_open or found.group.state is not GroupState.ACTIVE:
            return found
        return await self.advance_group(workflow_id)

    async def retire_group(self, event_id: EventId, event: WorkflowOver) -> None:
        """Start to delete the queues of a workflow that is over."""

        async def begin_retirement(tx: Transaction) -> Decision:
            found = await repository.find_group(tx, event.workflow_id)
            outcome = retirement.apply_end(found.group, event.workflow_id, found.profiles, now=utc_now())
            return Decision(repository.group_changes(found, outcome), outcome.effects)

        await self._store.transact(begin_retirement, inbox_id=f"{Service.MQS}:{event_id}")
        failpoint("mqs.over")
        await self._try_work(self.advance_group(event.workflow_id))

    async def note_ending(self, event_id: EventId, event: WorkflowEnding) -> None:
        """Record how WMS wants the workflow to end by itself."""

        async def record_ending(tx: Transaction) -> Decision:
            found = await repository.find_group(tx, event.workflow_id)
            outcome = endings.apply_ending(found.group, event, now=utc_now())
            return Decision(repository.group_changes(found, outcome), outcome.effects)

        await self._store.transact(record_ending, inbox_id=f"{Service.MQS}:{event_id}")
        failpoint("mqs.closed")
        await self._try_work(self.advance_group(event.workflow_id))

    async def shut_queues(self, workflow_id: WorkflowId, mqids: tuple[Mqid, ...]) -> None:
        """Close these queues to new events.

        Raises:
            Unavailable: the broker or the database does not answer.
        """
        await self.carrier.shut_queues(workflow_id, Shut(mqids))

    async def advance_group(self, workflow_id: WorkflowId, *, known: StoredGroup | None = None) -> StoredGroup:
        """Carry out the steps that the group's stored state needs, until none is due. Return the group as it is stored
        then. `known` is the stored state, if known.

        Raises:
            Unavailable: the broker or the database does not answer. A repeated call continues.
        """
        found, has_released = await self.carrier.advance_group(workflow_id, known=known)
        if has_released:
            await self._try_work(self.reconsider_waiting())
        return found

    async def reconsider_waiting(self) -> None:
        """Decide about every waiting group again, and activate those that now fit the budget."""
        await self._advance_all(await self.ledger.admit_waiting())

    async def wake_group(self, workflow_id: WorkflowId) -> None:
        """Do the work of a group whose `wake_at` has come.

        Raises:
            Unavailable: the database or the broker does not answer. The timers wake the group again.
        """
        group = (await repository.find_group(self._store, workflow_id)).group
        if group is None or group.state is not GroupState.RESERVED or group.admitted_at or group.unasked:
            await self.advance_group(workflow_id)
        elif group.wake_at is not None and group.wake_at <= utc_now():
            # One look decides for all waiting groups, so the next ones are no longer due.
            await self.reconsider_waiting()

    async def resume_all(self) -> None:
        """Continue the work of an earlier process: correct the ledger, then continue every unfinished group."""
        await self.ledger.balance_count()
        await self._advance_all(await repository.find_unfinished(self._store))
        await self._try_work(self.reconsider_waiting())

    async def _advance_all(self, workflow_ids: Sequence[WorkflowId]) -> None:
        slots = asyncio.Semaphore(_N_AT_ONCE)

        async def advance_in_turn(workflow_id: WorkflowId) -> None:
            async with slots:
                await self._try_work(self.advance_group(workflow_id))

        await asyncio.gather(*map(advance_in_turn, workflow_ids))

    async def _try_work(self, work: Awaitable[object]) -> None:
        # The work is recorded and the timers will repeat it, so the event counts as handled.
        try:
            await work
        except EWMSError as error:
            log.warning("the queues of a workflow have to wait", reason=error.reason)
