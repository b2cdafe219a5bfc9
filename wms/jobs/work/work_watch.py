"""Carry each open work on: publish its hosts, take in its outcomes, and end its node.

    queues active ──► feed ──► inputs closed ──► all hosts have ended ──► node over, workflow finished
                                     └──► nothing can come any more ──► the other hosts are `error` ──► node over

Everything that is read here is stored, so several WMS may carry one work on, and a WMS that is new goes on where
another one died.
"""

import asyncio

from runtime.amqp import NotDeclared
from runtime.clock import stored_now
from runtime.concurrency.loops import BackgroundLoop
from runtime.kernel.decision import Insert, Update
from runtime.kernel.store import Committed
from runtime.telemetry import log
from schemas.automation.jobs import JobDocument, JobWorkDocument
from schemas.engine.runs import NODE_OVER, NodeState, WantKind
from schemas.errors import Conflict, EWMSError, NotFound
from schemas.fleet.documents import (
    TASK_DIRECTIVES,
    WORKFLOWS,
    TaskDirectiveDocument,
    WorkflowDocument,
)
from schemas.fleet.phases import Deactivated
from schemas.ids import TaskId, WorkflowId
from wms.engine.engine import Engine
from wms.engine.nested.workflow_queues import WorkflowQueues
from wms.fleet.fleet import Fleet
from wms.fleet.life.stimuli import CloseInputs
from wms.fleet.ownership import Access
from wms.joblogs.job_logs import JobLogs
from wms.jobs.plans.fleet_requests import gets_inventory, number_tasks
from wms.jobs.plans.stopping import find_stop
from wms.jobs.stored.job_store import JobStore
from wms.jobs.stored.work_store import WorkStore
from wms.jobs.work.work_feed import WorkFeed
from wms.jobs.work.work_intake import WorkIntake
from wms.jobs.work.work_judge import WorkJudge

_SWEEP_S = 5.0
_REST_S = 0.1
#: So many works are followed at a time, so that a slow one does not keep the others waiting.
_AT_ONCE = 16
#: A consumer begins again after so long (seconds), with a fresh token.
_RENEW_S = 600.0
#: After a work is over, its logs are taken in until nothing has come for so long, and at most for so long (seconds).
_LAST_QUIET_S, _LAST_S = 2.5, 30.0


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
        self._judge = WorkJudge(engine, queues=queues, jobs=jobs, works=works)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._intakes: dict[WorkflowId, WorkIntake] = {}
        #: The intakes of works that are over, each with the time on the loop's clock at which it ends at the latest.
        self._last_logs: dict[WorkIntake, float] = {}
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
        await asyncio.gather(*(intake.stop() for intake in (*self._intakes.values(), *self._last_logs)))

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
        await asyncio.gather(*map(self._follow_safely, works))
        await self._end_last_logs(now_s)

    async def _follow_safely(self, work: JobWorkDocument) -> None:
        """Follow one work. An error is logged, so that the others are followed."""
        async with self._slots:
            try:
                await self._follow_work(work)
            except Conflict as error:
                log.info("nothing left to do for a work", workflow_id=work.id, reason=error.reason)
            except EWMSError as error:
                log.warning("a work waits", workflow_id=work.id, reason=error.reason)
            except Exception as error:  # noqa: BLE001 - one work must not stop all others
                log.error("a work is not followed", workflow_id=work.id, exc_info=error)

    async def _follow_work(self, work: JobWorkDocument) -> None:
        job = await self._jobs.find_job(work.job)
        state, is_canceling = await self._find_node(work)
        if job is None or state is None or state.status in NODE_OVER or state.attempt != work.attempt:
            await self._leave_work(work)
            return
        if state.workflow_id != work.id:
            return  # the engine does not know yet that the node has started
        stop = find_stop(job, stored_now(), is_canceling=is_canceling)
        raw = await self._jobs.store.find_one(WORKFLOWS, {"_id": work.id})
        workflow = None if raw is None else WorkflowDocument.model_validate(raw)
        if workflow is not None and workflow.queues_active_at is not None:
            await self._keep_intake(job, work, workflow)
            if workflow.deactivated is None and workflow.inputs_closed_at is None and stop is None:
                await self._feed_work(job, work)
        if stop is not None and workflow is not None and workflow.deactivated is None:
            await self._fleet.end_if_open(work.id, Deactivated.ABORTED, work.owner)
        intake = self._intakes.get(work.id)
        if await self._judge.judge_work(job, work, workflow, state, intake=intake, stop=stop):
            await self._leave_work(work)

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
            await self._fleet.change_ending(work.id, CloseInputs(), Access(work.owner), for_run=True)

    async def _keep_intake(self, job: JobDocument, work: JobWorkDocument, workflow: WorkflowDocument) -> None:
        """See that the outcomes of a work are taken in, with a token that is valid, unless their queue is gone."""
        intake = self._intakes.get(work.id)
        is_lost = intake is not None and workflow.over_at is not None and not intake.outcomes.is_active
        if intake is not None and intake.outcomes.age_s < _RENEW_S and not is_lost:
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
        except (NotFound, NotDeclared):
            if workflow.over_at is None:
                raise
            return  # the queue has gone with the workflow
        self._intakes[work.id] = fresh

    async def _number_tasks(self, work: JobWorkDocument, workflow: WorkflowDocument) -> dict[TaskId, int]:
        found = await self._jobs.store.find(TASK_DIRECTIVES, {"workflow_id": work.id})
        return number_tasks(work, workflow, [TaskDirectiveDocument.model_validate(each) for each in found])

    async def _leave_work(self, work: JobWorkDocument) -> None:
        """End the workflow of a work that is no longer needed."""
        if (intake := self._intakes.pop(work.id, None)) is not None:
            # Pieces of logs may come after the last outcome.
            self._last_logs[intake] = asyncio.get_running_loop().time() + _LAST_S
            await intake.outcomes.stop()
        await self._fleet.end_if_open(work.id, Deactivated.FINISHED, work.owner)
        await self._works.end_work(work.id)
        self._open.discard(work.id)

    async def _end_last_logs(self, now_s: float) -> None:
        """Stop the intakes of works that are over, once no more pieces of logs come."""
        for intake, ends_at_s in list(self._last_logs.items()):
            if intake.pieces.quiet_s >= _LAST_QUIET_S or now_s >= ends_at_s:
                del self._last_logs[intake]
                await intake.stop()
