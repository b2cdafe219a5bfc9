"""Workflows on the fleet as children of nodes. The engine is one more user of the fleet, through its own entry point.

    how the workflow ended            the node
    done, or finished by its user     successful
    done with failures                failed
    aborted                           canceled, if the run is being canceled; else error
    refused by the fleet              error

The node's `params` are the request, as `POST /workflows` takes it. The run's owner owns the workflow.
"""

from pydantic import ValidationError

from runtime.kernel.decision import Update
from runtime.kernel.store import Committed, Store
from schemas.api.workflows import WorkflowRequest
from schemas.documents import WORKFLOWS, WorkflowDocument
from schemas.endings import Completion
from schemas.errors import Conflict, NotFound, OverQuota, Rejected
from schemas.ids import RunId, WorkflowId
from schemas.phases import Deactivated
from schemas.runs import NodeState, Outcome, WantKind
from wms.engine import repository
from wms.engine.engine import Engine
from wms.engine.life.open_run import OpenRun
from wms.engine.life.stimuli import ChildEnded, ChildStarted
from wms.fleet.fleet import Fleet
from wms.fleet.ownership import Access, Owner
from wms.fleet.transactions import Once


class ChildWorkflows:
    """The workflows that nodes have started."""

    def __init__(self, engine: Engine, store: Store, fleet: Fleet) -> None:
        self._engine = engine
        self._store = store
        self._fleet = fleet

    def start(self) -> None:
        """Begin to listen for the ends of workflows. Those that were missed are found by the runs' `wake_at`."""
        self._store.on_commit.append(self._on_commit)

    def stop(self) -> None:
        """Stop listening."""
        self._store.on_commit.remove(self._on_commit)

    async def start_workflow(self, run: OpenRun, number: int) -> None:
        """Request the workflow of a node, once for each attempt."""
        facts, state = run.facts, run.nodes[number]
        try:
            request = WorkflowRequest.model_validate(run.facts.graph.nodes[number].params)
            once = Once(f"engine:{facts.uuid}/{state.key}/{state.attempt}")
            answer = await self._fleet.submit_workflow(request, Owner(facts.owner), once)
        except OverQuota:
            raise  # the run's `wake_at` brings it again
        except (Rejected, ValidationError) as error:
            reason = error.reason if isinstance(error, Rejected) else _describe_faults(error)
            await self._end_node(facts.id, state, Outcome.ERROR, f"the request was refused: {reason}")
            return
        workflow_id = WorkflowId(answer["workflow"]["workflow_id"])
        try:
            await self._engine.apply_stimulus(facts.id, ChildStarted(state.key, state.attempt, workflow_id=workflow_id))
        except Conflict:
            current = (await self._engine.load_run(facts.id)).run.nodes[number]
            if current.workflow_id != workflow_id:
                await self._abort_workflow(workflow_id, facts.owner)
            raise

    async def cancel_workflow(self, run: OpenRun, number: int) -> None:
        """Abort the workflow of a node. The node ends when nothing of the workflow runs any more."""
        state = run.nodes[number]
        if state.workflow_id is None:
            await self._end_node(run.facts.id, state, Outcome.CANCELED, "it was never started")
            return
        await self._abort_workflow(WorkflowId(state.workflow_id), run.facts.owner)
        await self.look_at_workflow(run, number)

    async def _abort_workflow(self, workflow_id: WorkflowId, owner: str) -> None:
        try:
            await self._fleet.deactivate_workflow(workflow_id, Deactivated.ABORTED, Access(owner))
        except NotFound:
            return  # it is ended already

    async def look_at_workflow(self, run: OpenRun, number: int) -> None:
        """Tell a node how its workflow ended, if it has, and nobody has told."""
        state = run.nodes[number]
        if state.workflow_id is not None:
            await self._tell_end(run.facts.id, state)

    def _on_commit(self, committed: Committed) -> None:
        for change in committed.changes:
            if not isinstance(change, Update) or change.collection != WORKFLOWS:
                continue
            if change.set.get("over_at") is not None:
                self._engine.effects.begin_task(self._tell_node(change.id), f"end of {change.id}")

    async def _tell_node(self, workflow_id: str) -> None:
        found = await repository.find_run_of_workflow(self._store, workflow_id)
        if found is not None:
            await self._tell_end(*found)

    async def _tell_end(self, run_id: RunId, state: NodeState) -> None:
        raw = await self._store.find_one(WORKFLOWS, {"_id": state.workflow_id})
        if raw is None:
            await self._end_node(run_id, state, Outcome.ERROR, f"the workflow {state.workflow_id} is gone")
            return
        workflow = WorkflowDocument.model_validate(raw)
        if workflow.over_at is None:
            return
        want = (await self._engine.load_run(run_id)).run.facts.want
        is_canceling = want is not None and want.kind is WantKind.CANCEL
        outcome, explanation = judge_workflow(workflow, is_canceling=is_canceling)
        await self._end_node(run_id, state, outcome, explanation)

    async def _end_node(self, run_id: RunId, state: NodeState, outcome: Outcome, explanation: str) -> None:
        ended = ChildEnded(state.key, state.attempt, outcome, explanation=explanation)
        await self._engine.apply_stimulus(run_id, ended)


def judge_workflow(workflow: WorkflowDocument, *, is_canceling: bool) -> tuple[Outcome, str]:
    """Return how the node of a workflow that is over ends, and why."""
    if workflow.completion is Completion.DONE:
        return Outcome.SUCCESSFUL, ""
    if workflow.completion is Completion.DONE_WITH_FAILURES:
        return Outcome.FAILED, workflow.completion_reason or f"{workflow.n_dead} events were given up"
    if workflow.deactivated is Deactivated.FINISHED:
        return Outcome.SUCCESSFUL, ""
    return (Outcome.CANCELED if is_canceling else Outcome.ERROR), f"the workflow {workflow.workflow_id} was aborted"


def _describe_faults(error: ValidationError) -> str:
    faults = (f"{'.'.join(map(str, fault['loc'])) or 'params'}: {fault['msg']}" for fault in error.errors()[:5])
    return "; ".join(faults)
