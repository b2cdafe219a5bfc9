"""Flows: nodes with a success edge and a failure edge each. (core)

    WorkflowDefine({
        "start":  NodeDefine("allocate", "create", "undo", SyncFuncNode, allocate_hosts),
        "create": NodeDefine("create", "", "undo", PollingNode, start_creation, poll=look_at_creation),
        "undo":   NodeDefine("undo", "", "", SyncFuncNode, release_hosts),
    })

The key of a node is the edge that leads to it. An empty edge ends the flow, and so does an edge without a node. The
failure edge `pause` stops the flow at the node that failed, until a person starts it again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from schemas.engine.flows import PAUSE, START
from schemas.engine.graph import MAX_NODES

#: Gets the node and the flow's context. It may be a coroutine function. If it raises, the node fails.
Executor = Callable[..., Any]


class FlowNodeKind(StrEnum):
    """The kinds of nodes: one is done when its function returns, the other when its operation has ended."""

    SYNC_FUNC_NODE = "SyncFuncNode"
    POLLING_NODE = "PollingNode"


#: The node is done when its executor returns.
SyncFuncNode: Final = FlowNodeKind.SYNC_FUNC_NODE
#: The executor starts an operation, and the node is done when its poll says that the operation has ended.
PollingNode: Final = FlowNodeKind.POLLING_NODE


class FlowFault(ValueError):
    """A flow breaks a rule. The text names the edge."""


class CompositeExecutor:
    """Several executors as one: they run in turn, and the first that raises ends it."""

    def __init__(self, *executors: Executor) -> None:
        if not executors:
            raise FlowFault("a composite executor needs one executor at least")
        self.executors = executors


@dataclass(frozen=True)
class NodeDefine:
    """One node of a flow."""

    name: str
    success_edge: str = ""
    failure_edge: str = ""
    kind: FlowNodeKind = SyncFuncNode
    executor: Executor | CompositeExecutor | None = None
    #: For a polling node: returns the node's operation. The engine calls it every 3 seconds.
    poll: Executor | None = None
    #: The executor finds these as `node.parameters`.
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class WorkflowDefine:
    """A flow. Its nodes stand under the edges that lead to them; the flow enters by `start`.

    Raises:
        FlowFault: there is no `start`, edges lead in a circle, or a node lacks its functions.
    """

    nodes: Mapping[str, NodeDefine]
    description: str = ""

    def __post_init__(self) -> None:
        if START not in self.nodes:
            raise FlowFault(f"a flow enters by the edge {START!r}, and there is none")
        if PAUSE in self.nodes:
            raise FlowFault(f"the edge {PAUSE!r} is reserved: it stops the flow at the node that failed")
        if len(self.nodes) > MAX_NODES:
            raise FlowFault(f"a flow has {MAX_NODES} nodes at most, and this one has {len(self.nodes)}")
        for edge, node in self.nodes.items():
            _check_node(edge, node)
        self.list_edges()

    @property
    def node_names(self) -> tuple[str, ...]:
        """Return the names of the nodes that run if no node fails, in order."""
        names, edge = [], START
        while edge in self.nodes:
            names.append(self.nodes[edge].name)
            edge = self.nodes[edge].success_edge
        return tuple(names)

    def list_edges(self) -> tuple[str, ...]:
        """Return the edges that lead from `start` to a node, each after all edges that lead to it.

        Raises:
            FlowFault: a node follows itself.
        """
        order: dict[str, None] = {}
        #: The edges on the way to the current one, each with those that it still has to follow.
        way: list[tuple[str, list[str]]] = [(START, self._list_next(START))]
        on_way = {START}
        while way:
            edge, left = way[-1]
            if not left:
                way.pop()
                on_way.discard(edge)
                order[edge] = None
            elif (following := left.pop()) in on_way:
                raise FlowFault(f"the node at {following!r} would follow itself")
            elif following not in order:
                way.append((following, self._list_next(following)))
                on_way.add(following)
        return tuple(reversed(order))

    def list_warnings(self) -> list[str]:
        """Return a warning for each oddity of the flow; each is one sentence."""
        lost = sorted(self.nodes.keys() - set(self.list_edges()))
        return [f"no edge leads to the node at {edge!r}, so it never runs" for edge in lost] + [
            f"the node at {edge!r} leads to {following!r}, where there is no node, so the flow ends there"
            for edge, node in self.nodes.items()
            for following in (node.success_edge, node.failure_edge)
            if following not in ("", PAUSE) and following not in self.nodes
        ]

    def _list_next(self, edge: str) -> list[str]:
        node = self.nodes[edge]
        # Follow the success edge last, so that it comes first in the order.
        return [following for following in (node.success_edge, node.failure_edge) if following in self.nodes]


def _check_node(edge: str, node: NodeDefine) -> None:
    if node.success_edge == PAUSE:
        raise FlowFault(f"the node at {edge!r} has the success edge {PAUSE!r}, which is for failures only")
    if node.executor is None:
        raise FlowFault(f"the node at {edge!r} has no executor")
    if (node.poll is not None) != (node.kind is PollingNode):
        raise FlowFault(f"the node at {edge!r} needs a `poll` if it is a PollingNode, and only then")
