"""Hold a run in memory, and draft a decision about it. (core)

A decision reads an `OpenRun` and writes only its own `RunDraft`. The draft becomes a `RunDecision`: the nodes and
fields that change, new log rows, and effects. When the decision is stored, `apply_decision` changes the run in memory.
The time for both depends on the size of the change, not of the run: a chain of 10 000 nodes takes linear time.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.engine.graph import Node, NodeKind, WaitKind
from schemas.engine.run_documents import LogRow, RunDocument
from schemas.engine.runs import NODE_OPEN, NODE_OVER, NodeError, NodeState, NodeStatus, RunStatus
from schemas.events import NodeEnded
from schemas.ids import NodeKey
from wms.engine.life.branching import Readiness, decide_node, is_satisfied
from wms.engine.life.graph import Layout, find_layout
from wms.engine.life.variables import Values, inherit_artifacts
from wms.engine.life.waiting import FORM_PAUSE


@dataclass(slots=True)
class OpenRun:
    """A run in memory with its layout and counts. `nodes` has the nodes; `facts.nodes` and `facts.log` are empty."""

    facts: RunDocument
    nodes: list[NodeState]
    layout: Layout
    numbers: dict[NodeKey, int]
    #: For each node, how many edges in are decided, and satisfied.
    n_decided: list[int]
    n_satisfied: list[int]
    #: The nodes that are neither pending nor over.
    open: set[int]
    n_by_status: Counter[NodeStatus]
    #: The artifacts that reach a node from above, for the nodes that somebody has asked about.
    inherited: dict[int, Values] = field(default_factory=dict)

    def pool_of(self, number: int) -> str:
        """Return the pool whose step workers can call the function of a node."""
        return self.facts.graph.nodes[number].pool or self.facts.pool

    def find_node(self, key: NodeKey) -> int | None:
        """Return the number of the node `key`. Return None if there is no such node."""
        return self.numbers.get(key)


def open_run(document: RunDocument) -> OpenRun:
    """Return `document` as a run in memory. The time grows with the number of nodes."""
    nodes = list(document.nodes)
    n_decided, n_satisfied = [0] * len(nodes), [0] * len(nodes)
    for number, state in enumerate(nodes):
        for edge in document.graph.nodes[number].edges:
            satisfied = is_satisfied(document.graph.profile, state.status, edge.kind)
            n_decided[edge.to] += satisfied is not None
            n_satisfied[edge.to] += satisfied is True
    return OpenRun(
        facts=document.model_copy(update={"nodes": (), "log": ()}),
        nodes=nodes,
        layout=find_layout(document.graph),
        numbers={state.key: number for number, state in enumerate(nodes)},
        n_decided=n_decided,
        n_satisfied=n_satisfied,
        open={number for number, state in enumerate(nodes) if state.status in NODE_OPEN},
        n_by_status=Counter(state.status for state in nodes),
    )


@dataclass(frozen=True, slots=True)
class RunDecision:
    """The changes and effects that one stimulus causes. One commit stores the changes; the effects come after it."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    nodes: Mapping[int, NodeState] = field(default_factory=dict)
    rows: tuple[LogRow, ...] = ()
    #: The nodes whose `node.run` must go out, and those whose child the engine must start, cancel, or look at.
    sends: tuple[int, ...] = ()
    starts: tuple[int, ...] = ()
    cancels: tuple[int, ...] = ()
    looks: tuple[int, ...] = ()
    #: The armed waits for which an event may have come early.
    seeks: tuple[int, ...] = ()
    #: The end of an attempt that also brings models, events or children.
    brought: NodeEnded | None = None
    answer: Any = None

    @property
    def changes_run(self) -> bool:
        """Return whether this decision changes the run."""
        return bool(self.fields or self.nodes or self.rows)

    @property
    def ends_run(self) -> bool:
        """Return whether this decision ends the run."""
        return self.fields.get("ended_at") is not None


