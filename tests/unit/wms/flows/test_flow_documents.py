"""Flows as the dialect shows them. Tests name the contract's rows they prove."""

from datetime import timedelta

import pytest

from schemas.engine.flows import FlowStatus
from schemas.engine.graph import make_chain
from schemas.engine.runs import Outcome
from schemas.errors import Conflict
from tests.unit.wms.engine.walking import NOW, step
from tests.unit.wms.flows.flow_runs import DEFINITION, FLOW, run_of, stored, walk_flow
from wms.flows.flow_documents import describe_definition, describe_flow, describe_nodes, list_node_names


def test_t2_t8_a_flow_that_was_created_is_initializing_with_all_of_its_nodes() -> None:
    walk = walk_flow()
    info = describe_flow(stored(walk)).model_dump(mode="json", by_alias=True)
    assert info == {
        "id": "u-1",
        "name": "create_cluster",
        "bizId": "c-1",
        "bizType": "cluster",
        "status": "Initializing",
        "reason": "",
        "createTime": "2026-11-29T08:00:00Z",
        "updateTime": "2026-11-29T08:00:00Z",
        "deleteTime": None,
    }
    assert [(node.edge, node.status) for node in describe_nodes(run_of(walk))] == [
        (edge, FlowStatus.INITIALIZING) for edge in ("start", "create", "done", "fail")
    ]
    assert list_node_names(DEFINITION.graph) == FLOW.node_names == ("check", "create", "end")


def test_t15_a_node_has_the_id_of_its_flow() -> None:
    walk = walk_flow().begin()
    walk.end("start", artifacts={"operation_id": "", "result": "3 hosts"})
    [node, *_] = describe_nodes(run_of(walk))
    assert node.model_dump(mode="json", by_alias=True) == {
        "id": "u-1/start",
        "parentId": "u-1",
        "edge": "start",
        "name": "check",
        "parameters": '{"size": 3}',
        "operationId": "",
        "result": "3 hosts",
        "status": "Finished",
        "startTime": "2026-11-29T08:00:00Z",
        "endTime": "2026-11-29T08:00:00Z",
    }


def test_d1_d9_a_flow_whose_failure_handler_is_named_like_its_end_is_an_error_and_shows_the_handler() -> None:
    walk = walk_flow().begin()
    walk.end("start")
    walk.now += timedelta(seconds=5)
    walk.fail("create")
    walk.now += timedelta(seconds=5)
    walk.end("fail")
    assert describe_flow(stored(walk)).status is FlowStatus.ERROR
    assert describe_flow(stored(walk)).update_time == NOW + timedelta(seconds=10)
    assert [(node.edge, node.name, node.status) for node in describe_nodes(run_of(walk))] == [
        ("start", "check", "Finished"),
        ("create", "create", "Error"),
        ("fail", "end", "Finished"),
    ]


def test_d2_a_paused_flow_is_stopped_and_its_start_runs_the_node_again() -> None:
    walk = walk_flow().begin()
    walk.end("start")
    walk.end("create")
    walk.fail("done")
    assert describe_flow(stored(walk)).status is FlowStatus.STOPPED
    assert describe_nodes(run_of(walk))[2].status is FlowStatus.ERROR
    walk.begin()
    assert walk.sent[-1] == ("done", 2)
    walk.end("done")
    assert describe_flow(stored(walk)).status is FlowStatus.FINISHED


def test_d3_the_operation_is_shown_while_it_is_polled() -> None:
    walk = walk_flow().begin()
    walk.end("start")
    walk.end("create", Outcome.PENDING, artifacts={"operation_id": "op-7", "result": ""})
    node = describe_nodes(run_of(walk))[1]
    assert (node.operation_id, node.status) == ("op-7", FlowStatus.PROCESSING)


def test_d5_a_stop_and_a_cancellation_are_seen_while_a_node_runs() -> None:
    walk = walk_flow().begin()
    walk.take("start")
    walk.stop()
    assert describe_flow(stored(walk)).status is FlowStatus.STOPPED
    walk.cancel()
    info = describe_flow(stored(walk))
    assert (info.status, info.reason) == (FlowStatus.CANCELING, "wrong customer")
    with pytest.raises(Conflict, match="being canceled"):
        walk.begin()
    walk.end("start")
    assert describe_flow(stored(walk)).status is FlowStatus.CANCELED


def test_d6_of_two_processes_that_go_on_with_the_same_node_one_is_refused() -> None:
    one, other = walk_flow().begin(), walk_flow().begin()
    one.end("start")
    assert one.facts.rev == other.facts.rev + 1, "the second write finds another revision, and is not made"
    with pytest.raises(Conflict):
        one.end("start", attempt=1)
    assert [key for key, _ in one.sent] == ["start", "create"]


def test_d7_nodes_with_one_name_are_told_apart_by_their_edges() -> None:
    walk = walk_flow()
    shown = {node.edge: node.id for node in describe_nodes(run_of(walk)) if node.name == "end"}
    assert shown == {"done": "u-1/done", "fail": "u-1/fail"}


def test_d8_a_node_that_nobody_had_taken_is_shown_as_canceled() -> None:
    walk = walk_flow().begin()
    walk.end("start")
    walk.stop()
    walk.end("create", Outcome.PENDING)
    walk.cancel()
    info = describe_flow(stored(walk))
    assert (info.status, info.reason) == (FlowStatus.CANCELED, "wrong customer")
    assert [(node.edge, node.status) for node in describe_nodes(run_of(walk))] == [
        ("start", "Finished"),
        ("create", "Canceled"),
    ]


def test_a_node_whose_worker_was_lost_says_why_it_failed() -> None:
    walk = walk_flow().begin()
    for worker in ("w1", "w2", "w3"):
        walk.take("start", worker)
        walk.lose("start")
    node = describe_nodes(run_of(walk))[0]
    assert (node.status, node.result) == (FlowStatus.ERROR, "3 step workers took it, and none said how it ended")
    assert walk.sent[-1][0] == "fail"


def test_t7_a_definition_is_shown_with_its_edges_by_name() -> None:
    shape = describe_definition(DEFINITION)
    assert {edge: (node.success_edge, node.failure_edge) for edge, node in shape.nodes.items()} == {
        edge: (node.success_edge, node.failure_edge) for edge, node in FLOW.nodes.items()
    }
    assert (shape.flow_name, shape.description, shape.pool) == ("create_cluster", "Create a cluster", "default")
    assert shape.node_names == FLOW.node_names
    assert list_node_names(make_chain(())) == ()
    assert list_node_names(make_chain((step("a"), step("b")))) == ("a", "b")
