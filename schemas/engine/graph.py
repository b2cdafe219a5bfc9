"""Graphs of nodes, and definitions, which people launch.

    definition ──► graph ──► nodes, each with the edges that leave it
                               step       a Python function that a step worker calls
                               wait       the node ends when something from outside comes
                               run        another definition, as a run of its own
                               workflow   an EWMS workflow on the fleet
                               hosts      catalogue tasks on hosts of an inventory
                               empty      nothing: its template was deleted, or never existed

A node's *number* is its index in the graph; edges name nodes by their numbers. A node's *key* is stable: the position
in a step list, or the identifier in a template.
"""

import hashlib
import json
from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from schemas.ids import DefinitionHash, NodeKey
from schemas.lazy_model import LazyModel
from schemas.stored_enum import StoredEnum

#: The most nodes of one graph, so that a run fits into one document of MongoDB (16 MiB).
MAX_NODES = 20_000


class BranchingProfile(StoredEnum):
    """The names of the tables that select the next nodes by outcomes. The tables are in `wms.engine.life.branching`."""

    #: One node after the other. A failure waits for a person.
    CHAIN = "chain"
    #: Each node has one parent. An error stops everything below it.
    TREE = "tree"
    #: A node may have several parents. An error takes the same edges as a failure.
    DAG = "dag"


class EdgeKind(StoredEnum):
    """The kinds of edges. The kind says after which outcomes of its source a run takes an edge."""

    SUCCESS = "success"
    FAILURE = "failure"
    ALWAYS = "always"


class Convergence(StoredEnum):
    """The rules for a node with several edges to it: how many of them must be satisfied before the node runs."""

    ANY = "any"
    ALL = "all"


class NodeKind(StoredEnum):
    """What a node does."""

    STEP = "step"
    WAIT = "wait"
    RUN = "run"
    WORKFLOW = "workflow"
    HOSTS = "hosts"
    EMPTY = "empty"


class WaitKind(StoredEnum):
    """What a node waits for."""

    #: A call of a URL with a token in it.
    CALLBACK = "callback"
    #: A named event with the right correlation.
    EVENT = "event"
    #: The next poll of a step that answered `pending`.
    POLL = "poll"
    #: A person who fills in a form.
    INPUT = "input"
    #: A person who approves or denies.
    APPROVAL = "approval"
    #: The end of a run or a workflow that the node has started.
    CHILD = "child"


class GraphModel(LazyModel):
    """The base class of the parts of a definition. Readers ignore fields of a later version."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Edge(GraphModel):
    """A way from the node that has this edge to the node with the number `to`."""

    kind: EdgeKind = EdgeKind.SUCCESS
    to: Annotated[int, Field(ge=0)]


class RetryPolicy(GraphModel):
    """When the engine repeats a failed step. The first pause is `first_s`, each later pause `factor` times longer."""

    #: The most attempts in all; None means any number.
    attempts: Annotated[int, Field(ge=1)] | None = None
    first_s: Annotated[float, Field(ge=0)] = 60.0
    factor: Annotated[float, Field(ge=1)] = 2.0
    longest_s: Annotated[float, Field(ge=0)] = 600.0

    def find_pause(self, n_failures: int) -> timedelta | None:
        """Return the pause after the failure number `n_failures` (from 1). Return None if no attempt is left."""
        if self.attempts is not None and n_failures >= self.attempts:
            return None
        # Limit the exponent, because a large exponent overflows a float. Long before, `longest_s` is the smaller value.
        return timedelta(seconds=min(self.longest_s, self.first_s * self.factor ** min(max(n_failures, 1) - 1, 64)))


#: The longest time that a node or a wait may take: ten years. Much longer times would exceed Python's calendar.
MAX_TIMEOUT_S = 10 * 365 * 24 * 3600


def limit_time(seconds: float) -> timedelta:
    """Return `seconds` as a timedelta, at most `MAX_TIMEOUT_S`: a stored number can be too large for a timedelta."""
    return timedelta(seconds=min(seconds, MAX_TIMEOUT_S))


class WaitSpec(GraphModel):
    """What a node of the kind `wait` waits for."""

    kind: WaitKind
    #: The name of the event, or of the form.
    name: str = ""
    #: The key in the run's state whose value an event must have as its correlation; if empty, the run's uuid counts.
    correlation_key: str = ""
    #: The key of the state that gets the answer; if empty, the answer's keys are merged into the state.
    result_key: str = ""
    #: After this many seconds the wait fails; None means never.
    timeout_s: Annotated[float, Field(gt=0)] | None = None

    @property
    def timeout(self) -> timedelta | None:
        """How long the node waits; None means for ever."""
        return None if self.timeout_s is None else limit_time(self.timeout_s)


class Node(GraphModel):
    """One node of a graph, as the graph's author wrote it."""

    key: NodeKey
    name: str
    kind: NodeKind = NodeKind.STEP
    edges: tuple[Edge, ...] = ()
    convergence: Convergence = Convergence.ANY
    #: Whether a failure waits for a person instead of being an outcome; None means as the branching profile says.
    halts: bool | None = None
    #: A step: the name of the function in its definition, and the pool; an empty pool is the definition's. A wait may
    #: have a function, too, which is called first. If it answers `pending`, the wait begins; if `skipped`, it does not.
    function: str = ""
    pool: str = ""
    #: How many seconds one attempt may take; None means any time.
    timeout_s: Annotated[float, Field(gt=0)] | None = None
    retry: RetryPolicy | None = None
    wait: WaitSpec | None = None
    #: For a step whose work leads to a callback: the number of the node that waits for it. The step gets the token.
    #: For a step that says what a workflow shall be: the number of the node that runs it.
    opens: int | None = None
    #: A resume of this node begins again at the node with this number; None means at this node.
    restarts: int | None = None
    #: A run: the name of its definition. A workflow: the request is in `params`, or the step that opens it brings it.
    definition: str = ""
    #: A workflow: the key under which the state gets its end; if empty, the state does not get it.
    result_key: str = ""
    #: A workflow: events to publish into its first public input, and how many dead letters leave it a success.
    events: tuple[Any, ...] = ()
    max_dead_letters: Annotated[int, Field(ge=0)] = 0
    params: dict[str, Any] = Field(default_factory=dict)
    #: The names of those `params` whose values are secret. WMS stores them encrypted.
    masked: tuple[str, ...] = ()
    #: A run: what the node answers to the prompts of its definition.
    prompts: dict[str, Any] = Field(default_factory=dict)
    #: A run: the labels that it gets, if its definition asks for labels.
    labels: tuple[str, ...] = ()

    @property
    def timeout(self) -> timedelta | None:
        """How long one attempt may take; None means any time."""
        return None if self.timeout_s is None else limit_time(self.timeout_s)

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if self.kind is NodeKind.STEP and not self.function:
            raise ValueError(f"node {self.key!r} is a step and names no function")
        if (self.kind is NodeKind.WAIT) != (self.wait is not None):
            raise ValueError(f"node {self.key!r} of the kind {self.kind} and its `wait` do not fit together")
        if self.kind is NodeKind.RUN and not self.definition:
            raise ValueError(f"node {self.key!r} is a run and names no definition")
        return self


