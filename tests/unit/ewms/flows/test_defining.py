"""Flows as their authors write them, and the graphs that they become. Tests name the contract's rows they prove."""

import pytest

from ewms.flows import (
    CompositeExecutor,
    FlowFault,
    NodeDefine,
    Operation,
    PollingNode,
    SyncFuncNode,
    WorkflowDefine,
    WorkflowNode,
    register_workflow,
)
from ewms.flows.graph_export import export_flow
from ewms.flows.registry import keep_flows, list_flows
from schemas.engine.graph import BranchingProfile, DefinitionKind, EdgeKind
from wms.engine.life.launching import check_definition


def work(node: WorkflowNode, context: object) -> None:
    del node, context


def look(node: WorkflowNode, context: object) -> Operation:
    del node, context
    return Operation.processing()


CREATE = WorkflowDefine(
    {
        "fail": NodeDefine("end", executor=work),
        "start": NodeDefine("check", "create", "fail", SyncFuncNode, CompositeExecutor(work, work)),
        "create": NodeDefine("create", "done", "fail", PollingNode, work, poll=look, parameters={"size": 3}),
        "done": NodeDefine("end", "", "pause", executor=work),
    },
    description="Create a cluster",
)


def test_the_happy_path_is_the_node_names() -> None:
    assert CREATE.node_names == ("check", "create", "end")


def test_d7_a_nodes_key_is_its_edge_so_two_nodes_may_have_one_name() -> None:
    sent = export_flow("create_cluster", CREATE, "default")
    assert sent.kind is DefinitionKind.FLOW
    assert [node.key for node in sent.graph.nodes] == ["start", "create", "done", "fail"]
    assert [node.name for node in sent.graph.nodes] == ["check", "create", "end", "end"]
    check_definition(sent)


def test_2_3_edges_become_edges_and_pause_halts_its_node() -> None:
    graph = export_flow("create_cluster", CREATE).graph
    edges = {node.key: {edge.kind: graph.nodes[edge.to].key for edge in node.edges} for node in graph.nodes}
    assert edges == {
        "start": {EdgeKind.SUCCESS: "create", EdgeKind.FAILURE: "fail"},
        "create": {EdgeKind.SUCCESS: "done", EdgeKind.FAILURE: "fail"},
        "done": {},
        "fail": {},
    }
    assert [node.key for node in graph.nodes if node.halts] == ["done"]
    assert (graph.profile, graph.any_failure_fails) == (BranchingProfile.DAG, True)
    assert graph.nodes[1].params == {"size": 3}


def test_one_node_may_follow_success_and_failure() -> None:
    flow = WorkflowDefine(
        {"start": NodeDefine("a", "next", "next", executor=work), "next": NodeDefine("b", executor=work)}
    )
    sent = export_flow("both", flow)
    assert [(edge.kind, edge.to) for edge in sent.graph.nodes[0].edges] == [(EdgeKind.ALWAYS, 1)]
    check_definition(sent)


def test_an_edge_without_a_node_ends_the_flow_and_is_told_at_the_workers_start() -> None:
    flow = WorkflowDefine({"start": NodeDefine("a", "end", executor=work), "lost": NodeDefine("b", executor=work)})
    assert flow.node_names == ("a",)
    assert [node.key for node in export_flow("odd", flow).graph.nodes] == ["start"]
    assert flow.list_warnings() == [
        "no edge leads to the node at 'lost', so it never runs",
        "the node at 'start' leads to 'end', where there is no node, so the flow ends there",
    ]
    assert CREATE.list_warnings() == []


@pytest.mark.parametrize(
    ("nodes", "word"),
    [
        ({}, "start"),
        ({"start": NodeDefine("a", executor=work), "pause": NodeDefine("b", executor=work)}, "reserved"),
        ({"start": NodeDefine("a", "pause", executor=work)}, "failures only"),
        ({"start": NodeDefine("a", "start", executor=work)}, "follow itself"),
        ({"start": NodeDefine("a", "b", executor=work), "b": NodeDefine("b", "", "start", executor=work)}, "itself"),
        ({"start": NodeDefine("a")}, "no executor"),
        ({"start": NodeDefine("a", kind=PollingNode, executor=work)}, "poll"),
        ({"start": NodeDefine("a", executor=work, poll=look)}, "poll"),
    ],
)
def test_a_flow_that_breaks_a_rule_is_refused_with_the_edge(nodes: dict[str, NodeDefine], word: str) -> None:
    with pytest.raises(FlowFault, match=word):
        WorkflowDefine(nodes)


def test_a_long_flow_is_walked_without_recursion() -> None:
    nodes = {f"n{n}": NodeDefine("x", f"n{n + 1}", "fail", executor=work) for n in range(1, 3000)}
    flow = WorkflowDefine(
        {"start": NodeDefine("a", "n1", executor=work), **nodes, "fail": NodeDefine("f", executor=work)}
    )
    assert len(flow.list_edges()) == 3001
    check_definition(export_flow("long", flow))


def test_t6_a_second_registration_replaces_the_first() -> None:
    with keep_flows():
        register_workflow("create_cluster", CREATE)
        again = WorkflowDefine({"start": NodeDefine("other", executor=work)})
        register_workflow("create_cluster", again)
        assert list_flows()["create_cluster"] is again
    assert "create_cluster" not in list_flows()
