"""Carry out on the broker the steps that a group's stored state needs, and record them as done.

One task at a time works on a group. Every step is safe to repeat. So MQS repeats a step that failed or was interrupted:
at the workflow's next event, at its `wake_at`, or at the next start.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence

from mqs.broker.data_vhost import DataVhost
from mqs.broker.topology import group_deletion
from mqs.groups import foreign_groups, lifecycle, repository, retirement
from mqs.groups.broker_steps import Declare, Forget, Look, Open, Remind, Remove, Rules, Shut, next_step
from mqs.groups.early_creation import EarlyCreations
from mqs.groups.lifecycle import GroupDecision
from mqs.groups.repository import StoredGroup
from mqs.groups.yielding import choose_removal, find_idle_queues
from runtime.clock import utc_now
from runtime.concurrency.turns import Turns
from runtime.failpoints import failpoint
from runtime.kernel.decision import Decision
from runtime.kernel.store import Store, Transaction
from runtime.telemetry import counter, histogram, log
from runtime.tracing import continue_trace, current_traceparent
from schemas.broker.topology import dead_queue
from schemas.errors import Unavailable
from schemas.fleet.queue_documents import GroupState, MQGroupDocument, MQProfileDocument
from schemas.ids import Mqid, WorkflowId

_activated = counter("mqs_groups_activated_total", "Groups of queues activated.")
_retired = counter("mqs_groups_retired_total", "Groups of queues retired.")
_declare_s = histogram("mqs_declare_seconds", "Time to create the queues of a group.")
_open_s = histogram("mqs_open_seconds", "Time to make new queues of a group usable.")

#: A function that decides about a group and its profiles in their current state.
Decide = Callable[[MQGroupDocument, Sequence[MQProfileDocument]], GroupDecision]


class Reconciler:
    """Carries out the steps of groups on the broker, and records them."""

    def __init__(self, store: Store, broker: DataVhost, *, rules: Rules, ledger_turn: asyncio.Lock) -> None:
        self._store = store
        self._broker = broker
        self._rules = rules
        self._ledger_turn = ledger_turn
        #: The locks by workflow. Hold a workflow's turn while working on its group.
        self.turns = Turns()
        #: Begin a creation here before a transaction that admits the group, and call `advance_group` afterwards.
        self.creations = EarlyCreations(broker)

    async def advance_group(
        self, workflow_id: WorkflowId, *, known: StoredGroup | None = None
    ) -> tuple[StoredGroup, bool]:
        """Carry out the steps that the group's stored state needs, until none is due. Return the group as it is stored
        then, and whether queues were deleted.

        `known` is the stored state, if the caller has just written it. If `known` is out of date, some steps are
        repeated.

        Raises:
            Unavailable: the broker or the database does not answer. A repeated call continues.
        """
        async with self.turns.hold_turn(workflow_id):
            try:
                return await self._carry_out_steps(workflow_id, known)
            finally:
                await self._withdraw_unadmitted(workflow_id)

    async def _carry_out_steps(self, workflow_id: WorkflowId, known: StoredGroup | None) -> tuple[StoredGroup, bool]:
        released = has_declared = False
        while True:
            found, known = known or await repository.find_group(self._store, workflow_id), None
            if found.group is None:
                return found, released
            match next_step(found.group, found.profiles, utc_now(), self._rules):
                case Declare():
                    # A loop that lets a waiting group go on has no trace of its own.
                    with continue_trace(current_traceparent() or found.group.traceparent):
                        known = await self._declare_queues(workflow_id, found)
                    has_declared = True
                case Open():
                    known = await self._open_queues(workflow_id, found, are_declared=has_declared)
                case Shut() as what:
                    await self._shut_queues(workflow_id, what)
                case Remove() as what:
                    await self._remove_queues(workflow_id, what)
                    released = True
                case Look(mqids):
                    released |= await self._look_for_use(workflow_id, mqids)
                case Forget():
                    await self._record_decision(
                        workflow_id,
                        lambda group, profiles: foreign_groups.forget_group(
                            group, profiles, now=utc_now(), rules=self._rules
                        ),
                    )
                case Remind():
                    await self._record_decision(
                        workflow_id,
                        lambda group, _: lifecycle.remind_wms(group, now=utc_now(), rules=self._rules),
                    )
                case None:
                    return found, released

    async def shut_queues(self, workflow_id: WorkflowId, what: Shut) -> None:
        """Close the queues of `what` to new events.

        Raises:
            Unavailable: the broker or the database does not answer.
        """
        async with self.turns.hold_turn(workflow_id):
            await self._shut_queues(workflow_id, what)

    async def find_idle(self, workflow_id: WorkflowId) -> tuple[str, ...]:
        """Return the queues of an ended workflow that are empty and unused.

        Raises:
            Unavailable: the broker or the database is away.
        """
        return await self._find_idle(await repository.find_group(self._store, workflow_id))

    async def remove_idle(self, workflow_id: WorkflowId, idle_before: Collection[str]) -> int:
        """Delete the queues that were idle before and are still idle. Return their number.

        Raises:
            Unavailable: the broker or the database does not answer.
        """
        async with self.turns.hold_turn(workflow_id):
            found = await repository.find_group(self._store, workflow_id)
            if found.group is None:
                return 0
            what = choose_removal(found.group, found.profiles, [idle_before, await self._find_idle(found)])
            if what is None:
                return 0
            await self._remove_queues(workflow_id, what)
            return len(what.mqids) + what.with_dead_letters

    async def _find_idle(self, found: StoredGroup) -> tuple[str, ...]:
        if found.group is None:
            return ()
        mqids = [profile.mqid for profile in found.profiles if profile.retired_at is None]
        counts = await self._broker.count_queues([*mqids, dead_queue(found.group.workflow_id)])
        return find_idle_queues(
            found.group, found.profiles, {name for name, count in counts.items() if count.is_in_use}
        )

    async def _declare_queues(self, workflow_id: WorkflowId, found: StoredGroup) -> StoredGroup:
        """Create the queues of the group `found`. Return the group as it is stored afterwards."""
        mqids = [profile.mqid for profile in found.profiles]
        with _declare_s.time():
            await self.creations.finish_creation(workflow_id, mqids)
        failpoint("mqs.declared")
        after = await self._record_decision(
            workflow_id,
            lambda group, profiles: lifecycle.mark_active(group, profiles, now=utc_now(), rules=self._rules),
            known=found,
        )
        if after.group is not None and after.group.state is GroupState.ACTIVE:
            _activated.inc()
            log.info("queues activated", workflow_id=workflow_id, n_queues=len(mqids))
        elif after.group is None or after.group.state is GroupState.RETIRED:
            # Another process has retired the group meanwhile, and it does not know the queues just declared. So delete
            # them here.
            await self._broker.remove_queues(group_deletion(workflow_id, mqids, with_dead_letters=True))
        return after

    async def _open_queues(self, workflow_id: WorkflowId, found: StoredGroup, *, are_declared: bool) -> StoredGroup:
        """Bind new queues to exchanges, seal them, and check that they work. Return the group as it is stored then.

        `are_declared` says that this call of `advance_group` has just declared them. WMS goes on meanwhile, but no
        client can use the queues: for them MQS gives out tokens only afterwards.

        Raises:
            Unavailable: queues do not work. They are deleted, and a repeated call of `advance_group` creates them anew.
        """
        mqids = [profile.mqid for profile in found.profiles]
        queues = (*mqids, dead_queue(workflow_id))
        with _open_s.time():
            if not are_declared:
                await self._broker.declare_queues(workflow_id, mqids)
            await self._broker.declare_exchanges(workflow_id, mqids)
            _, _, leaderless = await asyncio.gather(
                self._broker.bind_queues(workflow_id, mqids),
                self._broker.seal_queues(),
                self._broker.find_leaderless(queues),
            )
        if leaderless:
            # Nobody has used these queues yet, so they are empty.
            await self._broker.remove_queues(group_deletion(workflow_id, mqids, with_dead_letters=True))
            raise Unavailable(f"{len(leaderless)} of {len(queues)} new queues have no leader, so they are made anew")
        failpoint("mqs.sealed")
        return await self._record_decision(
            workflow_id, lambda group, _: lifecycle.mark_open(group, now=utc_now(), rules=self._rules), known=found
        )

    async def _withdraw_unadmitted(self, workflow_id: WorkflowId) -> None:
        """Delete queues whose creation began, but that the stored group does not have."""
        if not (mqids := await self.creations.take_created(workflow_id)):
            return
        found = await repository.find_group(self._store, workflow_id)
        is_held = lifecycle.count_held(found.group) > 0
        held = {profile.mqid for profile in found.profiles if is_held and profile.retired_at is None}
        left = [mqid for mqid in mqids if mqid not in held]
        if left or not is_held:
            await self._broker.remove_queues(group_deletion(workflow_id, left, with_dead_letters=not is_held))

    async def _shut_queues(self, workflow_id: WorkflowId, what: Shut) -> None:
        await self._broker.shut_queues(what.mqids)
        failpoint("mqs.shut")
        await self._record_decision(
            workflow_id, lambda group, profiles: retirement.mark_shut(group, profiles, what, now=utc_now())
        )
        log.info("queues shut", workflow_id=workflow_id, n_queues=len(what.mqids))

    async def _remove_queues(self, workflow_id: WorkflowId, what: Remove) -> None:
        await self._broker.remove_queues(
            group_deletion(workflow_id, what.mqids, with_dead_letters=what.with_dead_letters)
        )
        failpoint("mqs.removed")
        async with self._ledger_turn:
            after = await self._record_decision(
                workflow_id,
                lambda group, profiles: retirement.mark_removed(
                    group, profiles, what, now=utc_now(), rules=self._rules
                ),
            )
        log.info("queues deleted", workflow_id=workflow_id, n_queues=len(what.mqids), dead=what.with_dead_letters)
        if after.group is not None and after.group.state is GroupState.RETIRED:
            _retired.inc()

    async def _look_for_use(self, workflow_id: WorkflowId, mqids: Sequence[Mqid]) -> bool:
        """Check whether these queues are in use. Delete those of an ended workflow that were unused for long enough.

        Return whether any were deleted.
        """
        counts = await self._broker.count_queues([*mqids, dead_queue(workflow_id)])
        in_use = any(count.is_in_use for count in counts.values())
        unused: Remove | None = None

        def judge_look(group: MQGroupDocument, profiles: Sequence[MQProfileDocument]) -> GroupDecision:
            nonlocal unused
            if group.state is GroupState.ACTIVE:
                return foreign_groups.apply_look(group, in_use=in_use, now=utc_now(), rules=self._rules)
            after = retirement.apply_look(group, profiles, in_use=in_use, now=utc_now(), rules=self._rules)
            unused = after if isinstance(after, Remove) else None
            return lifecycle.UNCHANGED if isinstance(after, Remove) else after

        await self._record_decision(workflow_id, judge_look)
        if unused is not None:
            await self._remove_queues(workflow_id, unused)
        return unused is not None

    async def _record_decision(
        self,
        workflow_id: WorkflowId,
        decide: Decide,
        *,
        known: StoredGroup | None = None,
    ) -> StoredGroup:
        """Record the decision that `decide` makes about the current group. Return what is stored after the decision.

        The first attempt uses the group in `known`, if it is given. If that state is out of date, the store rejects the
        change, and the next attempt reads the group again.
        """
        after = StoredGroup(None)

        async def step(tx: Transaction) -> Decision:
            nonlocal after, known
            found, known = known or await repository.find_group(tx, workflow_id), None
            after = found
            if found.group is None:
                return Decision()
            outcome = decide(found.group, found.profiles)
            after = repository.apply_outcome(found, outcome)
            n_more = repository.count_more_held([(found.group, outcome)])
            book = await repository.load_ledger(tx) if n_more else None
            return Decision(
                (*repository.group_changes(found, outcome), *repository.ledger_changes(book, n_more)), outcome.effects
            )

        await self._store.transact(step)
        return after
