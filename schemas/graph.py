"""Graphs of nodes, and definitions: what can be launched.

    definition ──► graph ──► nodes, each with the edges that leave it
                               step       a Python function that a step worker calls
                               wait       the node ends when something from outside comes
                               run        another definition, as a run of its own
                               workflow   an EWMS workflow on the fleet
                               empty      nothing: its template is gone, or never was

A node's *number* is its place in the graph, and edges name nodes by it. Its *key* is stable: the position in a step
list, or the identifier in a template.
"""

import hashlib
import json
from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.ids import DefinitionHash, NodeKey
from schemas.stored_enum import StoredEnum

#: The most nodes of one graph, so that a run stays within MongoDB's 16 MiB a document.
MAX_NODES = 20_000


class BranchingProfile(StoredEnum):
    """By which table the outcome of a node selects what comes next. `wms.engine.life.branching` holds the tables."""

    #: One node after the other. A failure waits for a person.
    CHAIN = "chain"
    #: One parent a node. An error stops everything below it.
    TREE = "tree"
    #: Several parents a node. An error is routed like a failure.
    DAG = "dag"


class EdgeKind(StoredEnum):
    """Which outcomes of its source an edge follows."""

    SUCCESS = "success"
    FAILURE = "failure"
    ALWAYS = "always"


class Convergence(StoredEnum):
    """How many of a node's edges must be satisfied before it runs."""

    ANY = "any"
    ALL = "all"


class NodeKind(StoredEnum):
    """What a node does."""

    STEP = "step"
    WAIT = "wait"
    RUN = "run"
    WORKFLOW = "workflow"
    EMPTY = "empty"


class WaitKind(StoredEnum):
    """What a node waits for."""

    #: A call of a URL with a token in it.
    CALLBACK = "callback"
    #: A named event with the right correlation.
    EVENT = "event"
    #: The next look of a step that answered `pending`.
    POLL = "poll"
    #: A person who fills in a form.
    INPUT = "input"
    #: A person who approves or denies.
    APPROVAL = "approval"
    #: The end of a run or a workflow that the node has started.
    CHILD = "child"


class GraphModel(BaseModel):
    """A part of a definition. Fields of a later version are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Edge(GraphModel):
    """A way from the node that holds it to the node with the number `to`."""

    kind: EdgeKind = EdgeKind.SUCCESS
    to: Annotated[int, Field(ge=0)]


class RetryPolicy(GraphModel):
    """How a failed step is tried again by itself. The pause begins with `first_s` and grows by `factor`."""

    #: How many attempts there may be in all; None: any number.
    attempts: Annotated[int, Field(ge=1)] | None = None
    first_s: Annotated[float, Field(ge=0)] = 60.0
    factor: Annotated[float, Field(ge=1)] = 2.0
    longest_s: Annotated[float, Field(ge=0)] = 600.0

    def find_pause(self, n_failures: int) -> timedelta | None:
        """Return the pause after the failure number `n_failures`, from 1; None: that was the last attempt."""
        if self.attempts is not None and n_failures >= self.attempts:
            return None
        # The exponent is bounded: `longest_s` has won long before, and a larger one overflows a float.
        return timedelta(seconds=min(self.longest_s, self.first_s * self.factor ** min(max(n_failures, 1) - 1, 64)))


class WaitSpec(GraphModel):
    """What a node of the kind `wait` waits for."""

    kind: WaitKind
    #: The name of the event, or of the form.
    name: str = ""
    #: The key in the run's state whose value an event must bring as its correlation; empty: the run's uuid.
    correlation_key: str = ""
    #: The key in the state under which the answer is stored; empty: the answer is merged into the state.
    result_key: str = ""
    #: The wait fails after this time; None: it lasts for ever.
    timeout_s: Annotated[float, Field(gt=0)] | None = None


class Node(GraphModel):
    """One node of a graph, as its author wrote it."""

    key: NodeKey
    name: str
    kind: NodeKind = NodeKind.STEP
    edges: tuple[Edge, ...] = ()
    convergence: Convergence = Convergence.ANY
    #: Whether a failure waits for a person instead of being an outcome; None: as the branching profile says.
    halts: bool | None = None
    #: A step: the name of the function in its definition, and the pool; an empty pool is the definition's. A wait may
    #: have one, too, which is called first: with `pending` it begins to wait, with `skipped` it does not.
    function: str = ""
    pool: str = ""
    #: One attempt may take so long; None: any time.
    timeout_s: Annotated[float, Field(gt=0)] | None = None
    retry: RetryPolicy | None = None
    wait: WaitSpec | None = None
    #: A step whose work leads to a callback: the number of the node that waits for it. The token is made with the step.
    opens: int | None = None
    #: Whoever resumes this node begins again at the node with this number; None: at this one.
    restarts: int | None = None
    #: A run: the name of its definition. A workflow: the request is in `params`.
    definition: str = ""
    params: dict[str, Any] = Field(default_factory=dict)

    @property
    def timeout(self) -> timedelta | None:
        """Return how long one attempt may take; None: any time."""
        return None if self.timeout_s is None else timedelta(seconds=self.timeout_s)

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
    """Nodes by their numbers. Keys are unique, and every edge leads to a node.

    `wms.engine.life.graph` checks the rest.
    """

    profile: BranchingProfile = BranchingProfile.CHAIN
    nodes: Annotated[tuple[Node, ...], Field(max_length=MAX_NODES)] = ()
    #: Whether the run fails after any failure, even one that a failure edge handled.
    any_failure_fails: bool = False

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
    """What a definition was written as."""

    STEPS = "steps"
    FLOW = "flow"
    TEMPLATE = "template"
    CATALOGUE = "catalogue"


class Definition(GraphModel):
    """What can be launched by its name. `params` of a run are checked by the form, where there is one."""

    name: Annotated[str, Field(min_length=1, max_length=512)]
    kind: DefinitionKind = DefinitionKind.STEPS
    graph: Graph
    #: The pool whose step workers have the functions.
    pool: str = "default"
    #: A digest of the functions' code; empty: unknown. It is part of the hash.
    code: str = ""
    description: str = ""
    #: What processes do with their subscription; the word belongs to the dialect.
    target: str = ""
    tag: str = ""
    search_phrase: str = ""
    #: Whether a launch must pass a form first.
    has_form: bool = False

    @property
    def hash(self) -> DefinitionHash:
        """Return the digest of what a run of this definition does: name, kind, code and graph, in order."""
        content = self.model_dump(mode="json", include={"name", "kind", "graph", "code"}, exclude_defaults=True)
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return DefinitionHash(hashlib.sha256(text.encode()).hexdigest())


def make_chain(nodes: tuple[Node, ...]) -> Graph:
    """Return the graph in which each of `nodes` follows the one before it. Their own edges are replaced."""
    last = len(nodes) - 1
    return Graph(
        profile=BranchingProfile.CHAIN,
        nodes=tuple(
            node.model_copy(update={"edges": (Edge(to=number + 1),) if number < last else ()})
            for number, node in enumerate(nodes)
        ),
    )
