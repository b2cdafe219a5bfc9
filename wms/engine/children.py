"""Start, cancel and look at what nodes run, and tell the node how its child ended. Here: other runs.

A node may end as `error` without its child: there is no such definition, or it would run within itself.

A child's uuid follows from its node and attempt: starting it twice starts it once.
"""

import uuid
from collections.abc import Mapping

from runtime.kernel.store import Store
from schemas.errors import Conflict, Rejected
from schemas.graph import NodeKind
from schemas.ids import RunUuid
from schemas.run_documents import RunDocument
from schemas.runs import Outcome, Parent, RunStatus, WantKind
from wms.engine import repository
from wms.engine.child_workflows import ChildWorkflows
from wms.engine.engine import Engine
from wms.engine.life.launching import LaunchWish
from wms.engine.life.open_run import OpenRun, find_inherited
from wms.engine.life.stimuli import ChildEnded, ChildStarted, Wish
from wms.engine.life.variables import collect_artifacts, find_variables

_OUTCOMES: Mapping[RunStatus, Outcome] = {
    RunStatus.SUCCESSFUL: Outcome.SUCCESSFUL,
    RunStatus.FAILED: Outcome.FAILED,
    RunStatus.ERROR: Outcome.ERROR,
    RunStatus.CANCELED: Outcome.CANCELED,
}

#: What the uuids of children are made from, together with the parent's node and attempt.
_CHILDREN = uuid.UUID("5b1e3d0e-7c34-4c5a-9a44-2c1f5a0b7d11")


class Children:
    """What nodes have started."""

    def __init__(self, engine: Engine, store: Store, workflows: ChildWorkflows) -> None:
        self._engine = engine
        self._workflows = workflows
        self._store = store
        effects = engine.effects
        effects.start_child = self.start_child
        effects.cancel_child = self.cancel_child
        effects.look_at_child = self.look_at_child
        effects.tell_parent = self.tell_parent

    async def start_child(self, run: OpenRun, number: int) -> None:
        """Start what a node runs, unless that has been done."""
        facts, state, spec = run.facts, run.nodes[number], run.facts.graph.nodes[number]
        if spec.kind is NodeKind.WORKFLOW:
            await self._workflows.start_workflow(run, number)
            return
        variables = find_variables(spec.params, find_inherited(run, number), facts.params)
        wish = LaunchWish(
            who=facts.owner,
            state=variables,
            params=variables,
            masked=facts.masked,
            organization=facts.organization,
            launch_type="workflow",
            parent=Parent(run=facts.id, node=number, attempt=state.attempt),
            root=facts.root,
            ancestors=(*facts.ancestors, facts.definition),
        )
        try:
            child = await self._engine.launch_run(spec.definition, wish, run_uuid=make_child_uuid(run, number))
        except Rejected as error:
            await self._end_node(run, number, Outcome.ERROR, error.reason)
            return
        try:
            await self._engine.apply_stimulus(facts.id, ChildStarted(state.key, state.attempt, run=child.id))
        except Conflict:
            # The node has moved on, or its child is known. Nobody wants a child of an attempt that is over.
            await self._cancel_if_unwanted(child, run)
            raise

    async def _cancel_if_unwanted(self, child: RunDocument, parent: OpenRun) -> None:
        here = child.parent
        current = (await self._engine.load_run(parent.facts.id)).run
        if here is None or current.nodes[here.node].child_run != child.id:
            await self._engine.apply_stimulus(child.id, Wish(WantKind.CANCEL, why="its parent has moved on"))

    async def cancel_child(self, run: OpenRun, number: int) -> None:
        """Cancel what a node has started. The node ends when its child has."""
        state, want = run.nodes[number], run.facts.want
        if run.facts.graph.nodes[number].kind is NodeKind.WORKFLOW:
            await self._workflows.cancel_workflow(run, number)
            return
        child_id = state.child_run or await repository.find_run_id(self._store, make_child_uuid(run, number))
        if child_id is None:
            await self._end_node(run, number, Outcome.CANCELED, "it was never started")
            return
        wish = Wish(WantKind.CANCEL, want.who if want else "", want.why if want else "")
        try:
            await self._engine.apply_stimulus(child_id, wish)
        except Conflict:
            await self.look_at_child(run, number)

    async def look_at_child(self, run: OpenRun, number: int) -> None:
        """Tell a node how its child ended, if it has, and nobody has told."""
        state = run.nodes[number]
        if run.facts.graph.nodes[number].kind is NodeKind.WORKFLOW:
            await self._workflows.look_at_workflow(run, number)
            return
        child_id = state.child_run or await repository.find_run_id(self._store, make_child_uuid(run, number))
        child = None if child_id is None else await repository.load_run(self._store, child_id)
        if child is None:
            await self._end_node(run, number, Outcome.ERROR, "its child is gone")
        elif child.status in _OUTCOMES:
            await self._tell_end(child)

    async def tell_parent(self, run: OpenRun) -> None:
        """Tell the node that has started `run` how it ended."""
        await self._tell_end(run.facts.model_copy(update={"nodes": tuple(run.nodes)}))

    async def _tell_end(self, child: RunDocument) -> None:
        if child.parent is None:
            return
        parent = (await self._engine.load_run(child.parent.run)).run
        ended = sorted((state.ended_at, number) for number, state in enumerate(child.nodes) if state.ended_at)
        artifacts = collect_artifacts(child.nodes[number].artifacts for _, number in ended)
        key = parent.nodes[child.parent.node].key
        outcome = _OUTCOMES.get(child.status, Outcome.ERROR)
        ended_child = ChildEnded(key, child.parent.attempt, outcome, artifacts=artifacts, explanation=child.explanation)
        await self._engine.apply_stimulus(parent.facts.id, ended_child)

    async def _end_node(self, run: OpenRun, number: int, outcome: Outcome, explanation: str) -> None:
        state = run.nodes[number]
        ended = ChildEnded(state.key, state.attempt, outcome, explanation=explanation)
        await self._engine.apply_stimulus(run.facts.id, ended)


def make_child_uuid(run: OpenRun, number: int) -> RunUuid:
    """Return the uuid of the child that the current attempt of a node starts."""
    state = run.nodes[number]
    return RunUuid(str(uuid.uuid5(_CHILDREN, f"{run.facts.uuid}/{state.key}/{state.attempt}")))
