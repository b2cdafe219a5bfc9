"""Read jobs as people see them: with their status, and the numbers of hosts in each state."""

import asyncio
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from schemas.automation.jobs import HostJobStatus, HostState, JobDocument
from schemas.engine.run_documents import RUNS, RunDocument
from schemas.engine.runs import NODE_OPEN, RUN_OVER, RunStatus
from schemas.fleet.documents import TASKFORCES, WORKFLOWS
from schemas.fleet.phases import Phase
from wms.engine import repository
from wms.fleet.reading.health import list_stall_texts
from wms.jobs.plans.job_graph import read_node_tasks
from wms.jobs.plans.judging import explain_bad_end, judge_job, judge_task, show_host_state
from wms.jobs.stored.job_store import JobStore
from wms.jobs.stored.work_store import WorkStore

_SUBMITTED = [
    Phase.CONDOR_SUBMIT.value,
    Phase.PENDING_STOPPER.value,
    Phase.CONDOR_RM.value,
    Phase.CONDOR_COMPLETE.value,
]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job, and how far it is."""

    job: JobDocument
    run: RunDocument | None
    status: HostJobStatus
    #: State -> how many hosts are in it.
    hosts: Mapping[HostState, int] = field(default_factory=dict)
    #: The same after each task, and the status of each task.
    tasks: Sequence[Mapping[HostState, int]] = ()
    task_statuses: Sequence[str] = ()
    #: Why no worker takes its hosts now; "": some do, or WMS knows no reason.
    stall: str = ""

    @property
    def run_status(self) -> RunStatus:
        """Return the status of its run."""
        return RunStatus.CANCELED if self.run is None else self.run.status

    @property
    def explanation(self) -> str:
        """Return why it ended as it did, or why it waits; "" if there is nothing to say."""
        if self.run is None or self.stall:
            return self.stall
        bad_end = explain_bad_end([task.name for task in self.job.tasks], self.tasks) if self.is_over else ""
        return bad_end or self.run.explanation

    @property
    def is_over(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.run_status in RUN_OVER


class HostJobReader:
    """Reads the jobs of one database."""

    def __init__(self, jobs: JobStore, works: WorkStore) -> None:
        self._jobs = jobs
        self._works = works

    async def view_job(self, job: JobDocument) -> JobView:
        """Return a job, and how far it is."""
        (view,) = await self.view_jobs([job])
        return view

    async def view_jobs(self, jobs: Sequence[JobDocument]) -> list[JobView]:
        """Return these jobs, and how far they are."""
        found = await self._jobs.store.find(RUNS, {"_id": {"$in": [job.id for job in jobs]}})
        runs = {run.id: run for run in map(repository.parse_run, found)}
        return list(await asyncio.gather(*(self._build_view(job, runs.get(job.id)) for job in jobs)))

    async def _build_view(self, job: JobDocument, run: RunDocument | None) -> JobView:
        counts, of_tasks = await self._jobs.count_results(job.uuid, len(job.tasks))
        status = RunStatus.CANCELED if run is None else run.status
        hosts: dict[HostState, int] = {}
        for state, n_hosts in counts.items():
            shown = show_host_state(state, status)
            hosts[shown] = hosts.get(shown, 0) + n_hosts
        begun = set() if run is None else _find_begun(run, len(job.tasks))
        return JobView(
            job=job,
            run=run,
            status=await self._judge_status(run, has_results=any(of_tasks)),
            hosts=hosts,
            stall=await self._explain_stall(job, run),
            tasks=of_tasks,
            task_statuses=[
                judge_task(states, has_begun=number in begun, run=status) for number, states in enumerate(of_tasks)
            ],
        )

    async def _judge_status(self, run: RunDocument | None, *, has_results: bool) -> HostJobStatus:
        if run is None:
            return HostJobStatus.CANCELED
        if run.status in RUN_OVER or run.status is RunStatus.CREATED or has_results:
            return judge_job(run.status, has_queues=True, has_workers=True)
        ids = _list_open_workflows(run)
        store = self._jobs.store
        has_queues = await store.count(WORKFLOWS, {"_id": {"$in": ids}, "queues_active_at": {"$ne": None}}) > 0
        submitted = {"workflow_id": {"$in": ids}, "phase": {"$in": _SUBMITTED}}
        return judge_job(run.status, has_queues=has_queues, has_workers=await store.count(TASKFORCES, submitted) > 0)

    async def _explain_stall(self, job: JobDocument, run: RunDocument | None) -> str:
        """Return why the open workflows of a job are stalled; "" if none is."""
        if run is None or run.status in RUN_OVER:
            return ""
        if unreadable := self._works.unreadable.get(job.uuid):
            return f"{unreadable}; cancel the job, or ask the operator to mend it"
        query = {"_id": {"$in": _list_open_workflows(run)}, "stalled": {"$ne": None}}
        found = await self._jobs.store.find(WORKFLOWS, query)
        return "; ".join(dict.fromkeys(text for each in found for text in list_stall_texts(each)))


def _list_open_workflows(run: RunDocument) -> list[str]:
    return [state.workflow_id for state in run.nodes if state.status in NODE_OPEN and state.workflow_id is not None]


def _find_begun(run: RunDocument, n_tasks: int) -> set[int]:
    """Return the numbers of the tasks that run now."""
    nodes = [
        read_node_tasks(spec)
        for spec, state in zip(run.graph.nodes, run.nodes, strict=True)
        if state.status in NODE_OPEN
    ]
    return {task for node in nodes for task in range(n_tasks) if node.has_task(task)}


def find_revision(view: JobView) -> str:
    """Return a text that changes whenever the job has news for people."""
    n_results = sum(sum(states.values()) for states in view.tasks)
    stall = zlib.crc32(view.stall.encode())
    return f"{0 if view.run is None else view.run.rev}.{n_results}.{view.status.value}.{stall:x}"