class Graph(GraphModel):
    """Nodes, in the order of their numbers. Keys are unique, and every edge leads to a node.

    `wms.engine.life.graph` checks the other rules.
    """

    profile: BranchingProfile = BranchingProfile.CHAIN
    nodes: Annotated[tuple[Node, ...], Field(max_length=MAX_NODES)] = ()
    #: Whether the run fails after any failure, even one that a failure edge handled.
    any_failure_fails: bool = False
    #: Whether the run ends with the outcome of its only node; an error stays an error.
    is_leaf: bool = False
    #: Whether the run ends as its worst node did, whatever edges lead on: error before failed.
    ends_as_worst_node: bool = False

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        n_nodes = len(self.nodes)
        if len({node.key for node in self.nodes}) < n_nodes:
            raise ValueError("two nodes have the same key")
        for node in self.nodes:
            for number in (*(edge.to for edge in node.edges), node.opens, node.restarts):
                if number is not None and not 0 <= number < n_nodes:
                    raise ValueError(f"node {node.key!r} leads to node number {number}, and there are {n_nodes}")
        return self


class DefinitionKind(StoredEnum):
    """The form in which an author wrote a definition."""

    STEPS = "steps"
    FLOW = "flow"
    TEMPLATE = "template"
    CATALOGUE = "catalogue"


class Definition(GraphModel):
    """A graph that people launch by its name. If the definition has a form, the form checks the `params` of a run."""

    name: Annotated[str, Field(min_length=1, max_length=512)]
    kind: DefinitionKind = DefinitionKind.STEPS
    graph: Graph
    #: The pool whose step workers have the functions.
    pool: str = "default"
    #: A digest of the functions' code; empty if unknown. The digest is part of the hash.
    code: str = ""
    description: str = ""
    #: What a process does to its subscription, in the word of the dialect.
    target: str = ""
    tag: str = ""
    search_phrase: str = ""
    #: Whether a launch must pass a form first.
    has_form: bool = False
    #: The name for people; if empty, `name`.
    title: str = ""
    #: Parameters of a run that its launch does not give, and those whose values are secret.
    variables: dict[str, Any] = Field(default_factory=dict)
    masked: tuple[str, ...] = ()
    #: The node's own answers to prompts, and the prompts that a launch may answer instead.
    prompts: dict[str, Any] = Field(default_factory=dict)
    asks: tuple[str, ...] = ()
    #: The labels of its runs, and the organization that has them.
    labels: tuple[str, ...] = ()
    organization: str = ""
    #: Whether a launch only creates the run. WMS begins the run when the earlier runs are over.
    runs_alone: bool = False

    @property
    def hash(self) -> DefinitionHash:
        """The digest of the definition's name, kind, code and graph."""
        content = self.model_dump(mode="json", include={"name", "kind", "graph", "code"}, exclude_defaults=True)
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return DefinitionHash(hashlib.sha256(text.encode()).hexdigest())


def make_chain(nodes: tuple[Node, ...]) -> Graph:
    """Return a graph in which each of `nodes` follows the node before it. The edges in `nodes` are ignored."""
    last = len(nodes) - 1
    return Graph(
        profile=BranchingProfile.CHAIN,
        nodes=tuple(
            node.model_copy(update={"edges": (Edge(to=number + 1),) if number < last else ()})
            for number, node in enumerate(nodes)
        ),
    )
