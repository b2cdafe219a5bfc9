"""What a graph may look like: cycles, convergence, exclusive edges, one edge a pair; and its order. (core)

    profile   at a node                                   at a pair   in the whole
    chain     one edge out, which follows success; one in             one root, no cycle
    tree      one edge in; `always` excludes the others               no cycle
    dag                                                   one edge    no cycle

`find_edge_fault` looks at one edge that somebody wants to add, `check_graph` at a whole graph.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.errors import Rejected
from schemas.graph import BranchingProfile, Edge, EdgeKind, Graph


class GraphFault(Rejected):
    """The graph breaks a rule of its profile."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What follows from a graph's edges. Lists are by number."""

    #: For each node the edges that lead to it: (source, kind).
    incoming: tuple[tuple[tuple[int, EdgeKind], ...], ...]
    roots: tuple[int, ...]
    #: For each wait, the step that opens it.
    opened_by: dict[int, int]


def find_layout(graph: Graph) -> Layout:
    """Return the layout of `graph`."""
    incoming: list[list[tuple[int, EdgeKind]]] = [[] for _ in graph.nodes]
    for number, node in enumerate(graph.nodes):
        for edge in node.edges:
            incoming[edge.to].append((number, edge.kind))
    return Layout(
        incoming=tuple(map(tuple, incoming)),
        roots=tuple(number for number, sources in enumerate(incoming) if not sources),
        opened_by={node.opens: number for number, node in enumerate(graph.nodes) if node.opens is not None},
    )


def sort_topologically(graph: Graph) -> list[int]:
    """Return the numbers of all nodes, each after those that lead to it.

    Raises:
        GraphFault: there is a cycle.
    """
    n_left = [0] * len(graph.nodes)
    for node in graph.nodes:
        for edge in node.edges:
            n_left[edge.to] += 1
    ready = deque(number for number, n in enumerate(n_left) if n == 0)
    order: list[int] = []
    while ready:
        number = ready.popleft()
        order.append(number)
        for edge in graph.nodes[number].edges:
            n_left[edge.to] -= 1
            if n_left[edge.to] == 0:
                ready.append(edge.to)
    if len(order) < len(graph.nodes):
        stuck = next(node.key for number, node in enumerate(graph.nodes) if n_left[number] > 0)
        raise GraphFault(f"cycle detected: node {stuck!r} comes after itself")
    return order


def find_edge_fault(graph: Graph, source: int, edge: Edge) -> str:
    """Return why `edge` may not leave the node `source`; empty: it may. An edge that is there already may.

    The order of the checks is part of the contract: exclusive edges, convergence, cycle.
    """
    edges = graph.nodes[source].edges
    if edge in edges:
        return ""
    kinds = {there.kind for there in edges}
    if graph.profile is BranchingProfile.DAG:
        if any(there.to == edge.to for there in edges):
            return "relationship not allowed: one edge leads from a node to another"
    else:
        if fault := _find_exclusion(graph.profile, kinds, edge.kind):
            return fault
        if any(there.to == edge.to for node in graph.nodes for there in node.edges):
            return "multiple parents not allowed"
    if _can_reach(graph, edge.to, source):
        return "cycle detected"
    return ""


def _find_exclusion(profile: BranchingProfile, kinds: set[EdgeKind], kind: EdgeKind) -> str:
    if profile is BranchingProfile.CHAIN:
        if kind is not EdgeKind.SUCCESS:
            return f"a chain has no {kind} edges"
        return "a chain does not branch" if kinds else ""
    if kind is EdgeKind.ALWAYS:
        others = sorted(kinds - {EdgeKind.ALWAYS})
        return f"cannot associate always_nodes when {_name_lists(others)} are associated" if others else ""
    if EdgeKind.ALWAYS in kinds:
        return f"cannot associate {kind}_nodes when always_nodes are associated"
    return ""


def _name_lists(kinds: Sequence[EdgeKind]) -> str:
    return " and ".join(f"{kind}_nodes" for kind in kinds)


def _can_reach(graph: Graph, start: int, goal: int) -> bool:
    """Return whether `goal` is `start`, or comes after it."""
    seen, frontier = {start}, [start]
    while frontier:
        number = frontier.pop()
        if number == goal:
            return True
        for edge in graph.nodes[number].edges:
            if edge.to not in seen:
                seen.add(edge.to)
                frontier.append(edge.to)
    return False


def check_graph(graph: Graph) -> None:
    """Return if `graph` obeys the rules of its profile. Linear in nodes and edges.

    Raises:
        GraphFault: it does not.
    """
    n_parents = [0] * len(graph.nodes)
    for node in graph.nodes:
        targets: set[int] = set()
        kinds: set[EdgeKind] = set()
        for edge in node.edges:
            if not edge.kind.is_known:
                raise GraphFault(f"node {node.key!r} has an edge of the unknown kind {edge.kind!r}")
            if edge.to in targets:
                raise GraphFault(f"node {node.key!r}: relationship not allowed: one edge leads from a node to another")
            if graph.profile is not BranchingProfile.DAG:
                if fault := _find_exclusion(graph.profile, kinds, edge.kind):
                    raise GraphFault(f"node {node.key!r}: {fault}")
                if n_parents[edge.to]:
                    raise GraphFault(f"node {graph.nodes[edge.to].key!r}: multiple parents not allowed")
            n_parents[edge.to] += 1
            targets.add(edge.to)
            kinds.add(edge.kind)
    order = sort_topologically(graph)
    if graph.profile is BranchingProfile.CHAIN and n_parents.count(0) > 1:
        raise GraphFault("a chain has one beginning")
    _check_ways_back(graph, order)


def _check_ways_back(graph: Graph, order: Sequence[int]) -> None:
    place = {number: index for index, number in enumerate(order)}
    for number, node in enumerate(graph.nodes):
        if node.opens is not None and (graph.nodes[node.opens].wait is None or place[node.opens] <= place[number]):
            raise GraphFault(f"node {node.key!r} opens a node that is no later wait")
        if node.restarts is not None and not _can_reach_along_chain(graph, node.restarts, number):
            raise GraphFault(f"node {node.key!r} restarts at a node that does not lead to it")


def _can_reach_along_chain(graph: Graph, start: int, goal: int) -> bool:
    return start == goal or bool(find_way(graph, start, goal))


def find_way(graph: Graph, start: int, goal: int) -> tuple[int, ...]:
    """Return the nodes from `start` to `goal` along the first edge of each; empty: they do not lead there."""
    way = [start]
    while way[-1] != goal:
        edges = graph.nodes[way[-1]].edges
        if not edges or len(way) > len(graph.nodes):
            return ()
        way.append(edges[0].to)
    return tuple(way)
