"""Runs of flows for tests: the engine's walk, along a flow that is written with `ewms.flows`."""

from typing import Any

from ewms.flows import NodeDefine, Operation, PollingNode, WorkflowDefine, WorkflowNode
from ewms.flows.graph_export import export_flow
from schemas.engine.graph import DefinitionKind
from schemas.engine.run_documents import RunDocument
from tests.unit.wms.engine.walking import Walk
from wms.engine.repository import make_document


def work(node: WorkflowNode, context: object) -> None:
    """Do nothing."""


def look(node: WorkflowNode, context: object) -> Operation:
    """Look again."""
    return Operation.processing()


#: Upstream's own trap: the failure handler has the name of the last node.
FLOW = WorkflowDefine(
    {
        "start": NodeDefine("check", "create", "fail", executor=work, parameters={"size": 3}),
        "create": NodeDefine("create", "done", "fail", PollingNode, work, poll=look),
        "done": NodeDefine("end", "", "pause", executor=work),
        "fail": NodeDefine("end", executor=work),
    },
    description="Create a cluster",
)
DEFINITION = export_flow("create_cluster", FLOW)


def walk_flow(**params: Any) -> Walk:
    """Return a walk along `FLOW`."""
    walk = Walk(DEFINITION.graph, params={"biz_id": "c-1", "biz_type": "cluster", **params})
    walk.run.facts = walk.run.facts.model_copy(update={"kind": DefinitionKind.FLOW, "definition": DEFINITION.name})
    return walk


def run_of(walk: Walk) -> RunDocument:
    """Return the run of a walk, whole."""
    return walk.facts.model_copy(update={"nodes": tuple(walk.run.nodes)})


def stored(walk: Walk) -> dict[str, Any]:
    """Return the run of a walk as MongoDB has it."""
    return make_document(run_of(walk))
