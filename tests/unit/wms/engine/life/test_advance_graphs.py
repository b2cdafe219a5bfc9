"""The one decision about a run: trees, dags, children. Tests name the contract's rows they prove."""

import pytest

from schemas.engine.graph import BranchingProfile, EdgeKind
from schemas.engine.runs import Outcome, RunStatus
from schemas.errors import Conflict
from tests.unit.wms.engine.graphs import make_graph
from tests.unit.wms.engine.walking import Walk
from wms.engine.life.stimuli import Begin

S, F, A = EdgeKind.SUCCESS, EdgeKind.FAILURE, EdgeKind.ALWAYS
TREE, DAG = BranchingProfile.TREE, BranchingProfile.DAG


def test_a4_a26_all_roots_begin_and_nothing_else() -> None:
    walk = Walk(make_graph(TREE, 5, (0, S, 1), (2, S, 3))).begin()
    assert walk.statuses == "upupu"


def test_a27_each_tree_goes_its_own_way_and_the_run_ends_with_the_last() -> None:
    walk = Walk(make_graph(TREE, 4, (0, S, 1), (2, S, 3))).begin()
    walk.end("n0")
    assert walk.statuses == "Suup"
    walk.end("n1")
    walk.end("n2")
    assert walk.status is RunStatus.RUNNING
    walk.end("n3")
    assert walk.status is RunStatus.SUCCESSFUL


def test_a30_an_error_stops_all_branches_below_in_a_tree_and_the_others_keep_their_pace() -> None:
    walk = Walk(make_graph(TREE, 5, (0, S, 1), (0, F, 2), (3, A, 4))).begin()
    walk.end("n0", Outcome.ERROR)
    assert walk.statuses == "E--up"
    walk.fail("n3")
    assert walk.statuses == "E--Fu"
    walk.end("n4")
    assert walk.status is RunStatus.FAILED
    assert walk.facts.explanation == "nodes that ended badly: n0 error"


def test_1_4_c_the_worked_example() -> None:
    graph = make_graph(
        DAG,
        10,
        *((0, F, 1), (0, S, 2), (0, A, 3), (1, S, 4), (1, F, 5), (2, F, 6)),
        *((3, S, 6), (4, A, 6), (6, A, 7), (6, S, 8), (6, F, 9)),
    )
    walk = Walk(graph).begin()
    walk.end("n0")
    assert walk.statuses == "S-uu--pppp"
    walk.end("n2")
    walk.end("n3")
    assert walk.statuses == "S-SS--uppp"
    walk.fail("n6")
    assert walk.statuses == "S-SS--Fu-u"
    walk.end("n7")
    walk.end("n9")
    assert (walk.status, walk.statuses) == (RunStatus.SUCCESSFUL, "S-SS--FS-S")


def test_1_4_a_an_empty_node_is_over_at_once() -> None:
    empty = {"kind": "empty", "function": ""}
    walk = Walk(make_graph(DAG, 4, (0, S, 1), (0, F, 2), (2, S, 3), fields={0: empty, 3: empty})).begin()
    assert walk.statuses == "E-up"
    walk.end("n2")
    assert walk.statuses == "E-SE"
    assert walk.status is RunStatus.FAILED


def test_d1_a_flow_that_failed_is_failed_though_its_failure_handler_ran() -> None:
    graph = make_graph(DAG, 3, (0, S, 1), (0, F, 2), (1, F, 2)).model_copy(update={"any_failure_fails": True})
    walk = Walk(graph).begin()
    walk.end("n0")
    walk.fail("n1")
    assert walk.statuses == "SFu"
    walk.end("n2")
    assert (walk.status, walk.facts.explanation) == (RunStatus.FAILED, "nodes that ended badly: n1 failed")


def test_d2_a_node_with_the_edge_pause_halts_and_begin_runs_it_again() -> None:
    walk = Walk(make_graph(DAG, 2, (0, S, 1), fields={0: {"halts": True}})).begin()
    walk.fail("n0")
    assert (walk.status, walk.statuses) == (RunStatus.HALTED, "hp")
    walk.do(Begin("ada"))
    assert walk.sent == [("n0", 1), ("n0", 2)]


def test_a_node_that_this_version_does_not_know_is_an_error() -> None:
    graph = make_graph(DAG, 2)
    strange = graph.nodes[0].model_copy(update={"kind": type(graph.nodes[0].kind)("quantum")})
    walk = Walk(graph)
    walk.run.facts = walk.facts.model_copy(
        update={"graph": graph.model_copy(update={"nodes": (strange, graph.nodes[1])})}
    )
    walk.begin()
    assert walk.statuses == "Eu"


RUN_NODE = {"kind": "run", "definition": "nested", "function": ""}


def test_a_node_that_runs_another_run_waits_for_its_end() -> None:
    walk = Walk(make_graph(DAG, 3, (0, S, 1), (0, F, 2), fields={0: RUN_NODE})).begin()
    assert (walk.started, walk.sent, walk.statuses) == (["n0"], [], "upp")
    walk.start_child("n0", 7)
    assert (walk.status, walk.statuses, walk.node("n0").child_run) == (RunStatus.RUNNING, "wpp", 7)
    with pytest.raises(Conflict):
        walk.start_child("n0", 8)
    walk.end_child("n0", artifacts={"ip": "::1"})
    assert (walk.statuses, walk.node("n0").artifacts) == ("Su-", {"ip": "::1"})
    with pytest.raises(Conflict):
        walk.end_child("n0")


def test_a_child_that_cannot_be_started_ends_its_node() -> None:
    walk = Walk(make_graph(DAG, 3, (0, S, 1), (0, F, 2), fields={0: RUN_NODE})).begin()
    walk.end_child("n0", Outcome.ERROR, explanation="it would run within itself")
    error = walk.node("n0").error
    assert error is not None
    assert (walk.statuses, error.message) == ("E-u", "it would run within itself")


def test_the_engine_looks_at_a_child_that_says_nothing() -> None:
    walk = Walk(make_graph(DAG, 1, fields={0: RUN_NODE})).begin()
    walk.pass_time(12)
    assert walk.started == ["n0", "n0"]
    walk.start_child("n0")
    walk.pass_time(12)
    assert walk.decisions[-1].looks == (0,)
