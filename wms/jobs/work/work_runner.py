"""Start, cancel and look at the nodes of jobs. The engine calls this as it calls the starter of any child.

A node that begins chooses its hosts: without any it is skipped. Each attempt of a node has one workflow, however often
it is started.
"""

from collections.abc import Sequence

from runtime.clock import stored_now
from runtime.failpoints import failpoint
from runtime.kernel.decision import Change
from runtime.kernel.store import Transaction
from runtime.once import Once
from schemas.automation.jobs import JobDocument, JobWorkDocument
from schemas.automation.stored_secrets import SecretFile
from schemas.engine.runs import NodeState, Outcome
from schemas.errors import Conflict, OverQuota, Rejected
from schemas.fleet.phases import Deactivated
from schemas.ids import DEFAULT_ORGANIZATION, RunId, RunUuid, WorkflowId
from wms.engine.engine import Engine
from wms.engine.life.open_run import OpenRun
from wms.engine.life.stimuli import ChildEnded, ChildStarted
from wms.fleet.fleet import ChangesWithWorkflow, Fleet
from wms.fleet.ownership import Owner
from wms.jobs.plans.fleet_requests import choose_secrets, make_fleet_request, name_runner, needs_at_most_once
from wms.jobs.plans.host_choice import choose_hosts, name_host
from wms.jobs.plans.job_graph import NodeTasks, read_node_tasks
from wms.jobs.plans.stopping import describe_limit, is_out_of_time
from wms.jobs.plans.work_progress import make_sure_error
from wms.jobs.stored.job_store import JobStore
from wms.jobs.stored.work_store import WorkStore
from wms.jobs.work.work_watch import WorkWatch
from wms.secrets.secret_store import SecretStore


