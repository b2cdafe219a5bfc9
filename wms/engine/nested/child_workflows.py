"""Run workflows on the fleet as children of nodes. The engine calls the fleet as the gateway does.

    how the workflow ended            the node
    done, or finished by its user     successful
    done with failures                failed; successful, if no more events failed than the step allows
    aborted                           canceled, if the run is being canceled; else error
    refused by the fleet              error

The request is the node's `params`, in the form that `POST /workflows` takes; or the step before the node returns the
request, and events to publish. When the events are published, the engine closes the workflow's inputs, so that the
workflow ends by itself. The run's owner owns the workflow. The state gets the first results of the workflow.
"""

from typing import Any

from pydantic import ValidationError

from runtime.kernel.decision import Update
from runtime.kernel.store import Committed, Store
from runtime.once import Once
from schemas.api.workflows.requests import WorkflowRequest
from schemas.engine.graph import DefinitionKind, NodeKind
from schemas.engine.runs import WANTED_WORKFLOW, NodeState, NodeStatus, Outcome, WantedWorkflow, WantKind
from schemas.errors import Conflict, OverQuota, Rejected
from schemas.fleet.documents import WORKFLOWS, WorkflowDocument
from schemas.fleet.endings import Completion, outcome_words
from schemas.fleet.phases import Deactivated
from schemas.ids import DEFAULT_ORGANIZATION, RunId, RunUuid, WorkflowId
from wms.engine import repository
from wms.engine.engine import Engine
from wms.engine.life.open_run import OpenRun
from wms.engine.life.stimuli import ChildEnded, ChildStarted
from wms.engine.life.variables import Values, fill_values, mask_values
from wms.engine.nested.workflow_queues import WorkflowQueues, find_first_input, find_first_output
from wms.fleet.fleet import Fleet
from wms.fleet.life.sealed_texts import SealedTexts, refuse_secret_events, seal_texts
from wms.fleet.life.stimuli import CloseInputs
from wms.fleet.ownership import Access, Owner


