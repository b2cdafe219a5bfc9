"""Check the edges of a template: which rule an edge would break, at which nodes, and the way out. (core)

The engine holds the rules (`wms.engine.life.graph`), in the order that the contract wants: exclusive lists, a second
parent, a cycle. A refusal changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence

from schemas.automation.trees import MAX_TREE_NODES, TemplateDocument, TemplateNode, Topology, name_edge_list
from schemas.engine.graph import BranchingProfile, Convergence, Edge, EdgeKind, Graph, Node, NodeKind
from schemas.errors import Rejected
from schemas.ids import NodeKey, TemplateNodeId
from wms.engine.life.graph import BrokenRule, GraphRule, find_broken_rule

_PROFILES: Mapping[Topology, BranchingProfile] = {
    Topology.TREE: BranchingProfile.TREE,
    Topology.DAG: BranchingProfile.DAG,
}


class TreeRefused(Rejected):
    """An edge, or a whole graph, breaks a rule of its topology."""

    def __init__(self, reason: str, *, rule: str, node_ids: Sequence[int] = (), hint: str = "") -> None:
        super().__init__(reason, hint=hint)
        self.rule = rule
        self.node_ids = tuple(node_ids)


def find_profile(topology: Topology) -> BranchingProfile:
    """Return the table by which the engine walks a graph of `topology`.

    Raises:
        Rejected: this version does not know the topology.
    """
    if topology not in _PROFILES:
        raise Rejected(f"topology: {topology!r} is none of {', '.join(Topology)}")
    return _PROFILES[topology]


def make_bare_graph(topology: Topology, nodes: Sequence[TemplateNode]) -> Graph:
    """Return the graph of `nodes` with nothing to run in it. Edges name nodes by their place."""
    places = {node.id: number for number, node in enumerate(nodes)}
    return Graph(
        profile=find_profile(topology),
        nodes=tuple(
            Node(
                key=NodeKey(node.identifier),
                name=node.identifier,
                kind=NodeKind.EMPTY,
                edges=tuple(
                    Edge(kind=kind, to=places[child]) for kind, children in node.edges.items() for child in children
                ),
                convergence=Convergence.ALL if node.all_parents_must_converge else Convergence.ANY,
            )
            for node in nodes
        ),
    )


def add_edge(
    topology: Topology, nodes: Sequence[TemplateNode], parent: TemplateNodeId, kind: EdgeKind, child: TemplateNodeId
) -> tuple[TemplateNode, ...]:
    """Return `nodes` with one more edge. Both nodes must be among them. An edge that is there already changes nothing.

    Raises:
        TreeRefused: the edge breaks a rule; the error names the rule, the nodes and the remedy.
    """
    places = {node.id: number for number, node in enumerate(nodes)}
    source = nodes[places[parent]]
    if child in source.edges[kind]:
        return tuple(nodes)
    graph = make_bare_graph(topology, nodes)
    broken = find_broken_rule(graph, places[parent], Edge(kind=kind, to=places[child]))
    if broken is not None:
        reason, hint = explain_rule(broken, nodes, topology)
        raise TreeRefused(reason, rule=broken.rule, node_ids=[nodes[number].id for number in broken.nodes], hint=hint)
    changed = source.model_copy(update={name_edge_list(kind): (*source.edges[kind], child)})
    return tuple(changed if node.id == parent else node for node in nodes)


def remove_edge(
    nodes: Sequence[TemplateNode], parent: TemplateNodeId, kind: EdgeKind, child: TemplateNodeId
) -> tuple[TemplateNode, ...]:
    """Return `nodes` without an edge. If it is not there, nothing changes."""
    return tuple(
        node.model_copy(update={name_edge_list(kind): tuple(each for each in node.edges[kind] if each != child)})
        if node.id == parent and child in node.edges[kind]
        else node
        for node in nodes
    )


def remove_node(nodes: Sequence[TemplateNode], gone: TemplateNodeId) -> tuple[TemplateNode, ...]:
    """Return `nodes` without the node `gone`, and without the edges to it. The nodes below it become roots."""
    kept = [node for node in nodes if node.id != gone]
    return tuple(
        node.model_copy(
            update={
                name_edge_list(kind): tuple(each for each in children if each != gone)
                for kind, children in node.edges.items()
            }
        )
        if any(gone in children for children in node.edges.values())
        else node
        for node in kept
    )


def describe_node(node: TemplateNode) -> str:
    """Return the words by which an error names a node. One that is not stored yet has no number."""
    return f"node #{node.id} {node.identifier!r}" if node.id > 0 else f"node {node.identifier!r}"


def explain_rule(broken: BrokenRule, nodes: Sequence[TemplateNode], topology: Topology) -> tuple[str, str]:
    """Return what is wrong, with the nodes and the rule, and the remedy."""
    named = [describe_node(nodes[number]) for number in broken.nodes]
    rule = f"the rule '{broken.rule}' of the topology '{topology}'"
    allows = "; with topology: dag the template would allow it"
    match broken.rule:
        case GraphRule.EXCLUSION:
            reason = f"{broken.text}: {named[0]} cannot lead to {named[1]} like this ({rule})"
            return reason, f"use always_nodes alone, or success_nodes and failure_nodes{allows}"
        case GraphRule.CONVERGENCE:
            there = f"{named[1]} comes after {named[2]} and cannot come after {named[0]} too"
            reason = f"{broken.text}: {there} ({rule})"
            return reason, f"remove the edge from {named[2]} first{allows}"
        case GraphRule.CYCLE:
            way = " > ".join([*named, named[0]])
            return f"{broken.text}: {way} ({rule})", "remove one of these edges; no topology allows a cycle"
        case GraphRule.ONE_EDGE:
            reason = f"{broken.text}: {named[0]} leads to {named[1]} already ({rule})"
            return reason, "remove that edge first; an always edge follows success and failure alike"
        case _:
            return f"{broken.text}: {', '.join(named)} ({rule})", ""


def find_node(nodes: Iterable[TemplateNode], node_id: TemplateNodeId) -> TemplateNode:
    """Return the node with this id, which is one of `nodes`."""
    return next(node for node in nodes if node.id == node_id)


def check_room(template: TemplateDocument) -> None:
    """Check that one more node fits into `template`.

    Raises:
        Rejected: it is full.
    """
    if len(template.nodes) >= MAX_TREE_NODES:
        raise Rejected(f"a template holds {MAX_TREE_NODES} nodes at most")