class RunDraft:
    """A run while a decision about it is made."""

    def __init__(self, run: OpenRun, now: datetime) -> None:
        self.run = run
        self.now = now
        self.facts = run.facts
        self.graph = run.facts.graph
        self.changed: dict[int, NodeState] = {}
        self.rows: list[LogRow] = []
        self.sends: list[int] = []
        self.starts: list[int] = []
        self.cancels: list[int] = []
        self.looks: list[int] = []
        self.seeks: list[int] = []
        self.brought: NodeEnded | None = None
        self._fields: dict[str, Any] = {}
        self._n_decided: dict[int, int] = {}
        self._n_satisfied: dict[int, int] = {}
        self.n_by_status = Counter(run.n_by_status)
        #: Nodes that may be decided now, since a node above them is over.
        self.to_decide: deque[int] = deque()

    def node(self, number: int) -> NodeState:
        """Return the state of the node in this draft."""
        return self.changed.get(number) or self.run.nodes[number]

    def spec(self, number: int) -> Node:
        """Return the node as its author wrote it."""
        return self.graph.nodes[number]

    def open_nodes(self) -> Iterator[tuple[int, NodeState]]:
        """Yield number and state of each open node (it has begun and is not over), in the order of the numbers."""
        for number in sorted(self.run.open | self.changed.keys()):
            state = self.node(number)
            if state.status in NODE_OPEN:
                yield number, state

    def change_run(self, **fields: Any) -> None:
        """Set fields of the run."""
        self._fields |= fields
        self.facts = self.facts.model_copy(update=fields)

    def change_node(self, number: int, **fields: Any) -> NodeState:
        """Set fields of a node, and return it. If this decides edges, add their targets to `to_decide`."""
        before = self.node(number)
        after = before.model_copy(update=fields)
        self.changed[number] = after
        if before.status is not after.status:
            self.n_by_status[before.status] -= 1
            self.n_by_status[after.status] += 1
            if before.status in NODE_OVER or after.status in NODE_OVER:
                self._count_edges(number, before.status, after.status)
        return after

    def _count_edges(self, number: int, before: NodeStatus, after: NodeStatus) -> None:
        profile = self.graph.profile
        for edge in self.spec(number).edges:
            was, is_now = is_satisfied(profile, before, edge.kind), is_satisfied(profile, after, edge.kind)
            self._n_decided[edge.to] = self._get_decided(edge.to) + (is_now is not None) - (was is not None)
            self._n_satisfied[edge.to] = self._get_satisfied(edge.to) + (is_now is True) - (was is True)
            if is_now is not None:
                self.to_decide.append(edge.to)

    def _get_decided(self, number: int) -> int:
        return self._n_decided.get(number, self.run.n_decided[number])

    def _get_satisfied(self, number: int) -> int:
        return self._n_satisfied.get(number, self.run.n_satisfied[number])

    def find_readiness(self, number: int) -> Readiness:
        """Return what to do with a pending node."""
        return decide_node(
            self.spec(number).convergence,
            n_edges=len(self.run.layout.incoming[number]),
            n_decided=self._get_decided(number),
            n_satisfied=self._get_satisfied(number),
        )

    def add_row(self, act: str, status: str, number: int | None = None, **fields: Any) -> None:
        """Add a row to the run's log."""
        state = None if number is None else self.node(number)
        name = "" if number is None else self.spec(number).name
        self.rows.append(
            LogRow(
                run=self.facts.id,
                number=self.facts.n_rows + len(self.rows) + 1,
                node=None if state is None else state.key,
                attempt=0 if state is None else state.attempt,
                act=act,
                status=status,
                at=self.now,
                **{"name": name, **fields},
            )
        )

    def is_at_work(self) -> bool:
        """Return whether a step is due or taken, or a child runs."""
        if self.n_by_status[NodeStatus.DUE] or self.n_by_status[NodeStatus.TAKEN]:
            return True
        return bool(self.n_by_status[NodeStatus.WAITING]) and any(has_child(state) for _, state in self.open_nodes())

    def settle(self, answer: Any = None) -> RunDecision:
        """Return the decision of this draft, with `answer`. Also set the run's fields `wake_at` and `n_rows`."""
        wake_at = self._find_wake_at()
        if wake_at != self.run.facts.wake_at:
            self.change_run(wake_at=wake_at)
        if self.rows:
            self.change_run(n_rows=self.facts.n_rows + len(self.rows))
        before = self.run.facts
        return RunDecision(
            fields={name: value for name, value in self._fields.items() if getattr(before, name) is not value},
            nodes=self.changed,
            rows=tuple(self.rows),
            sends=tuple(self.sends),
            starts=tuple(self.starts),
            cancels=tuple(self.cancels),
            looks=tuple(self.looks),
            seeks=tuple(self.seeks),
            brought=self.brought,
            answer=answer,
        )

    def _find_wake_at(self) -> datetime | None:
        if self.facts.status is RunStatus.CREATED:
            return None if self.facts.pages is None else self.now + FORM_PAUSE
        stands_still = self.facts.status is RunStatus.STOPPED
        times = [
            state.wake_at
            for _, state in self.open_nodes()
            if state.wake_at is not None and not (stands_still and pauses_when_stopped(state))
        ]
        return min(times, default=None)


