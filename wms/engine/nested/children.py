"""Start and cancel the children of nodes, and end a node when its child has ended.

This module runs other definitions. `child_workflows` runs workflows on the fleet, `wms.jobs` runs tasks on hosts. If
the child cannot start, because there is no such definition or it would run within itself, the node ends as `error`.

A child's uuid follows from its node and attempt, so a repeated start makes no second child.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Protocol

from runtime.concurrency.turns import Turns
from runtime.kernel.store import Store
from schemas.engine.graph import Definition, DefinitionKind, Node, NodeKind
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import NodeStatus, Outcome, Parent, RunStatus, WantKind
from schemas.errors import Conflict, Rejected
from schemas.ids import DefinitionHash, RunId, RunUuid
from wms.encryption import SecretKeys
from wms.engine import repository
from wms.engine.engine import Engine
from wms.engine.life.launching import LaunchWish, make_first_state
from wms.engine.life.open_run import OpenRun, find_inherited
from wms.engine.life.stimuli import ChildEnded, ChildStarted, Wish
from wms.engine.life.variables import Values, collect_artifacts, find_prompts, find_variables
from wms.engine.nested.child_workflows import ChildWorkflows
from wms.engine.new_runs import take_run_id

_OUTCOMES: Mapping[RunStatus, Outcome] = {
    RunStatus.SUCCESSFUL: Outcome.SUCCESSFUL,
    RunStatus.FAILED: Outcome.FAILED,
    RunStatus.ERROR: Outcome.ERROR,
    RunStatus.CANCELED: Outcome.CANCELED,
}

#: So many children of one run start at a time. The others wait in line, so that a run of very many nodes does not keep
#: the database from the others.
_STARTS_AT_ONCE = 16
#: The prompt that stays with the run that was launched with it.
_LABELS = "labels"
#: The key of a step list's state whose value, an object, goes to the nodes after the one that runs the step list.
ARTIFACTS = "artifacts"
#: The key under which a step list finds the prompts of its job in its state, if no variable has this name.
PROMPTS = "prompts"
#: What the uuids of children are made from, together with the parent's node and attempt.
_CHILDREN = uuid.UUID("5b1e3d0e-7c34-4c5a-9a44-2c1f5a0b7d11")


#: Launches the child of a node, and returns its run; repeated, the same one. It raises `Rejected` if it refuses.
LaunchesChild = Callable[[OpenRun, int], Awaitable[RunDocument]]


class RunsNodes(Protocol):
    """Something that runs the nodes of one kind. Each call may be repeated."""

    async def start_node(self, run: OpenRun, number: int) -> None:
        """Start what the node runs, unless it has started already."""
        ...

    async def cancel_node(self, run: OpenRun, number: int) -> None:
        """Request the end of what the node runs."""
        ...

    async def look_at_node(self, run: OpenRun, number: int) -> None:
        """If what the node runs has ended, end the node."""
        ...


class Children:
    """Starts and cancels the children of nodes, and checks whether they have ended."""

    def __init__(self, engine: Engine, store: Store, workflows: ChildWorkflows) -> None:
        self._engine = engine
        #: What runs the nodes that run no definition. A part above the engine may add a kind.
        self.runners: dict[NodeKind, RunsNodes] = {NodeKind.WORKFLOW: workflows}
        #: Definition -> what launches it as a child, instead of this module.
        self.launchers: dict[str, LaunchesChild] = {}
        self._store = store
        self._starting = Turns(_STARTS_AT_ONCE)
        effects = engine.effects
        effects.start_child = self.start_child
        effects.cancel_child = self.cancel_child
        effects.look_at_child = self.look_at_child
        effects.tell_parent = self.tell_parent

    async def start_child(self, run: OpenRun, number: int) -> None:
        """Start the child of a node, unless it has started already, or the node has moved on meanwhile."""
        attempt = run.nodes[number].attempt
        async with self._starting.hold_turn(run.facts.id):
            current = (await self._engine.load_run(run.facts.id)).run
            state, want = current.nodes[number], current.facts.want
            is_canceling = want is not None and want.kind is WantKind.CANCEL
            if state.status is NodeStatus.DUE and state.attempt == attempt and not is_canceling:
                await self._start(current, number)

    async def _start(self, run: OpenRun, number: int) -> None:
        facts, state, spec = run.facts, run.nodes[number], run.facts.graph.nodes[number]
        if (runner := self.runners.get(spec.kind)) is not None:
            await runner.start_node(run, number)
            return
        try:
            if (launch_child := self.launchers.get(spec.definition)) is not None:
                child = await launch_child(run, number)
            else:
                # At once: each is a call of the database, and the node's turn has come.
                found, run_id = await asyncio.gather(
                    self._engine.find_definition(spec.definition), take_run_id(self._store)
                )
                check_child(facts, found[1])
                child = await self._launch_child(run, number, found, run_id)
        except Rejected as error:
            await self._end_node(run, number, Outcome.ERROR, error.reason)
            return
        try:
            await self._engine.apply_stimulus(facts.id, ChildStarted(state.key, state.attempt, run=child.id))
        except Conflict:
            # The node has moved on, or knows its child already. A child of an attempt that is over is not needed.
            await self._cancel_if_unwanted(child, run)
            raise

    async def _launch_child(
        self, run: OpenRun, number: int, found: tuple[DefinitionHash, Definition], run_id: RunId
    ) -> RunDocument:
        facts, name = run.facts, run.facts.graph.nodes[number].definition
        child_uuid = make_child_uuid(run, number)
        here = Parent(run=facts.id, node=number, attempt=run.nodes[number].attempt)
        variables, masked = seal_child_variables(run, number, found[1].masked, self._engine.effects.keys)
        prompts = find_child_prompts(facts, facts.graph.nodes[here.node], found[1])
        wish = LaunchWish(
            who=facts.owner,
            state=variables
            if found[1].kind is DefinitionKind.TEMPLATE or not prompts
            else {PROMPTS: prompts, **variables},
            params=variables,
            prompts=prompts,
            masked=masked,
            organization=facts.organization,
            launch_type="workflow",
            labels=find_child_labels(facts, facts.graph.nodes[here.node], found[1]),
            parent=here,
            root=facts.root,
            ancestors=(*facts.ancestors, facts.definition),
        )
        if found[1].has_form:
            # The variables are the form's only page.
            first = make_first_state(found[1], child_uuid, facts.owner)
            wish = replace(wish, state=first, pages=(variables,))
        begins = wish.pages is None
        return await self._engine.launch_run(name, wish, run_uuid=child_uuid, run_id=run_id, found=found, begins=begins)

    async def _cancel_if_unwanted(self, child: RunDocument, parent: OpenRun) -> None:
        here = child.parent
        current = (await self._engine.load_run(parent.facts.id)).run
        if here is None or current.nodes[here.node].child_run != child.id:
            wish = Wish(WantKind.CANCEL, why="its parent has moved on", is_from_above=True)
            await self._engine.apply_stimulus(child.id, wish)

    async def cancel_child(self, run: OpenRun, number: int) -> None:
        """Request the end of a node's child. The node ends when its child has ended, or at once if it never started."""
        state, want = run.nodes[number], run.facts.want
        if (runner := self.runners.get(run.facts.graph.nodes[number].kind)) is not None:
            await runner.cancel_node(run, number)
            return
        child_id = state.child_run or await repository.find_run_id(self._store, make_child_uuid(run, number))
        if child_id is None:
            await self._end_node(run, number, Outcome.CANCELED, "its child never started")
            return
        wish = Wish(WantKind.CANCEL, want.who if want else "", want.why if want else "", is_from_above=True)
        try:
            await self._engine.apply_stimulus(child_id, wish)
        except Conflict:
            await self.look_at_child(run, number)

    async def look_at_child(self, run: OpenRun, number: int) -> None:
        """If the child of a node has ended, end the node."""
        state = run.nodes[number]
        if (runner := self.runners.get(run.facts.graph.nodes[number].kind)) is not None:
            await runner.look_at_node(run, number)
            return
        child_id = state.child_run or await repository.find_run_id(self._store, make_child_uuid(run, number))
        child = None if child_id is None else await repository.load_run(self._store, child_id)
        if child is None:
            await self._end_node(run, number, Outcome.ERROR, "its child is gone")
        elif child.status in _OUTCOMES:
            await self._tell_end(child)

    async def tell_parent(self, run: OpenRun) -> None:
        """End the node that started `run`, which is over."""
        await self._tell_end(run.facts.model_copy(update={"nodes": tuple(run.nodes)}))

    async def _tell_end(self, child: RunDocument) -> None:
        if child.parent is None:
            return
        parent = (await self._engine.load_run(child.parent.run)).run
        ended = sorted((state.ended_at, number) for number, state in enumerate(child.nodes) if state.ended_at)
        artifacts = collect_artifacts([*(child.nodes[number].artifacts for _, number in ended), read_artifacts(child)])
        key = parent.nodes[child.parent.node].key
        outcome = _OUTCOMES.get(child.status, Outcome.ERROR)
        ended_child = ChildEnded(
            key,
            child.parent.attempt,
            outcome,
            artifacts=artifacts,
            masked=tuple(name for name in child.masked if name in artifacts),
            explanation=child.explanation,
        )
        await self._engine.apply_stimulus(parent.facts.id, ended_child)

    async def _end_node(self, run: OpenRun, number: int, outcome: Outcome, explanation: str) -> None:
        state = run.nodes[number]
        ended = ChildEnded(state.key, state.attempt, outcome, explanation=explanation)
        await self._engine.apply_stimulus(run.facts.id, ended)


