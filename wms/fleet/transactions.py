"""Carry out a decision about a workflow: load, decide and record in one transaction. There is no other way.

The relay sends what was committed, and the store informs those that watch its commits (launcher, timers). Only one
decision about a workflow is made at a time.
"""

from collections.abc import Awaitable, Callable

from runtime.clock import stored_now
from runtime.concurrency.turns import Turns
from runtime.kernel.decision import Decision, Repeated
from runtime.kernel.store import Store, Transaction
from runtime.once import Once
from runtime.telemetry import log
from schemas.events import OrderToTms, Payload
from schemas.ids import TaskforceUuid, TaskId, WorkflowId, workflow_of
from wms.fleet import repository
from wms.fleet.choices.fleet_settings import FleetSettings, ReadSettings
from wms.fleet.choices.policy import FleetPolicy
from wms.fleet.life.aggregate import Aggregate, Draft, FleetDecision
from wms.fleet.life.lifecycle import decide_stimulus, end_orphaned_queues, find_newly_ready, start_at_once
from wms.fleet.life.stimuli import Stimulus
from wms.fleet.start_queries import count_free_at_once

#: Loads what a decision needs within a transaction, and decides.
Step = Callable[[Transaction], Awaitable[Decision]]


class FleetTransactions:
    """Carries out the decisions about the workflows of one store, under one policy and what operators have set."""

    def __init__(self, store: Store, policy: FleetPolicy, read_settings: ReadSettings = FleetSettings) -> None:
        self.store = store
        self.policy = policy
        self.read_settings = read_settings
        self._turns = Turns()

    async def run_step(self, step: Step, once: Once | None = None) -> Decision | Repeated:
        """Run `step` in one transaction, and return its decision.

        If `once` was used for the same request before, change nothing, and return the first answer as `Repeated`.

        Raises:
            Conflict: `once` was used for another request.
            Rejected, Unavailable, Broken: as `Store.transact`; and what `step` raises.
        """
        if once is None:
            return await self.store.transact(step)
        return await self.store.transact(step, once=once)

    async def take_turn(self, workflow_id: WorkflowId, step: Step, once: Once | None = None) -> Decision | Repeated:
        """Run `step` in one transaction, when no other decision about the workflow is under way. See `run_step`."""
        async with self._turns.hold_turn(workflow_id):
            return await self.run_step(step, once)

    async def apply_stimulus(
        self, workflow_id: WorkflowId, stimulus: Stimulus, once: Once | None = None, *, with_tasks: bool = False
    ) -> None:
        """Decide about a whole workflow, and start the taskforces that become ready. If `with_tasks`, load its tasks
        too.

        If there is no such workflow, only send the order to delete its queues.

        Raises:
            NotFound, Unprocessable, Conflict: a user's request is no longer possible.
            Unavailable: the database is away.
        """

        async def step(tx: Transaction) -> Decision:
            before = await repository.load_aggregate(tx, workflow_id, with_tasks=with_tasks)
            if before is None:
                log.warning(
                    "stimulus for an unknown workflow", workflow_id=workflow_id, stimulus=type(stimulus).__name__
                )
                return Decision(events=end_orphaned_queues(stimulus))
            draft = self.make_draft(before)
            outcome = decide_stimulus(draft, stimulus)
            return self.make_decision(before, await self._start_ready(tx, draft, outcome))

        await self.take_turn(workflow_id, step, once)

    async def _start_ready(self, tx: Transaction, draft: Draft, outcome: FleetDecision) -> FleetDecision:
        """Return `outcome` with starts of the taskforces that it makes ready, at schedds where no other taskforce
        waits.
        """
        ready = {taskforce.schedd for taskforce in find_newly_ready(draft.before, outcome)}
        settings = self.read_settings()
        schedds = [schedd for schedd in sorted(ready) if settings.find_drain(schedd) is None]
        n_free = {
            schedd: await count_free_at_once(tx, schedd, draft.now, self.policy.locations.find_port(schedd))
            for schedd in schedds
        }
        return start_at_once(draft, outcome, n_free)

    def decide_change(self, before: Aggregate, stimulus: Stimulus) -> Decision:
        """Return the decision to commit: the effect of `stimulus` on `before` now.

        Raises:
            NotFound, Unprocessable, Conflict: a user's request is no longer possible.
        """
        return self.make_decision(before, decide_stimulus(self.make_draft(before), stimulus))

    def make_draft(self, before: Aggregate) -> Draft:
        """Return a draft of `before` for a decision now."""
        return Draft(before, self.policy, stored_now())

    def make_decision(self, before: Aggregate, outcome: FleetDecision) -> Decision:
        """Return the changes and events that turn `before` into the aggregate of `outcome`."""
        return Decision(
            changes=repository.find_changes(before, outcome.after),
            events=(*self.drop_unwanted_orders(outcome.events), *outcome.facts),
            answer=outcome.answer,
        )

    def drop_unwanted_orders(self, events: tuple[Payload, ...]) -> tuple[Payload, ...]:
        """Return `events` without the orders to TMSs that poll for their work, because these take no orders."""
        return tuple(
            event
            for event in events
            if not isinstance(event, OrderToTms) or self.policy.locations.find_port(event.schedd).takes_orders
        )


def find_workflow_id(child: TaskforceUuid | TaskId) -> WorkflowId:
    """Return the id of the workflow of `child`. If `child` is no id of ours, return `child` itself."""
    try:
        return workflow_of(child)
    except ValueError:
        return WorkflowId(child)
