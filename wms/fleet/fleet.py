"""The one place through which workflows change: load, decide, record.

    users     submit_workflow  deactivate_workflow  add_workers  change_ending     from the gateway
    MQS       record_queues_answer                                                from its events
    TMS       record_report        record_confirmation                            from its events, or over REST
    WMS       launch_taskforce     wake_workflow                                  from the launcher and the timers

Each call is one transaction of the kernel. The relay sends what was committed, and the store tells those that watch its
commits (launcher, timers).
"""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from runtime.clock import utc_now
from runtime.kernel.decision import Decision, Document, Repeated
from runtime.kernel.store import Store, Transaction
from runtime.telemetry import log
from runtime.turns import Turns
from schemas.api.workflows import WorkflowRequest
from schemas.documents import TASK_DIRECTIVES, TASKFORCES, WORKFLOWS, TaskDirectiveDocument, TaskforceDocument
from schemas.errors import NotFound, OverQuota, Rejected
from schemas.events import OrderToTms, Payload, QueuesActivated, ResultsArrived, TaskforceSubmitted
from schemas.ids import TaskforceUuid, TaskId, WorkflowId, workflow_of
from schemas.phases import Deactivated
from schemas.rules.limits import MAX_TASK_QUEUES
from schemas.topology import tms_service
from wms.fleet import repository
from wms.fleet.id_source import IdSource
from wms.fleet.life import tms_reports
from wms.fleet.life.aggregate import Aggregate, Draft, FleetDecision
from wms.fleet.life.conditions import UNORDERED_STOP
from wms.fleet.life.lifecycle import (
    decide_stimulus,
    end_orphaned_queues,
    find_newly_ready,
    no_such_active_workflow,
    start_at_once,
)
from wms.fleet.life.stimuli import (
    AddWorkers,
    CloseInputs,
    Deactivate,
    ExpectResults,
    Launch,
    QueueReport,
    Report,
    Stimulus,
    Woken,
)
from wms.fleet.life.workflow_requests import make_workflow
from wms.fleet.locations import UnknownLocation
from wms.fleet.ownership import Access, Owner
from wms.fleet.pilot_images import PilotImages
from wms.fleet.policy import FleetPolicy
from wms.fleet.start_queries import count_free_at_once


@dataclass(frozen=True, slots=True)
class Once:
    """The identity of a stimulus, which takes effect only once. `digest` reveals a mistaken reuse of the id."""

    inbox_id: str
    digest: str | None = None


def _read_clock() -> datetime:
    # MongoDB keeps milliseconds. An answer that we give before we read the document back must show the same instant.
    now = utc_now()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


@dataclass(frozen=True, slots=True)
class Quota:
    """How many workflows one user may have; 0 means any number."""

    #: How many that are not over.
    max_workflows: int = 0
    #: How many that wait for their queues. MQS creates queues in the order of the requests, so one user's many
    #: workflows delay those of others.
    max_waiting: int = 0


