"""Change workflows: on requests of users, on reports of MQS about their queues, and when work is due.

    users     submit_workflow  deactivate_workflow  add_workers  change_ending     from the gateway
    MQS       record_queues_answer                                                from its events
    WMS       wake_workflow                                                       from the timers

Each call loads, decides and records, in one transaction of the kernel. `TaskforceControl` takes the reports of TMSs,
and launches taskforces.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from runtime.clock import stored_now
from runtime.kernel.decision import Change, Decision, Document
from runtime.kernel.store import Transaction
from runtime.once import Once
from runtime.tracing import current_traceparent
from schemas.api.workflows.requests import WorkflowRequest
from schemas.errors import NotFound
from schemas.events import QueuesActivated, ResultsArrived
from schemas.fleet.documents import TASK_DIRECTIVES, TASKFORCES, TaskDirectiveDocument, TaskforceDocument
from schemas.fleet.phases import Deactivated
from schemas.ids import TaskId, WorkflowId
from schemas.rules.limits import MAX_TASK_QUEUES
from wms.audit.audit_log import AuditLog
from wms.fleet import repository
from wms.fleet.choices.fleet_settings import Quota
from wms.fleet.choices.locations import UnknownLocation
from wms.fleet.choices.pilot_images import PilotImages
from wms.fleet.id_source import IdSource
from wms.fleet.life.aggregate import Aggregate, FleetDecision
from wms.fleet.life.lifecycle import decide_stimulus, no_such_active_workflow
from wms.fleet.life.sealed_texts import SealedTexts, hide_texts, refuse_polling_locations
from wms.fleet.life.stimuli import (
    AddWorkers,
    CloseInputs,
    Deactivate,
    ExpectResults,
    QueueReport,
    Woken,
)
from wms.fleet.life.workflow_acts import UserAct, describe_act, describe_request
from wms.fleet.life.workflow_requests import NewWorkflow, make_workflow
from wms.fleet.ownership import Access, Owner
from wms.fleet.quota_check import QuotaCheck
from wms.fleet.transactions import FleetTransactions, find_workflow_id

#: Returns further changes to store with a new workflow. It may run several times.
ChangesWithWorkflow = Callable[[Transaction, WorkflowId], Awaitable[tuple[Change, ...]]]


@dataclass(frozen=True, slots=True)
class SubmittedWorkflow:
    """The answer to a request for a workflow: the contract's object, and a hint why the workflow cannot do its work.

    The hint is "" if the workflow can do its work.
    """

    answer: Document
    hint: str


class Fleet:
    """Changes the workflows of one store."""

    def __init__(
        self,
        transactions: FleetTransactions,
        *,
        images: PilotImages,
        max_queues: int = MAX_TASK_QUEUES,
        quota: Quota | None = None,
    ) -> None:
        """If `quota` is None, a user for whom operators have set nothing may have any number of workflows."""
        self._transactions = transactions
        self._audit = AuditLog(transactions.store)
        self._locations = transactions.policy.locations
        self._images = images
        self._max_queues = max_queues
        self._quotas = QuotaCheck(transactions.store, quota or Quota(), transactions.read_settings)

    @property
    def location_names(self) -> Mapping[str, str]:
        """Return all locations' names as keys. The value for an alias is the name of its location, for others ""."""
        return self._locations.alias_targets

    @property
    def max_queues(self) -> int:
        """Return how many queues one task may have at most."""
        return self._max_queues

    async def submit_workflow(
        self,
        request: WorkflowRequest,
        owner: Owner,
        once: Once | None = None,
        *,
        also: ChangesWithWorkflow | None = None,
        for_run: bool = False,
        sealed: Mapping[int, SealedTexts] | None = None,
    ) -> SubmittedWorkflow:
        """Make a workflow for `owner`. Return the contract's answer with the workflow, its tasks and its taskforces.

        If `once` was used for the same request before, make nothing, and return the first answer. The changes that
        `also` returns are stored in the same transaction as the workflow. If `also` raises, no workflow is made. What a
        run requests (`for_run`) makes no row of the audit log, as the start of the run has one. `sealed` has the texts
        of tasks that documents may not have in clear, by the places of the tasks.

        Raises:
            Rejected: the request breaks a rule.
            Conflict: `once` was used for another request.
            OverQuota: the owner, or an organization of the owner, has as many workflows as it may have.
        """
        tags = await self._images.list_tags()
        now = stored_now()
        new = make_workflow(
            request,
            owner=owner,
            locations=self._locations,
            tags=tags,
            mint=IdSource(os.urandom(32), now),
            now=now,
            max_queues=self._max_queues,
            traceparent=current_traceparent() or "",
        )
        new = hide_texts(new, sealed or {})
        refuse_polling_locations(new, self._locations)
        decision = repository.make_creation(new)

        async def step(tx: Transaction) -> Decision:
            # Check the quota here, not earlier: a repeated request gets its first answer, even if the quota is used up.
            _, rows = await asyncio.gather(
                self._quotas.check_new(owner),
                self._audit.make_inserts(owner.subject, [] if for_run else [describe_request(new)]),
            )
            more = () if also is None else await also(tx, new.workflow.workflow_id)
            return replace(decision, changes=(*decision.changes, *more, *rows))

        answer = (await self._transactions.run_step(step, once)).answer
        hints = [new.hint, self._describe_drained(new)]
        return SubmittedWorkflow(answer, "; ".join(hint for hint in hints if hint))

    def _describe_drained(self, new: NewWorkflow) -> str:
        """Return which locations of a new workflow operators have drained, as a sentence. Return "" if none."""
        settings = self._transactions.read_settings()
        schedds = sorted({taskforce.schedd for taskforce in new.taskforces})
        drains = [drain.sentence for schedd in schedds if (drain := settings.find_drain(schedd)) is not None]
        return f"no workers start for now where {' and '.join(drains)}" if drains else ""

    async def find_submitted(self, once: Once) -> WorkflowId | None:
        """Return the workflow that `submit_workflow` made for `once`; None: it has made none."""
        repeated = await self._transactions.store.find_repeated(once.inbox_id, once.digest)
        return None if repeated is None else WorkflowId(repeated.answer["workflow"]["workflow_id"])

    async def deactivate_workflow(
        self,
        workflow_id: WorkflowId,
        label: Deactivated,
        caller: Access,
        once: Once | None = None,
        *,
        for_run: bool = False,
    ) -> int:
        """End a workflow. Return how many taskforces this stops. `for_run`: as `submit_workflow`.

        Raises:
            NotFound: the workflow is unknown, not the caller's, or deactivated already.
        """

        async def step(tx: Transaction) -> Decision:
            before = await repository.load_aggregate(tx, workflow_id)
            if before is None or not caller.may_see(before.workflow.owner, before.workflow.projects):
                raise no_such_active_workflow(workflow_id)
            act = Deactivate(label)
            outcome = decide_stimulus(self._transactions.make_draft(before), act)
            return await self._make_decision(before, outcome, act, None if for_run else caller)

        n_taskforces: int = (await self._transactions.take_turn(workflow_id, step, once)).answer
        return n_taskforces

    async def end_if_open(self, workflow_id: WorkflowId, label: Deactivated, owner: str) -> None:
        """End a workflow that a run of `owner` has requested, unless it has ended already."""
        with suppress(NotFound):
            await self.deactivate_workflow(workflow_id, label, Access(owner), for_run=True)

    async def _make_decision(
        self, before: Aggregate, outcome: FleetDecision, act: UserAct, caller: Access | None
    ) -> Decision:
        """Return what to commit for `outcome`, with the row of the caller's act. None: a run acts, so no row."""
        decision = self._transactions.make_decision(before, outcome)
        if caller is None or not decision.changes:
            return decision
        facts = describe_act(before.workflow, act, outcome.answer)
        rows = await self._audit.make_inserts(caller.subject, [facts])
        return replace(decision, changes=(*decision.changes, *rows))

    async def add_workers(
        self,
        task_id: TaskId,
        *,
        cluster_location: str,
        n_workers: int | None,
        caller: Access,
        once: Once | None = None,
    ) -> Document:
        """Add a taskforce to a task, and return the taskforce.

        Raises:
            UnknownLocation: there is no such location, or the caller may see nothing at its schedd.
            NotFound: there is no such task, or it is not the caller's.
            Unprocessable: the task's workflow is deactivated.
        """
        location = self._locations.find_location(cluster_location)
        if not caller.may_see_at(location.schedd):
            raise UnknownLocation(cluster_location)

        async def step(tx: Transaction) -> Decision:
            raw = await tx.find_one(TASK_DIRECTIVES, {"_id": task_id})
            task = TaskDirectiveDocument.model_validate(raw) if raw is not None else None
            if task is None or not caller.may_see(task.owner, task.projects):
                raise NotFound(f"no task found with id: {task_id}")
            before = await repository.load_aggregate(tx, task.workflow_id)
            if before is None:
                raise NotFound(f"no task found with id: {task_id}")
            draft = self._transactions.make_draft(before)
            stimulus = AddWorkers(
                task=task,
                location=location,
                n_workers=n_workers,
                by=caller.role_name,
                mint=IdSource(os.urandom(32), draft.now),
                traceparent=current_traceparent() or "",
            )
            outcome = decide_stimulus(draft, stimulus)
            added: TaskforceDocument = outcome.answer
            decision = await self._make_decision(before, outcome, stimulus, caller)
            return replace(decision, answer=repository.select_public(TASKFORCES, added.model_dump(mode="json")))

        taskforce: Document = (await self._transactions.take_turn(find_workflow_id(task_id), step, once)).answer
        return taskforce

    async def change_ending(
        self,
        workflow_id: WorkflowId,
        wish: CloseInputs | ExpectResults,
        caller: Access,
        once: Once | None = None,
        *,
        for_run: bool = False,
    ) -> Document:
        """Record `wish`, which says when the workflow ends by itself. Return the workflow's `Ending`. `for_run`: as
        `submit_workflow`.

        Raises:
            NotFound: the workflow is unknown, or not the caller's.
            Conflict, Unprocessable: the workflow cannot end in this way.
        """

        async def step(tx: Transaction) -> Decision:
            before = await repository.load_aggregate(tx, workflow_id, with_tasks=True)
            if before is None or not caller.may_see(before.workflow.owner, before.workflow.projects):
                raise NotFound(f"no workflow found with id: {workflow_id}")
            outcome = decide_stimulus(self._transactions.make_draft(before), wish)
            decision = await self._make_decision(before, outcome, wish, None if for_run else caller)
            return replace(decision, answer=outcome.answer.model_dump(mode="json"))

        ending: Document = (await self._transactions.take_turn(workflow_id, step, once)).answer
        return ending

    async def record_queues_answer(self, answer: QueueReport, once: Once) -> None:
        """Record a report of MQS about a workflow's queues."""
        await self._transactions.apply_stimulus(
            answer.workflow_id, answer, once, with_tasks=isinstance(answer, QueuesActivated | ResultsArrived)
        )

    async def wake_workflow(self, workflow_id: WorkflowId) -> None:
        """Do the work of a workflow that is due now."""
        await self._transactions.apply_stimulus(workflow_id, Woken(), with_tasks=True)
