"""Draw the graph of a template or of a job: as data, as Mermaid, and as DOT. (core)

A drawing has for each node its name, its state and why it is in that state; for each edge its kind.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.engine.graph import EdgeKind, Graph
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import NodeStatus
from wms.engine.life.graph import find_layout
from wms.graph_text import LineStyle, TextEdge, TextNode, write_dot, write_mermaid
from wms.insight.runs.node_reasons import explain_node
from wms.trees.jobs.explain import number_node

_COLORS: Mapping[str, str] = {
    NodeStatus.SUCCESSFUL: "#b7e4c7",
    NodeStatus.SKIPPED: "#b7e4c7",
    NodeStatus.FAILED: "#f5b7b1",
    NodeStatus.ERROR: "#f5b7b1",
    NodeStatus.CANCELED: "#f9e79f",
    NodeStatus.PASSED: "#e5e7e9",
    NodeStatus.PENDING: "#ffffff",
}
_ACTIVE = "#aed6f1"
_EDGE_COLORS: Mapping[EdgeKind, str] = {
    EdgeKind.SUCCESS: "#1e8449",
    EdgeKind.FAILURE: "#b03a2e",
    EdgeKind.ALWAYS: "#2471a3",
}
_LINES: Mapping[EdgeKind, LineStyle] = {EdgeKind.FAILURE: LineStyle.DOTTED, EdgeKind.ALWAYS: LineStyle.THICK}


@dataclass(frozen=True, slots=True)
class DrawnNode:
    """A node of a drawing."""

    number: int
    identifier: str
    name: str
    status: str = ""
    #: Why it ran, or why it did not.
    why: str = ""
    job: int | None = None
    reused_from: int | None = None
    started: datetime | None = None
    finished: datetime | None = None


@dataclass(frozen=True, slots=True)
class Drawing:
    """A graph to draw. An edge has the places of its nodes."""

    nodes: tuple[DrawnNode, ...]
    edges: tuple[tuple[int, EdgeKind, int], ...]


def _list_edges(graph: Graph) -> tuple[tuple[int, EdgeKind, int], ...]:
    return tuple((place, edge.kind, edge.to) for place, node in enumerate(graph.nodes) for edge in node.edges)


def draw_graph(graph: Graph, numbers: Iterable[int]) -> Drawing:
    """Return the drawing of a graph that has not been launched. `numbers` are those of its nodes."""
    nodes = tuple(DrawnNode(number, node.key, node.name) for number, node in zip(numbers, graph.nodes, strict=True))
    return Drawing(nodes, _list_edges(graph))


def draw_run(run: RunDocument) -> Drawing:
    """Return the drawing of a job."""
    incoming = find_layout(run.graph).incoming
    nodes = tuple(
        DrawnNode(
            number=number_node(run.id, place),
            identifier=spec.key,
            name=spec.name,
            status=state.status.value,
            why=explain_node(run, state, incoming[place]),
            job=state.child_run,
            reused_from=state.reused_from,
            started=state.started_at,
            finished=state.ended_at,
        )
        for place, (spec, state) in enumerate(zip(run.graph.nodes, run.nodes, strict=True))
    )
    return Drawing(nodes, _list_edges(run.graph))


def show_drawing(drawing: Drawing) -> dict[str, Any]:
    """Return a drawing as JSON. Times are left as they are."""
    return {
        "nodes": [
            {
                "id": node.number,
                "identifier": node.identifier,
                "name": node.name,
                "status": node.status or None,
                "why": node.why,
                "job": node.job,
                "reused_from": node.reused_from,
                "started": node.started,
                "finished": node.finished,
            }
            for node in drawing.nodes
        ],
        "edges": [
            {"source": drawing.nodes[source].number, "kind": kind.value, "target": drawing.nodes[to].number}
            for source, kind, to in drawing.edges
        ],
    }


def _find_color(node: DrawnNode) -> str:
    return _COLORS.get(node.status, _ACTIVE) if node.status else _COLORS[NodeStatus.PENDING]


def _list_text_parts(drawing: Drawing) -> tuple[list[TextNode], list[TextEdge]]:
    nodes = [TextNode((node.name, node.status), _find_color(node)) for node in drawing.nodes]
    edges = [
        TextEdge(source, to, kind.value, _EDGE_COLORS.get(kind, "#000000"), _LINES.get(kind, LineStyle.PLAIN))
        for source, kind, to in drawing.edges
    ]
    return nodes, edges


def draw_mermaid(drawing: Drawing) -> str:
    """Return a drawing as the text of a Mermaid flowchart."""
    return write_mermaid(*_list_text_parts(drawing))


def draw_dot(drawing: Drawing) -> str:
    """Return a drawing as the text of a DOT graph."""
    return write_dot("tree", *_list_text_parts(drawing))
