"""Carry each open work on: publish its hosts, take in its outcomes, and end its node.

    queues active ──► feed ──► inputs closed ──► all hosts have ended ──► node over, workflow finished
                                     └──► nothing can come any more ──► the other hosts are `error` ──► node over

Everything that is read here is stored, so several WMS may carry one work on, and a WMS that is new goes on where
another one died.
"""

import asyncio
from contextlib import suppress

from runtime.failpoints import failpoint
from runtime.kernel.decision import Insert, Update
from runtime.kernel.store import Committed
from runtime.loops import BackgroundLoop
from runtime.telemetry import log
from schemas.documents import (
    TASK_DIRECTIVES,
    TASKFORCES,
    WORKFLOWS,
    TaskDirectiveDocument,
    TaskforceDocument,
    WorkflowDocument,
)
from schemas.errors import Conflict, EWMSError, NotFound
from schemas.ids import TaskId, WorkflowId
from schemas.jobs import JobDocument, JobWorkDocument
from schemas.phases import Deactivated
from schemas.runs import NODE_OVER, NodeState, NodeStatus, WantKind
from wms.engine.engine import Engine
from wms.engine.life.stimuli import ChildEnded
from wms.engine.workflow_queues import WorkflowQueues
from wms.fleet.fleet import Fleet
from wms.fleet.life.stimuli import CloseInputs
from wms.fleet.ownership import Access
from wms.joblogs.job_logs import JobLogs
from wms.jobs.plans.fleet_requests import gets_inventory, number_tasks
from wms.jobs.plans.host_choice import HostFacts
from wms.jobs.plans.judging import judge_node
from wms.jobs.plans.work_progress import (
    explain_lost_workers,
    find_last_states,
    find_missing,
    make_error_result,
)
from wms.jobs.stored.job_store import JobStore
from wms.jobs.stored.work_store import WorkStore
from wms.jobs.work.work_feed import WorkFeed
from wms.jobs.work.work_intake import WorkIntake

_SWEEP_S = 5.0
_REST_S = 0.1
#: After a workflow is over, outcomes may come for so long (seconds) after the last one.
_QUIET_S = 3.0
#: A consumer begins again after so long (seconds), with a fresh token.
_RENEW_S = 600.0
#: After a work is over, its logs are taken in until nothing has come for so long, but at most for so many looks.
_LAST_QUIET_S, _LAST_PAUSE_S, _LAST_LOOKS = 2.5, 0.5, 60