class ChildWorkflows:
    """Starts and cancels the workflows of nodes, and checks whether they have ended."""

    def __init__(self, engine: Engine, store: Store, fleet: Fleet, queues: WorkflowQueues) -> None:
        self._queues = queues
        self._engine = engine
        self._store = store
        self._fleet = fleet
        #: The workflows whose queues this process uses now: it publishes events, or looks at results.
        self._in_use: set[WorkflowId] = set()

    def start(self) -> None:
        """Begin to listen for the ends of workflows. Ends that this misses are found at the runs' `wake_at`."""
        self._store.on_commit.append(self._on_commit)

    def stop(self) -> None:
        """Stop listening."""
        self._store.on_commit.remove(self._on_commit)

    async def start_node(self, run: OpenRun, number: int) -> None:
        """Request the workflow of a node. Each attempt of the node requests one workflow, however often this is
        called.
        """
        facts, state = run.facts, run.nodes[number]
        try:
            wanted = self._find_wanted(run, number)
            request = WorkflowRequest.model_validate(wanted.request)
            if wanted.events:
                find_first_input(request)
            once = _name_request(facts.uuid, state)
            sealed = self._seal_secrets(run, number, wanted)
            owner = Owner(facts.owner, organizations=(facts.organization or DEFAULT_ORGANIZATION,))
            made = await self._fleet.submit_workflow(request, owner, once, for_run=True, sealed=sealed)
        except OverQuota:
            raise  # at the run's `wake_at` the engine tries again
        except (Rejected, ValidationError) as error:
            reason = error.reason if isinstance(error, Rejected) else _describe_faults(error)
            await self._end_node(facts.id, state, Outcome.ERROR, f"the fleet refused the request: {reason}")
            return
        workflow_id = WorkflowId(made.answer["workflow"]["workflow_id"])
        try:
            await self._engine.apply_stimulus(facts.id, ChildStarted(state.key, state.attempt, workflow_id=workflow_id))
        except Conflict:
            current = (await self._engine.load_run(facts.id)).run.nodes[number]
            if current.workflow_id != workflow_id:
                await self._fleet.end_if_open(workflow_id, Deactivated.ABORTED, facts.owner)
            raise
        # Its queues may be there already.
        await self._look_at(workflow_id)

    async def cancel_node(self, run: OpenRun, number: int) -> None:
        """Abort the workflow of a node. The node ends when the workflow is over, or at once if it never started."""
        state = run.nodes[number]
        if state.workflow_id is None:
            # A WMS that died may have requested it.
            if (orphan := await self._fleet.find_submitted(_name_request(run.facts.uuid, state))) is not None:
                await self._fleet.end_if_open(orphan, Deactivated.ABORTED, run.facts.owner)
            await self._end_node(run.facts.id, state, Outcome.CANCELED, "its workflow never started")
            return
        await self._fleet.end_if_open(WorkflowId(state.workflow_id), Deactivated.ABORTED, run.facts.owner)
        await self.look_at_node(run, number)

    async def look_at_node(self, run: OpenRun, number: int) -> None:
        """If the workflow of a node has ended, end the node."""
        state = run.nodes[number]
        if state.workflow_id is not None:
            await self._tell_end(run.facts.id, state)

    def _on_commit(self, committed: Committed) -> None:
        for change in committed.changes:
            if not isinstance(change, Update) or change.collection != WORKFLOWS:
                continue
            if change.set.get("over_at") is not None or change.set.get("queues_active_at") is not None:
                self._engine.effects.begin_task(self._look_at(change.id), f"child workflow {change.id}")

    async def _look_at(self, workflow_id: str) -> None:
        found = await repository.find_run_of_workflow(self._store, workflow_id)
        if found is None:
            return
        run_id, state = found
        graph = (await self._engine.load_run(run_id)).run.facts.graph
        if any(node.key == state.key and node.kind is NodeKind.WORKFLOW for node in graph.nodes):
            await self._tell_end(run_id, state)

    async def _feed_workflow(self, run: OpenRun, number: int, workflow: WorkflowDocument) -> None:
        """Publish the events of the step into the workflow, and close its inputs.

        If its queues are not active yet, or its inputs are closed already, do nothing.
        """
        wanted = self._find_wanted(run, number)
        if not wanted.events or workflow.queues_active_at is None or workflow.inputs_closed_at is not None:
            return
        owner, alias = run.facts.owner, find_first_input(WorkflowRequest.model_validate(wanted.request))
        if workflow.workflow_id in self._in_use:
            return
        self._in_use.add(workflow.workflow_id)
        try:
            await self._queues.publish(workflow.workflow_id, owner, alias, wanted.events)
            await self._fleet.change_ending(workflow.workflow_id, CloseInputs(), Access(owner), for_run=True)
        finally:
            self._in_use.discard(workflow.workflow_id)

    async def _tell_end(self, run_id: RunId, state: NodeState) -> None:
        raw = await self._store.find_one(WORKFLOWS, {"_id": state.workflow_id})
        if raw is None:
            await self._end_node(run_id, state, Outcome.ERROR, f"the workflow {state.workflow_id} is gone")
            return
        workflow = WorkflowDocument.model_validate(raw)
        run = (await self._engine.load_run(run_id)).run
        number = run.find_node(state.key)
        if number is None:
            return
        want = run.facts.want
        is_canceling = want is not None and want.kind is WantKind.CANCEL
        if workflow.over_at is None:
            if not is_canceling and workflow.deactivated is None:
                await self._feed_workflow(run, number, workflow)
            return
        wanted = self._find_wanted(run, number)
        outcome, explanation = judge_workflow(
            workflow, is_canceling=is_canceling, max_dead_letters=wanted.max_dead_letters
        )
        if outcome is not Outcome.SUCCESSFUL or not wanted.max_results:
            await self._end_node(run_id, state, outcome, explanation, describe_end(workflow))
        elif workflow.workflow_id not in self._in_use and run.nodes[number].status is NodeStatus.WAITING:
            self._in_use.add(workflow.workflow_id)
            try:
                results = await self._read_results(workflow, run.facts.owner, wanted)
                await self._end_node(run_id, state, outcome, explanation, describe_end(workflow, results))
            finally:
                self._in_use.discard(workflow.workflow_id)

    def _find_wanted(self, run: OpenRun, number: int) -> WantedWorkflow:
        keys, facts = self._engine.effects.keys, run.facts
        # A request can name `${limit}` as it names a variable, which is the stronger one.
        return find_wanted(run, number, {**facts.prompts, **keys.unseal_values(facts.params, facts.masked)})

    def _seal_secrets(self, run: OpenRun, number: int, wanted: WantedWorkflow) -> dict[int, SealedTexts]:
        """Return the texts of the tasks that have secrets of the run, by the places of the tasks.

        Raises:
            Rejected: a secret is where it cannot be kept encrypted, for example in an event.
        """
        keys, facts = self._engine.effects.keys, run.facts
        if not keys.has_keys or not facts.masked:
            return {}
        shown = find_wanted(run, number, {**facts.prompts, **mask_values(facts.params, facts.masked)})
        refuse_secret_events(wanted.events, shown.events)
        return seal_texts(wanted.request, shown.request, keys.seal)

    async def _read_results(self, workflow: WorkflowDocument, owner: str, wanted: WantedWorkflow) -> list[Any]:
        alias = find_first_output(WorkflowRequest.model_validate(wanted.request))
        n = wanted.max_results if workflow.n_results is None else min(wanted.max_results, workflow.n_results)
        return [] if alias is None or not n else await self._queues.read_results(workflow.workflow_id, owner, alias, n)

    async def _end_node(
        self, run_id: RunId, state: NodeState, outcome: Outcome, explanation: str, result: Any = None
    ) -> None:
        ended = ChildEnded(state.key, state.attempt, outcome, explanation=explanation, result=result)
        await self._engine.apply_stimulus(run_id, ended)


