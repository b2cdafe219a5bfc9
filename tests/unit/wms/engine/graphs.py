"""Graphs to test with: node number n has the key `n<number>`."""

from typing import Any

from schemas.engine.graph import BranchingProfile, Edge, EdgeKind, Graph, Node


def make_graph(
    profile: BranchingProfile,
    n_nodes: int,
    *edges: tuple[int, EdgeKind, int],
    fields: dict[int, dict[str, Any]] | None = None,
) -> Graph:
    """Return a graph of steps with these edges (source, kind, target); `fields` of single nodes by number."""
    out: list[list[Edge]] = [[] for _ in range(n_nodes)]
    for source, kind, to in edges:
        out[source].append(Edge(kind=kind, to=to))
    nodes = [
        Node.model_validate(
            {"key": f"n{n}", "name": f"Node {n}", "function": f"do_{n}", "edges": out[n], **(fields or {}).get(n, {})}
        )
        for n in range(n_nodes)
    ]
    return Graph(profile=profile, nodes=tuple(nodes))


def connect(graph: Graph, source: int, kind: EdgeKind, to: int) -> Graph:
    """Return `graph` with one more edge."""
    nodes = list(graph.nodes)
    edges = (*nodes[source].edges, Edge(kind=kind, to=to))
    nodes[source] = nodes[source].model_copy(update={"edges": edges})
    return graph.model_copy(update={"nodes": tuple(nodes)})