class WorkWatch:
    """Carries on the open works of one database."""

    def __init__(
        self,
        engine: Engine,
        fleet: Fleet,
        *,
        queues: WorkflowQueues,
        jobs: JobStore,
        works: WorkStore,
        logs: JobLogs,
    ) -> None:
        self._logs = logs
        self._engine = engine
        self._fleet = fleet
        self._queues = queues
        self._jobs = jobs
        self._works = works
        self._feed = WorkFeed(jobs, works, queues)
        self._intakes: dict[WorkflowId, WorkIntake] = {}
        #: The works that have news; None: look at all.
        self._soon: set[WorkflowId] | None = None
        self._open: set[WorkflowId] = set()
        self._sweeps_at_s = 0.0
        self._loop = BackgroundLoop(
            self._follow_works, name="jobs", failed="jobs wait", every_s=_SWEEP_S, rest_s=_REST_S
        )

    def start(self) -> None:
        """Begin to carry works on, those of an earlier process first."""
        self._jobs.store.on_commit.append(self._on_commit)
        self._loop.start()

    async def stop(self) -> None:
        """Stop. Works under way go on when a WMS starts again."""
        self._jobs.store.on_commit.remove(self._on_commit)
        await self._loop.stop()
        for intake in self._intakes.values():
            await intake.stop()

    def look_soon(self, workflow_id: WorkflowId) -> None:
        """Look at the work of a workflow soon."""
        self._open.add(workflow_id)
        if self._soon is not None:
            self._soon.add(workflow_id)
        self._loop.wake()

    def _on_commit(self, committed: Committed) -> None:
        for change in committed.changes:
            if isinstance(change, Insert):
                continue
            if isinstance(change, Update) and change.collection == WORKFLOWS and change.id in self._open:
                self.look_soon(change.id)

    async def _follow_works(self) -> None:
        """Look at the works that have news, and at all of them when it is time."""
        soon, self._soon = self._soon, set()
        now_s = asyncio.get_running_loop().time()
        if soon is not None and now_s < self._sweeps_at_s:
            found = [await self._works.find_work(workflow_id) for workflow_id in sorted(soon)]
            works = [work for work in found if work is not None and not work.is_over]
        else:
            works = await self._works.list_open()
            self._open |= {work.id for work in works}
            self._sweeps_at_s = now_s + _SWEEP_S
        for work in works:
            try:
                await self._follow_work(work)
            except Conflict as error:
                log.info("nothing left to do for a work", workflow_id=work.id, reason=error.reason)
            except EWMSError as error:
                log.warning("a work waits", workflow_id=work.id, reason=error.reason)

    async def _follow_work(self, work: JobWorkDocument) -> None:
        job = await self._jobs.find_job(work.job)
        state, is_canceling = await self._find_node(work)
        if job is None or state is None or state.status in NODE_OVER or state.attempt != work.attempt:
            await self._leave_work(work)
            return
        if state.workflow_id != work.id:
            return  # the engine does not know yet that the node has started
        raw = await self._jobs.store.find_one(WORKFLOWS, {"_id": work.id})
        workflow = None if raw is None else WorkflowDocument.model_validate(raw)
        if workflow is not None and workflow.queues_active_at is not None:
            await self._keep_intake(job, work, workflow)
            if workflow.deactivated is None and workflow.inputs_closed_at is None and not is_canceling:
                await self._feed_work(job, work)
        await self._judge_work(job, work, workflow, state, is_canceling=is_canceling)

    async def _find_node(self, work: JobWorkDocument) -> tuple[NodeState | None, bool]:
        """Return the node of a work, and whether its run is being canceled."""
        try:
            run = (await self._engine.load_run(work.run)).run
        except NotFound:
            return None, False
        number, want = run.find_node(work.node), run.facts.want
        state = None if number is None else run.nodes[number]
        return state, want is not None and want.kind is WantKind.CANCEL

    async def _feed_work(self, job: JobDocument, work: JobWorkDocument) -> None:
        if await self._feed.feed_work(job, work):
            await self._fleet.change_ending(work.id, CloseInputs(), Access(work.owner))

    async def _keep_intake(self, job: JobDocument, work: JobWorkDocument, workflow: WorkflowDocument) -> None:
        """See that the outcomes of a work are taken in, with a token that is valid."""
        intake = self._intakes.get(work.id)
        if intake is not None and intake.outcomes.age_s < _RENEW_S:
            return
        if intake is not None:
            del self._intakes[work.id]
            await intake.stop()
        fresh = WorkIntake(
            work,
            await self._number_tasks(work, workflow),
            self._jobs,
            self._logs,
            gets_inventory=gets_inventory(job.tasks[work.first : work.last + 1]),
            on_news=lambda: self.look_soon(work.id),
        )
        try:
            await fresh.start(self._queues)
        except NotFound:
            return  # the queue is gone
        self._intakes[work.id] = fresh

    async def _number_tasks(self, work: JobWorkDocument, workflow: WorkflowDocument) -> dict[TaskId, int]:
        found = await self._jobs.store.find(TASK_DIRECTIVES, {"workflow_id": work.id})
        return number_tasks(work, workflow, [TaskDirectiveDocument.model_validate(each) for each in found])

    async def _judge_work(
        self,
        job: JobDocument,
        work: JobWorkDocument,
        workflow: WorkflowDocument | None,
        state: NodeState,
        *,
        is_canceling: bool,
    ) -> None:
        """End the node of a work if all of its hosts have ended, or if nothing can come any more."""
        hosts = await self._list_hosts(work)
        missing = find_missing(hosts, work.first, work.last)
        if is_canceling:
            if workflow is not None and (workflow.over_at is None or not self._is_quiet(work)):
                return
        elif missing:
            reason = await self._explain_silence(work, workflow)
            if not reason:
                return
            results = [(each.host, each.task, make_error_result(reason)) for each in missing]
            await self._jobs.keep_results(results)
        await self._jobs.settle_states(job.uuid, work.places, len(job.tasks))
        states = find_last_states(await self._list_hosts(work), work.first, work.last)
        outcome, explanation = judge_node(states, is_canceling=is_canceling)
        failpoint("jobs.judged")
        if state.status is NodeStatus.WAITING:
            ended = ChildEnded(work.node, work.attempt, outcome, explanation=explanation)
            await self._engine.apply_stimulus(work.run, ended)
        await self._leave_work(work)

    async def _list_hosts(self, work: JobWorkDocument) -> list[HostFacts]:
        facts, places = await self._jobs.list_facts(work.job, work.batch), set(work.places)
        return [each for place, each in facts if place in places]

    async def _explain_silence(self, work: JobWorkDocument, workflow: WorkflowDocument | None) -> str:
        """Return why no outcome will come any more; "" if some may."""
        if workflow is None:
            return "its workflow is gone"
        if workflow.over_at is not None or workflow.completion is not None:
            if not self._is_quiet(work):
                return ""
            if workflow.deactivated is Deactivated.ABORTED:
                return f"somebody aborted the workflow {work.id}"
            return "no answer came: a worker was lost with it, so it is unknown whether the task has run"
        if workflow.inputs_closed_at is None or workflow.deactivated is not None or not self._is_quiet(work):
            return ""
        found = await self._jobs.store.find(TASKFORCES, {"workflow_id": work.id})
        return explain_lost_workers([TaskforceDocument.model_validate(each) for each in found])

    def _is_quiet(self, work: JobWorkDocument) -> bool:
        intake = self._intakes.get(work.id)
        return intake is None or intake.outcomes.quiet_s >= _QUIET_S

    async def _leave_work(self, work: JobWorkDocument) -> None:
        """End the workflow of a work that nobody needs any more."""
        if (intake := self._intakes.pop(work.id, None)) is not None:
            self._engine.effects.begin_task(_close_intake(intake), f"last logs of {work.id}")
        with suppress(NotFound):  # it has ended already
            await self._fleet.deactivate_workflow(work.id, Deactivated.FINISHED, Access(work.owner))
        await self._works.end_work(work.id)
        self._open.discard(work.id)


async def _close_intake(intake: WorkIntake) -> None:
    """Stop an intake, once no more pieces of logs come: they may come after the last outcome."""
    await intake.outcomes.stop()
    for _ in range(_LAST_LOOKS):
        await asyncio.sleep(_LAST_PAUSE_S)
        if intake.pieces.quiet_s >= _LAST_QUIET_S:
            break
    await intake.pieces.stop()