class Fleet:
    """The workflows of one store."""

    def __init__(
        self,
        store: Store,
        *,
        policy: FleetPolicy,
        images: PilotImages,
        max_queues: int = MAX_TASK_QUEUES,
        quota: Quota | None = None,
    ) -> None:
        """Without a `quota` a user may have any number of workflows."""
        self.policy = policy
        self._store = store
        self._clusters = policy.locations
        self._images = images
        self._max_queues = max_queues
        self._quota = quota or Quota()
        self._turns = Turns()

    @property
    def cluster_names(self) -> tuple[str, ...]:
        """Return the names of all cluster locations."""
        return tuple(self._clusters)

    @property
    def max_queues(self) -> int:
        """Return how many queues one task may have."""
        return self._max_queues

    async def submit_workflow(self, request: WorkflowRequest, owner: Owner, once: Once | None = None) -> Document:
        """Make a workflow; return the contract's answer.

        Raises:
            Rejected: the request makes no sense.
            Conflict: `once` was used for another request.
            OverQuota: the owner has as many workflows under way, or waiting, as one user may have.
        """
        tags = await self._images.list_tags()
        now = _read_clock()
        new = make_workflow(
            request,
            owner=owner,
            clusters=self._clusters,
            tags=tags,
            mint=IdSource(os.urandom(32), now),
            now=now,
            max_queues=self._max_queues,
        )
        decision = repository.make_creation(new)

        async def step(_: Transaction) -> Decision:
            # Check the quota here, not earlier: a repeated request gets its first answer, whatever has come since.
            await self._check_quota(owner)
            return decision

        answer: Document = (await self._run_transaction(step, once)).answer
        return answer

    async def _check_quota(self, owner: Owner) -> None:
        # These counts are outside the transaction: of two requests at once, both may pass as the last one allowed.
        mine = {"owner": owner.subject}
        n_waiting, n_all = self._quota.max_waiting, self._quota.max_workflows
        if n_waiting and await self._store.count(WORKFLOWS, {**mine, **repository.WAITING}) >= n_waiting:
            raise OverQuota(
                f"{n_waiting} of your workflows wait for their queues, the most that may",
                hint="come again when some of them are active",
                retry_after_s=2,
            )
        if n_all and await self._store.count(WORKFLOWS, {**mine, **repository.UNFINISHED}) >= n_all:
            raise OverQuota(
                f"you have {n_all} workflows that are not over, the most that one user may have",
                hint="end workflows that you no longer need, and come again once their workers are gone",
                retry_after_s=60,
            )

    async def deactivate_workflow(
        self, workflow_id: WorkflowId, label: Deactivated, caller: Access, once: Once | None = None
    ) -> int:
        """End a workflow; return how many taskforces this stops.

        Raises:
            NotFound: the workflow is unknown, not the caller's, or deactivated already.
        """

        async def step(tx: Transaction) -> Decision:
            before = await repository.load_aggregate(tx, workflow_id)
            if before is None or not caller.may_see(before.workflow.owner, before.workflow.projects):
                raise no_such_active_workflow(workflow_id)
            return self._make_decision(before, decide_stimulus(self._make_draft(before), Deactivate(label)))

        async with self._turns.hold_turn(workflow_id):
            n_taskforces: int = (await self._run_transaction(step, once)).answer
            return n_taskforces

    async def add_workers(
        self,
        task_id: TaskId,
        *,
        cluster_location: str,
        n_workers: int | None,
        caller: Access,
        once: Once | None = None,
    ) -> Document:
        """Add a taskforce to a task; return it.

        Raises:
            UnknownCluster: there is no such location, or its schedd is not within the caller's reach.
            NotFound: there is no such task, or it is not the caller's.
            Unprocessable: its workflow is deactivated.
        """
        cluster = self._clusters.find_location(cluster_location)
        if not caller.may_see_at(cluster.schedd):
            raise UnknownLocation(cluster_location)

        async def step(tx: Transaction) -> Decision:
            raw = await tx.find_one(TASK_DIRECTIVES, {"_id": task_id})
            task = TaskDirectiveDocument.model_validate(raw) if raw is not None else None
            if task is None or not caller.may_see(task.owner, task.projects):
                raise NotFound(f"no task found with id: {task_id}")
            before = await repository.load_aggregate(tx, task.workflow_id)
            if before is None:
                raise NotFound(f"no task found with id: {task_id}")
            draft = self._make_draft(before)
            stimulus = AddWorkers(
                task=task,
                cluster=cluster,
                n_workers=n_workers,
                by=caller.role_name,
                mint=IdSource(os.urandom(32), draft.now),
            )
            outcome = decide_stimulus(draft, stimulus)
            added: TaskforceDocument = outcome.answer
            answer = repository.select_public(TASKFORCES, added.model_dump(mode="json"))
            return self._make_decision(before, replace(outcome, answer=answer))

        async with self._turns.hold_turn(_find_workflow_key(task_id)):
            taskforce: Document = (await self._run_transaction(step, once)).answer
            return taskforce

    async def change_ending(
        self, workflow_id: WorkflowId, wish: CloseInputs | ExpectResults, caller: Access, once: Once | None = None
    ) -> Document:
        """Let a workflow end by itself as `wish` says; return its `Ending`.

        Raises:
            NotFound: the workflow is unknown, or not the caller's.
            Conflict, Unprocessable: it cannot end in this way.
        """

        async def step(tx: Transaction) -> Decision:
            before = await repository.load_aggregate(tx, workflow_id, with_tasks=True)
            if before is None or not caller.may_see(before.workflow.owner, before.workflow.projects):
                raise NotFound(f"no workflow found with id: {workflow_id}")
            outcome = decide_stimulus(self._make_draft(before), wish)
            return self._make_decision(before, replace(outcome, answer=outcome.answer.model_dump(mode="json")))

        async with self._turns.hold_turn(workflow_id):
            ending: Document = (await self._run_transaction(step, once)).answer
            return ending

    async def record_queues_answer(self, answer: QueueReport, once: Once) -> None:
        """Record what MQS reports about a workflow's queues."""
        await self._apply_stimulus(
            answer.workflow_id, answer, once, with_tasks=isinstance(answer, QueuesActivated | ResultsArrived)
        )

    async def record_report(self, report: Report, sender: str, once: Once) -> None:
        """Record what a TMS, the `sender`, reports about a taskforce.

        Raises:
            Rejected: the taskforce is at a schedd for which another TMS speaks.
        """
        uuid = report.taskforce_uuid

        async def step(tx: Transaction) -> Decision:
            before = await repository.load_for_taskforce(tx, uuid)
            for schedd in _find_schedds(before, report):
                if sender != tms_service(schedd):
                    raise Rejected(f"{sender or 'a nameless sender'} may not speak of taskforces at {schedd}")
            if before is not None and not self.policy.find_port(before.taskforces[uuid]).takes_orders:
                log.warning(
                    "report by events from a TMS that is served by REST", taskforce_uuid=uuid, report=report.TYPE
                )
                return Decision()
            if before is None:
                log.warning("report of an unknown taskforce", taskforce_uuid=uuid, report=report.TYPE)
                return Decision(events=self._drop_unheard(tms_reports.remove_orphaned_cluster(report)))
            return self._make_decision(before, decide_stimulus(self._make_draft(before), report))

        async with self._turns.hold_turn(_find_workflow_key(uuid)):
            await self._run_transaction(step, once)

    async def record_confirmation(
        self,
        uuid: TaskforceUuid,
        report: Callable[[TaskforceDocument], Report],
        *,
        schedds: frozenset[str] | None,
        once: Once | None = None,
    ) -> bool:
        """Record what a TMS reports over REST about a taskforce at one of `schedds` (None: any).

        Return False if WMS does not accept the report, since the taskforce is not in the phase for it.

        Raises:
            NotFound: there is no such taskforce, or events serve its TMS.
        """

        async def step(tx: Transaction) -> Decision:
            before = await repository.load_for_taskforce(tx, uuid)
            taskforce = before.taskforces[uuid] if before is not None else None
            if before is None or taskforce is None or (schedds is not None and taskforce.schedd not in schedds):
                raise no_such_taskforce(uuid)
            if self.policy.find_port(taskforce).takes_orders:
                raise no_such_taskforce(uuid, hint=f"schedd {taskforce.schedd} is served by events")
            outcome = decide_stimulus(self._make_draft(before), report(taskforce))
            return self._make_decision(before, replace(outcome, answer=outcome.answer is not False))

        async with self._turns.hold_turn(_find_workflow_key(uuid)):
            accepted: bool = (await self._run_transaction(step, once)).answer
            return accepted

    async def launch_taskforce(self, uuid: TaskforceUuid) -> bool:
        """Start a taskforce if it still waits only for its turn. Return whether it did."""

        async def step(tx: Transaction) -> Decision:
            before = await repository.load_for_taskforce(tx, uuid, with_task=True)
            if before is None:
                return Decision()
            return self._make_decision(before, decide_stimulus(self._make_draft(before), Launch(uuid)))

        async with self._turns.hold_turn(_find_workflow_key(uuid)):
            decision = await self._run_transaction(step, None)
        return isinstance(decision, Decision) and bool(decision.changes)

    async def order_left_removals(self) -> None:
        """Order the removals that still wait for a TMS to poll for them, although events serve that TMS by now."""
        waiting = await self._store.find(
            TASKFORCES,
            {
                "schedd": {"$nin": sorted(self._clusters.polling_schedds)},
                **UNORDERED_STOP,
            },
            projection={"workflow_id": 1},
        )
        for workflow_id in sorted({taskforce["workflow_id"] for taskforce in waiting}):
            await self.wake_workflow(WorkflowId(workflow_id))

    async def wake_workflow(self, workflow_id: WorkflowId) -> None:
        """Do what is due for a workflow now."""
        await self._apply_stimulus(workflow_id, Woken(), None, with_tasks=True)

    async def _apply_stimulus(
        self, workflow_id: WorkflowId, stimulus: Stimulus, once: Once | None, *, with_tasks: bool = False
    ) -> None:
        async def step(tx: Transaction) -> Decision:
            before = await repository.load_aggregate(tx, workflow_id, with_tasks=with_tasks)
            if before is None:
                log.warning(
                    "stimulus for an unknown workflow", workflow_id=workflow_id, stimulus=type(stimulus).__name__
                )
                return Decision(events=end_orphaned_queues(stimulus))
            draft = self._make_draft(before)
            outcome = decide_stimulus(draft, stimulus)
            return self._make_decision(before, await self._start_ready(tx, draft, outcome))

        async with self._turns.hold_turn(workflow_id):
            await self._run_transaction(step, once)

    async def _start_ready(self, tx: Transaction, draft: Draft, outcome: FleetDecision) -> FleetDecision:
        """Return `outcome` with the starts of the taskforces that it makes ready, where no other one waits."""
        schedds = {taskforce.schedd for taskforce in find_newly_ready(draft.before, outcome)}
        n_free = {
            schedd: await count_free_at_once(tx, schedd, draft.now, self._clusters.find_port(schedd))
            for schedd in sorted(schedds)
        }
        return start_at_once(draft, outcome, n_free)

    def _make_draft(self, before: Aggregate) -> Draft:
        return Draft(before, self.policy, _read_clock())

    def _make_decision(self, before: Aggregate, outcome: FleetDecision) -> Decision:
        return Decision(
            changes=repository.find_changes(before, outcome.after),
            events=(*self._drop_unheard(outcome.events), *outcome.facts),
            answer=outcome.answer,
        )

    def _drop_unheard(self, events: tuple[Payload, ...]) -> tuple[Payload, ...]:
        """Return `events` without the orders to TMSs that take none: those poll for their work."""
        return tuple(
            event
            for event in events
            if not isinstance(event, OrderToTms) or self._clusters.find_port(event.schedd).takes_orders
        )

    async def _run_transaction(
        self, step: Callable[[Transaction], Awaitable[Decision]], once: Once | None
    ) -> Decision | Repeated:
        if once is None:
            return await self._store.transact(step)
        return await self._store.transact(step, inbox_id=once.inbox_id, digest=once.digest)


def _find_schedds(aggregate: Aggregate | None, report: Report) -> list[str]:
    """Return the schedds of the taskforce of `report`: the one in its document, and the one that the report names."""
    known = [aggregate.taskforces[report.taskforce_uuid].schedd] if aggregate is not None else []
    return [*known, report.schedd] if isinstance(report, TaskforceSubmitted) else known


def no_such_taskforce(uuid: str, *, hint: str = "") -> NotFound:
    """Return the error about a taskforce that is unknown, or not the caller's."""
    return NotFound(f"no taskforce found with uuid: {uuid}", hint=hint)


def _find_workflow_key(child: TaskforceUuid | TaskId) -> str:
    try:
        return workflow_of(child)
    except ValueError:
        # This is not one of our ids, so it belongs to no workflow, and any key will do.
        return child