def find_child_prompts(parent: RunDocument, node: Node, child: Definition) -> dict[str, Any]:
    """Return the answers to prompts for the child of a node. What does the work of a job gets all that its job has. The
    labels of a tree are its own.
    """
    if parent.graph.is_leaf:
        return dict(parent.prompts)
    of_run = {name: value for name, value in parent.prompts.items() if name != _LABELS}
    return find_prompts(child.prompts, node.prompts, of_run, child.asks)


def find_child_labels(parent: RunDocument, node: Node, child: Definition) -> tuple[str, ...]:
    """Return the labels of the child of a node: those of its definition, then those of the node, if the definition asks
    for labels. A label belongs to one organization, so those of another one stay there.
    """
    own = child.labels if child.organization == parent.organization else ()
    return tuple(dict.fromkeys((*own, *(node.labels if _LABELS in child.asks else ()))))


def seal_child_variables(
    run: OpenRun, number: int, of_child: Collection[str], keys: SecretKeys
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the variables of a node's child as they may be stored, and the names of the secret ones. `of_child` are
    the names that the child's definition makes secret.

    Each source may know other names as secret. What it does not know as secret is not sealed yet.
    """
    facts, spec = run.facts, run.facts.graph.nodes[number]
    masked = dict.fromkeys((*facts.masked, *spec.masked, *of_child))
    of_run, of_node = masked.keys() - set(facts.masked), masked.keys() - set(spec.masked)
    own = keys.seal_values(spec.params, of_node)
    inherited = keys.seal_values(find_inherited(run, number), of_run)
    return find_variables(own, inherited, keys.seal_values(facts.params, of_run)), tuple(masked)


def read_artifacts(child: RunDocument) -> Values:
    """Return the artifacts that the steps of a child have put into its state, for the nodes after it."""
    left = child.state.get(ARTIFACTS)
    return left if child.parent is not None and isinstance(left, dict) else {}


def check_child(parent: RunDocument, child: Definition) -> None:
    """Check that a node of `parent` may run `child`. Only the nodes of a tree run templates, because their rights were
    checked.

    Raises:
        Rejected: the node may not run `child`.
    """
    is_tree = parent.kind is DefinitionKind.TEMPLATE and not parent.graph.is_leaf
    if child.kind is DefinitionKind.TEMPLATE and not is_tree:
        raise Rejected(f"{child.name!r} is a template, and only a node of a tree runs one")


def make_child_uuid(run: OpenRun, number: int) -> RunUuid:
    """Return the uuid of the child that the node's current attempt starts. It is the same each time."""
    state = run.nodes[number]
    return RunUuid(str(uuid.uuid5(_CHILDREN, f"{run.facts.uuid}/{state.key}/{state.attempt}")))