def _name_request(run: RunUuid, state: NodeState) -> Once:
    """Return the identity of the request for the workflow of a node's attempt."""
    return Once(f"engine:{run}/{state.key}/{state.attempt}")


def find_wanted(run: OpenRun, number: int, variables: Values) -> WantedWorkflow:
    """Return the request, the events and the limits for the workflow of a node: from the step before it, or from the
    definition, filled with `variables`.
    """
    opener = run.layout.opened_by.get(number)
    if opener is None:
        spec = run.facts.graph.nodes[number]
        is_template = run.facts.kind is DefinitionKind.TEMPLATE
        return WantedWorkflow(
            request=fill_values(spec.params, variables) if is_template else spec.params,
            events=tuple(fill_values(list(spec.events), variables)) if is_template else spec.events,
            max_dead_letters=spec.max_dead_letters,
        )
    return WantedWorkflow.model_validate(run.nodes[opener].artifacts.get(WANTED_WORKFLOW) or {"request": {}})


def describe_end(workflow: WorkflowDocument, results: list[Any] | None = None) -> dict[str, Any]:
    """Return how a workflow ended, as a JSON object for the state of the run that started it.

    The keys are `workflow_id`, `status`, `reason`, `n_results` and `n_dead`, and `results` if the argument is given.
    All results are also in the workflow's public queues.
    """
    return {
        **({} if results is None else {"results": results}),
        "workflow_id": workflow.workflow_id,
        "status": outcome_words(workflow.deactivated, workflow.completion),
        "reason": workflow.completion_reason,
        "n_results": workflow.n_results,
        "n_dead": workflow.n_dead,
    }


def has_dead_letters_only(workflow: WorkflowDocument) -> bool:
    """Return whether dead letters explain every missing result of a workflow that is done with failures."""
    n_missing = (workflow.expected_results or 0) - (workflow.n_results or 0)
    return workflow.expected_results is None or n_missing <= (workflow.n_dead or 0)


def judge_workflow(workflow: WorkflowDocument, *, is_canceling: bool, max_dead_letters: int = 0) -> tuple[Outcome, str]:
    """Return the outcome of a node whose workflow is over, and the reason, "" for a success. Up to `max_dead_letters`
    are no failure.

    `is_canceling` says whether the node was being canceled already.
    """
    if workflow.completion is Completion.DONE:
        return Outcome.SUCCESSFUL, ""
    is_allowed = has_dead_letters_only(workflow) and (workflow.n_dead or 0) <= max_dead_letters
    if workflow.completion is Completion.DONE_WITH_FAILURES and is_allowed:
        return Outcome.SUCCESSFUL, ""
    if workflow.completion is Completion.DONE_WITH_FAILURES:
        return Outcome.FAILED, workflow.completion_reason or f"{workflow.n_dead} events became dead letters"
    if workflow.deactivated is Deactivated.FINISHED:
        return Outcome.SUCCESSFUL, ""
    explanation = f"somebody aborted the workflow {workflow.workflow_id}"
    return (Outcome.CANCELED if is_canceling else Outcome.ERROR), explanation


def _describe_faults(error: ValidationError) -> str:
    faults = (f"{'.'.join(map(str, fault['loc'])) or 'params'}: {fault['msg']}" for fault in error.errors()[:5])
    return "; ".join(faults)