class WorkRunner:
    """Runs the nodes of jobs."""

    def __init__(
        self,
        engine: Engine,
        fleet: Fleet,
        jobs: JobStore,
        works: WorkStore,
        watch: WorkWatch,
        *,
        secrets: SecretStore,
        max_workers: int,
    ) -> None:
        """At most `max_workers` workers run a task at one location."""
        self._engine = engine
        self._fleet = fleet
        self._jobs = jobs
        self._works = works
        self._watch = watch
        self._secrets = secrets
        self._max_workers = max_workers

    async def start_node(self, run: OpenRun, number: int) -> None:
        """Request the workflow of a node, or skip the node."""
        facts, state = run.facts, run.nodes[number]
        job = await self._jobs.find_job(facts.uuid)
        if job is None:
            await self._end_node(facts.id, state, Outcome.ERROR, "the run is no job")
            return
        tasks = read_node_tasks(facts.graph.nodes[number])
        hosts = await self._jobs.list_facts(job.uuid, tasks.batch)
        choice = choose_hosts(
            [each for _, each in hosts],
            batch=tasks.batch,
            first_task=tasks.first,
            max_fail_percentage=job.max_fail_percentage,
        )
        if not choice.hosts:
            await self._end_node(facts.id, state, Outcome.SKIPPED, choice.reason)
            return
        chosen = set(choice.hosts)
        places = tuple(place for place, each in hosts if each.id in chosen)
        if is_out_of_time(job, stored_now()):
            await self._refuse_hosts(job, state, tasks, places, f"{describe_limit(job)} before this task began")
            return
        work = await self._request_workflow(job, state, facts.id, tasks, places)
        if work is None:
            return
        try:
            await self._engine.apply_stimulus(facts.id, ChildStarted(state.key, state.attempt, workflow_id=work.id))
        except Conflict:
            current = (await self._engine.load_run(facts.id)).run.nodes[number]
            if current.workflow_id != work.id:
                await self._fleet.end_if_open(work.id, Deactivated.ABORTED, work.owner)
            raise
        self._watch.look_soon(work.id)

    async def _request_workflow(
        self, job: JobDocument, state: NodeState, run_id: RunId, tasks: NodeTasks, places: tuple[int, ...]
    ) -> JobWorkDocument | None:
        """Return the work of the node's attempt; None: the fleet has refused it, and the node is over."""
        pinned, owner = job.tasks[tasks.first : tasks.last + 1], name_runner(job.owner)
        once, secrets = _name_request(job.uuid, state), choose_secrets(job.secrets, pinned)
        try:
            request = make_fleet_request(
                pinned,
                n_hosts=len(places),
                max_workers=self._max_workers,
                secrets=secrets,
            )
            answer = (
                await self._fleet.submit_workflow(
                    request,
                    Owner(owner, organizations=(job.organization or DEFAULT_ORGANIZATION,)),
                    once,
                    also=self._give_secrets(job, secrets),
                    for_run=True,
                )
            ).answer
        except OverQuota:
            raise  # at the run's `wake_at` the engine tries again
        except (Rejected, ValueError) as error:
            reason = f"the fleet refused the request: {error.reason if isinstance(error, Rejected) else error}"
            await self._refuse_hosts(job, state, tasks, places, reason)
            return None
        failpoint("jobs.requested")
        work = JobWorkDocument(
            id=WorkflowId(answer["workflow"]["workflow_id"]),
            job=job.uuid,
            run=run_id,
            node=state.key,
            attempt=state.attempt,
            batch=tasks.batch,
            first=tasks.first,
            last=tasks.last,
            places=places,
            owner=owner,
            is_at_most_once=needs_at_most_once(pinned),
            created_at=stored_now(),
        )
        return await self._works.add_work(work)

    async def _refuse_hosts(
        self, job: JobDocument, state: NodeState, tasks: NodeTasks, places: tuple[int, ...], reason: str
    ) -> None:
        """End a node before it has begun: each of its hosts is `error`, and no task has run."""
        result = make_sure_error(reason)
        await self._jobs.keep_results((name_host(job.uuid, place), tasks.first, result) for place in places)
        await self._jobs.settle_states(job.uuid, places, len(job.tasks))
        await self._end_node(job.id, state, Outcome.ERROR, reason)

    def _give_secrets(self, job: JobDocument, secrets: Sequence[SecretFile]) -> ChangesWithWorkflow | None:
        """Return what lets the tasks of a workflow have these secrets of its job."""
        if not secrets:
            return None

        async def give(tx: Transaction, workflow_id: WorkflowId) -> tuple[Change, ...]:
            return (await self._secrets.make_gift(tx, workflow_id, job.organization, secrets),)

        return give

    async def cancel_node(self, run: OpenRun, number: int) -> None:
        """Abort the workflow of a node. The node ends when the workflow is over, or at once if it never started."""
        state = run.nodes[number]
        if state.workflow_id is None:
            # A WMS that died may have requested it.
            if (orphan := await self._fleet.find_submitted(_name_request(run.facts.uuid, state))) is not None:
                await self._fleet.end_if_open(orphan, Deactivated.ABORTED, name_runner(run.facts.owner))
            await self._end_node(run.facts.id, state, Outcome.CANCELED, "its workflow never started")
            return
        await self._fleet.end_if_open(WorkflowId(state.workflow_id), Deactivated.ABORTED, name_runner(run.facts.owner))
        self._watch.look_soon(WorkflowId(state.workflow_id))

    async def look_at_node(self, run: OpenRun, number: int) -> None:
        """Look soon whether the work of a node has ended."""
        state = run.nodes[number]
        if state.workflow_id is not None:
            self._watch.look_soon(WorkflowId(state.workflow_id))

    async def _end_node(self, run_id: RunId, state: NodeState, outcome: Outcome, explanation: str) -> None:
        ended = ChildEnded(state.key, state.attempt, outcome, explanation=explanation)
        await self._engine.apply_stimulus(run_id, ended)


def _name_request(job: RunUuid, state: NodeState) -> Once:
    """Return the identity of the request for the workflow of a node's attempt."""
    return Once(f"job:{job}/{state.key}/{state.attempt}")