def has_child(state: NodeState) -> bool:
    """Return whether the node waits for the end of its child."""
    return state.status is NodeStatus.WAITING and state.wait is not None and state.wait.kind is WaitKind.CHILD


def pauses_when_stopped(state: NodeState) -> bool:
    """Return whether a stop of the run pauses the node, because it would call its step again."""
    if state.status is NodeStatus.WAITING:
        return state.wait is not None and state.wait.kind is WaitKind.POLL
    return state.status is NodeStatus.RETRYING


def calls_function(spec: Node) -> bool:
    """Return whether the node begins with a call of a step worker."""
    return spec.kind is NodeKind.STEP or (spec.kind is NodeKind.WAIT and bool(spec.function))


def apply_decision(run: OpenRun, decision: RunDecision) -> None:
    """Change `run` in memory as `decision` says. Call this after the decision is stored."""
    facts, graph = run.facts, run.facts.graph
    for number, after in decision.nodes.items():
        before = run.nodes[number]
        run.nodes[number] = after
        if after.status in NODE_OPEN:
            run.open.add(number)
        else:
            run.open.discard(number)
        if before.status is after.status:
            continue
        run.n_by_status[before.status] -= 1
        run.n_by_status[after.status] += 1
        if before.status in NODE_OVER:
            run.inherited.clear()  # a part of the run begins again
        for edge in graph.nodes[number].edges:
            was = is_satisfied(graph.profile, before.status, edge.kind)
            is_now = is_satisfied(graph.profile, after.status, edge.kind)
            run.n_decided[edge.to] += (is_now is not None) - (was is not None)
            run.n_satisfied[edge.to] += (is_now is True) - (was is True)
    run.facts = facts.model_copy(update={**decision.fields, "rev": facts.rev + 1})


def find_inherited(run: OpenRun, number: int) -> Values:
    """Return the artifacts that the node `number` gets from the nodes above. They are computed once for each node."""
    stack = [number]
    while stack:
        here = stack[-1]
        if here in run.inherited:
            stack.pop()
            continue
        sources = [source for source, _ in run.layout.incoming[here]]
        if missing := [source for source in sources if source not in run.inherited]:
            stack += missing
            continue
        run.inherited[here] = (
            inherit_artifacts((run.inherited[source], run.nodes[source].artifacts) for source in sources)
            if sources
            else {}
        )
        stack.pop()
    return run.inherited[number]


def make_error(error_class: str, message: str) -> NodeError:
    """Return an error of the engine itself, not of a step."""
    return NodeError(error_class=error_class, message=message)
