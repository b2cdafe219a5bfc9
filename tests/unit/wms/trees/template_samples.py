"""Templates to test with: node number n has the id 10 + n and the identifier `n<number>`."""

from datetime import UTC, datetime
from typing import Any

from schemas.automation.trees import TemplateDocument, TemplateKind, TemplateNode, Topology, name_edge_list
from schemas.engine.graph import EdgeKind
from schemas.ids import TemplateId, TemplateNodeId

NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)


def make_nodes(n_nodes: int, *edges: tuple[int, EdgeKind, int], **fields: Any) -> tuple[TemplateNode, ...]:
    """Return nodes with these edges (source, kind, target)."""
    lists: list[dict[str, tuple[int, ...]]] = [{} for _ in range(n_nodes)]
    for source, kind, to in edges:
        name = name_edge_list(kind)
        lists[source][name] = (*lists[source].get(name, ()), 10 + to)
    return tuple(
        TemplateNode.model_validate({"id": 10 + n, "identifier": f"n{n}", "template": 100 + n, **lists[n], **fields})
        for n in range(n_nodes)
    )


def make_template(**fields: Any) -> TemplateDocument:
    """Return a workflow job template."""
    known = {"id": TemplateId(1), "kind": TemplateKind.WORKFLOW, "name": "release", "topology": Topology.TREE}
    return TemplateDocument.model_validate({**known, "created": NOW, "modified": NOW, **fields})


def node_id(number: int) -> TemplateNodeId:
    """Return the id of a node."""
    return TemplateNodeId(10 + number)
