"""Check the rules of a graph, and sort its nodes. (core)

    profile   at a node                                   at a pair   in the whole
    chain     one edge out, which follows success; one in             one root, no cycle
    tree      one edge in; `always` excludes the others               no cycle
    dag                                                   one edge    no cycle

`find_broken_rule` checks one edge that a user wants to add, `list_broken_rules` a whole graph.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from schemas.engine.graph import BranchingProfile, Edge, EdgeKind, Graph, NodeKind
from schemas.errors import Rejected


class GraphFault(Rejected):
    """The graph breaks a rule of its profile."""


class GraphRule(StrEnum):
    """The rules that edges can break."""

    #: An edge follows an outcome that this version knows.
    KNOWN_KIND = "known kind"
    #: One edge at most leads from a node to another.
    ONE_EDGE = "one edge"
    #: `always` edges, or success and failure edges. In a chain: one edge.
    EXCLUSION = "exclusion"
    #: A node has one parent at most.
    CONVERGENCE = "convergence"
    #: No node comes after itself.
    CYCLE = "cycle"
    ONE_BEGINNING = "one beginning"


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A rule that a graph breaks, or would break."""

    rule: GraphRule
    #: The nodes by number. Of an edge: its source, then its target. Convergence: also the parent that is there. A
    #: cycle: all its nodes, in the order of its edges.
    nodes: tuple[int, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Facts computed from a graph's edges. Lists are indexed by the numbers of the nodes."""

    #: For each node the edges that lead to it: (source, kind).
    incoming: tuple[tuple[tuple[int, EdgeKind], ...], ...]
    roots: tuple[int, ...]
    #: For each wait, and each workflow that a step has asked for, that step.
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
    """Return the numbers of all nodes, each after the nodes that lead to it.

    Raises:
        GraphFault: there is a cycle.
    """
    order, left = _sort_nodes(graph)
    if left:
        stuck = graph.nodes[_find_cycle(graph, left)[0]].key
        raise GraphFault(f"cycle detected: node {stuck!r} comes after itself")
    return order


def _sort_nodes(graph: Graph) -> tuple[list[int], set[int]]:
    """Return the sorted nodes that come after no cycle, and the set of the other nodes."""
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
    return order, {number for number, n in enumerate(n_left) if n > 0}


def _find_cycle(graph: Graph, left: set[int]) -> tuple[int, ...]:
    """Return the nodes of a cycle. Each node in `left` has a parent in `left`, so a path upwards ends in a cycle."""
    parents = {edge.to: number for number in sorted(left, reverse=True) for edge in graph.nodes[number].edges}
    way = [min(left)]
    seen = set(way)
    while (above := parents[way[-1]]) not in seen:
        way.append(above)
        seen.add(above)
    found = way[way.index(above) :][::-1]
    first = found.index(min(found))
    return tuple(found[first:] + found[:first])


def find_edge_fault(graph: Graph, source: int, edge: Edge) -> str:
    """Return why `edge` cannot be added to the node `source`. Return "" if it can."""
    broken = find_broken_rule(graph, source, edge)
    return "" if broken is None else broken.text


def find_broken_rule(graph: Graph, source: int, edge: Edge) -> BrokenRule | None:
    """Return the rule that a new `edge` from the node `source` would break. Return None if it breaks none, or exists
    already.

    The order of the checks is part of the contract: exclusive edges, convergence, cycle.
    """
    edges = graph.nodes[source].edges
    if edge in edges:
        return None
    if graph.profile is BranchingProfile.DAG:
        if any(there.to == edge.to for there in edges):
            return BrokenRule(GraphRule.ONE_EDGE, (source, edge.to), _ONE_EDGE)
    else:
        if fault := _find_exclusion(graph.profile, {there.kind for there in edges}, edge.kind):
            return BrokenRule(GraphRule.EXCLUSION, (source, edge.to), fault)
        for number, node in enumerate(graph.nodes):
            if any(there.to == edge.to for there in node.edges):
                return BrokenRule(GraphRule.CONVERGENCE, (source, edge.to, number), _CONVERGENCE)
    if way := _find_any_way(graph, edge.to, source):
        return BrokenRule(GraphRule.CYCLE, way, "cycle detected")
    return None


_ONE_EDGE = "relationship not allowed: one edge leads from a node to another"
_CONVERGENCE = "multiple parents not allowed"


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


def _find_any_way(graph: Graph, start: int, goal: int) -> tuple[int, ...]:
    """Return the nodes of a path from `start` to `goal`, which may be the same node. Return () if there is no path."""
    came_from, frontier = {start: start}, [start]
    while frontier:
        number = frontier.pop()
        if number == goal:
            way = [number]
            while way[-1] != start:
                way.append(came_from[way[-1]])
            return tuple(reversed(way))
        for edge in graph.nodes[number].edges:
            if edge.to not in came_from:
                came_from[edge.to] = number
                frontier.append(edge.to)
    return ()


def check_graph(graph: Graph) -> None:
    """Check that `graph` obeys the rules of its profile. The time is linear in the number of nodes and edges.

    Raises:
        GraphFault: the graph breaks a rule.
    """
    for broken in list_broken_rules(graph):
        number = broken.nodes[1] if broken.rule is GraphRule.CONVERGENCE else broken.nodes[0]
        if broken.rule is GraphRule.CYCLE:
            raise GraphFault(f"{broken.text}: node {graph.nodes[number].key!r} comes after itself")
        raise GraphFault(f"node {graph.nodes[number].key!r}: {broken.text}")
    _check_ways_back(graph, sort_topologically(graph))


def list_broken_rules(graph: Graph) -> list[BrokenRule]:
    """Return all rules that the edges of `graph` break, in the order of the nodes. Of the cycles, return only one."""
    broken: list[BrokenRule] = []
    parents: dict[int, int] = {}
    for number, node in enumerate(graph.nodes):
        targets: set[int] = set()
        kinds: set[EdgeKind] = set()
        for edge in node.edges:
            pair = (number, edge.to)
            if not edge.kind.is_known:
                broken.append(BrokenRule(GraphRule.KNOWN_KIND, pair, f"an edge of the unknown kind {edge.kind!r}"))
            elif edge.to in targets:
                broken.append(BrokenRule(GraphRule.ONE_EDGE, pair, _ONE_EDGE))
            elif graph.profile is not BranchingProfile.DAG:
                if fault := _find_exclusion(graph.profile, kinds, edge.kind):
                    broken.append(BrokenRule(GraphRule.EXCLUSION, pair, fault))
                elif edge.to in parents:
                    broken.append(BrokenRule(GraphRule.CONVERGENCE, (*pair, parents[edge.to]), _CONVERGENCE))
            parents.setdefault(edge.to, number)
            targets.add(edge.to)
            kinds.add(edge.kind)
    _, left = _sort_nodes(graph)
    if left:
        broken.append(BrokenRule(GraphRule.CYCLE, _find_cycle(graph, left), "cycle detected"))
    elif graph.profile is BranchingProfile.CHAIN and len(graph.nodes) - len(parents) > 1:
        roots = tuple(number for number in range(len(graph.nodes)) if number not in parents)
        broken.append(BrokenRule(GraphRule.ONE_BEGINNING, roots, "a chain has one beginning"))
    return broken


def _check_ways_back(graph: Graph, order: Sequence[int]) -> None:
    place = {number: index for index, number in enumerate(order)}
    for number, node in enumerate(graph.nodes):
        if node.opens is not None:
            opened = graph.nodes[node.opens]
            can_open = opened.wait is not None or opened.kind is NodeKind.WORKFLOW
            if not can_open or place[node.opens] <= place[number]:
                raise GraphFault(f"node {node.key!r} opens a node that is no later wait")
        if node.restarts is not None and not _can_reach_along_chain(graph, node.restarts, number):
            raise GraphFault(f"node {node.key!r} restarts at a node that does not lead to it")


def _can_reach_along_chain(graph: Graph, start: int, goal: int) -> bool:
    return start == goal or bool(find_way(graph, start, goal))


def find_way(graph: Graph, start: int, goal: int) -> tuple[int, ...]:
    """Return the nodes from `start` to `goal` along the first edge of each node. Return () if these edges do not lead
    there.
    """
    way = [start]
    while way[-1] != goal:
        edges = graph.nodes[way[-1]].edges
        if not edges or len(way) > len(graph.nodes):
            return ()
        way.append(edges[0].to)
    return tuple(way)
