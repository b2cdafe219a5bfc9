"""Show a run of a flow in the form of the dialect. (core)

nodes     the nodes that have begun, in that order; then those that may still begin
result    the lines that the node has left; or the reason why it failed
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from schemas.api.flows import FlowInfo, FlowNodeInfo, FlowNodeShape, FlowShape
from schemas.engine.flows import BIZ_ID, BIZ_TYPE, OPERATION_ID, PAUSE, RESULT
from schemas.engine.graph import Definition, EdgeKind, Graph, Node
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import NodeState, RunStatus, WantKind, make_idempotency_key
from wms.flows.statuses import find_flow_status, find_node_status

#: The fields of a stored run that `describe_flow` reads.
FLOW_FIELDS: Mapping[str, int] = {
    **dict.fromkeys(("uuid", "definition", "params", "status", "want", "explanation"), 1),
    **dict.fromkeys(("created_at", "started_at", "ended_at"), 1),
    **dict.fromkeys(("nodes.due_at", "nodes.started_at", "nodes.ended_at"), 1),
}


def describe_flow(stored: Mapping[str, Any]) -> FlowInfo:
    """Return a flow in the form that lists show. `stored` has at least the `FLOW_FIELDS` of its run."""
    want = stored.get("want") or {}
    params = stored.get("params") or {}
    return FlowInfo(
        id=stored["uuid"],
        name=stored["definition"],
        biz_id=str(params.get(BIZ_ID, "")),
        biz_type=str(params.get(BIZ_TYPE, "")),
        status=find_flow_status(RunStatus(stored["status"]), WantKind(want["kind"]) if want else None),
        reason=want.get("why") or stored.get("explanation") or "",
        create_time=stored["created_at"],
        update_time=max(_list_times(stored)),
    )


def _list_times(stored: Mapping[str, Any]) -> Iterable[datetime]:
    parts = [
        (stored, ("created_at", "started_at", "ended_at")),
        (stored.get("want") or {}, ("at",)),
        *((node, ("due_at", "started_at", "ended_at")) for node in stored.get("nodes", ())),
    ]
    for part, names in parts:
        yield from (part[name] for name in names if part.get(name) is not None)


def describe_nodes(run: RunDocument) -> list[FlowNodeInfo]:
    """Return all nodes of a flow that have begun or may still begin, in the order of their beginning."""
    shown = [
        (state.due_at is None, state.due_at or run.created_at, number)
        for number, state in enumerate(run.nodes)
        if find_node_status(state.status) is not None
    ]
    return [_describe_node(run, run.graph.nodes[number], run.nodes[number]) for _, _, number in sorted(shown)]


def _describe_node(run: RunDocument, node: Node, state: NodeState) -> FlowNodeInfo:
    status = find_node_status(state.status)
    assert status is not None  # the others are not shown
    failure = "" if state.error is None else state.error.message or state.error.error_class
    return FlowNodeInfo(
        id=make_idempotency_key(run.uuid, node.key),
        parent_id=run.uuid,
        edge=node.key,
        name=node.name,
        parameters=json.dumps(node.params, ensure_ascii=False) if node.params else "",
        operation_id=str(state.artifacts.get(OPERATION_ID, "")),
        result=str(state.artifacts.get(RESULT) or failure or state.explanation),
        status=status,
        start_time=state.started_at,
        end_time=state.ended_at,
    )


def list_node_names(graph: Graph) -> tuple[str, ...]:
    """Return the names of the nodes that run if no node fails, in order."""
    names, number = [], 0 if graph.nodes else None
    while number is not None:
        names.append(graph.nodes[number].name)
        number = _find_next(graph.nodes[number], EdgeKind.SUCCESS)
    return tuple(names)


def _find_next(node: Node, kind: EdgeKind) -> int | None:
    return next((edge.to for edge in node.edges if edge.kind in (kind, EdgeKind.ALWAYS)), None)


def describe_definition(definition: Definition) -> FlowShape:
    """Return a flow's definition, with edges that name their targets."""
    nodes = definition.graph.nodes

    def name_edge(node: Node, kind: EdgeKind) -> str:
        if kind is EdgeKind.FAILURE and node.halts:
            return PAUSE
        number = _find_next(node, kind)
        return "" if number is None else nodes[number].key

    return FlowShape(
        flow_name=definition.name,
        description=definition.description,
        pool=definition.pool,
        node_names=list_node_names(definition.graph),
        nodes={
            node.key: FlowNodeShape(
                name=node.name,
                success_edge=name_edge(node, EdgeKind.SUCCESS),
                failure_edge=name_edge(node, EdgeKind.FAILURE),
                function=node.function,
            )
            for node in nodes
        },
    )
