"""A relaunch from the failed nodes: what is reused, and that the new run goes on from there; explanations of ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.engine.graph import MAX_NODES, BranchingProfile, EdgeKind, Graph, NodeKind
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import NodeStatus, Outcome, RunStatus
from schemas.errors import Conflict
from tests.unit.wms.engine.graphs import make_graph
from tests.unit.wms.engine.walking import Walk
from wms.trees.jobs.explain import NODE_STRIDE, count_handled, explain_run, number_node, split_number
from wms.trees.jobs.reuse import find_reused

S, F, A = EdgeKind.SUCCESS, EdgeKind.FAILURE, EdgeKind.ALWAYS
TREE, DAG = BranchingProfile.TREE, BranchingProfile.DAG


def run_of(walk: Walk) -> RunDocument:
    return walk.facts.model_copy(update={"nodes": tuple(walk.run.nodes)})


def test_the_good_nodes_above_a_failure_are_reused_with_their_artifacts_and_marked() -> None:
    graph = make_graph(TREE, 5, (0, S, 1), (1, S, 2), (1, F, 3))
    first = Walk(graph).begin()
    first.end("n0", artifacts={"image": "a1"})
    first.fail("n1")
    first.end("n3")
    first.end("n4")
    assert first.statuses == "SF-SS"
    reused = find_reused(run_of(first))
    assert list(reused) == ["n0", "n4"], "the rollback n3 ran because n1 failed, so it does not count"
    again = Walk(graph, reused=reused).begin()
    assert again.statuses == "SuppS"
    assert again.node("n0").reused_from == 1
    assert again.node("n0").artifacts == {"image": "a1"}
    again.end("n1")
    again.end("n2")
    assert (again.status, again.statuses) == (RunStatus.SUCCESSFUL, "SSS-S")


def test_a_relaunch_of_a_relaunch_remembers_the_run_in_which_the_node_ran() -> None:
    graph = make_graph(TREE, 2, (0, S, 1))
    first = Walk(graph).begin()
    first.end("n0")
    first.fail("n1")
    again = Walk(graph, reused=find_reused(run_of(first))).begin()
    again.fail("n1")
    third = run_of(again).model_copy(update={"id": 7})
    assert find_reused(third)[again.node("n0").key].reused_from == 1


def test_a_run_that_goes_on_or_has_no_failure_is_not_launched_from_its_failed_nodes() -> None:
    walk = Walk(make_graph(TREE, 1)).begin()
    with pytest.raises(Conflict, match="job 1 is running"):
        find_reused(run_of(walk))
    walk.end("n0")
    with pytest.raises(Conflict, match="no node of job 1 has failed"):
        find_reused(run_of(walk))


def test_after_a_cancellation_the_nodes_that_never_ran_run() -> None:
    graph = make_graph(TREE, 3, (0, S, 1), (1, S, 2))
    walk = Walk(graph).begin()
    walk.end("n0")
    walk.take("n1")
    walk.cancel()
    walk.end("n1", Outcome.CANCELED)
    assert walk.status is RunStatus.CANCELED
    assert list(find_reused(run_of(walk))) == ["n0"]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    n = draw(st.integers(1, 7))
    pairs = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=10, unique=True))
    kinds = st.sampled_from([S, F, A])
    edges = [(a, draw(kinds), b) for a, b in pairs if a < b]
    all_of = {b: {"convergence": "all"} for b in range(n) if draw(st.booleans())}
    return make_graph(DAG, n, *edges, fields=all_of)


def play(walk: Walk, outcomes: dict[str, Outcome]) -> list[str]:
    ran = []
    while due := [state.key for state in walk.run.nodes if state.status is NodeStatus.DUE]:
        ran.append(due[0])
        walk.end(due[0], outcomes[due[0]])
    return ran


OUTCOMES = st.sampled_from([Outcome.SUCCESSFUL, Outcome.FAILED, Outcome.ERROR])


@given(graphs(), st.data())
def test_a_relaunch_ends_as_if_everything_had_run_again(graph: Graph, data: st.DataObject) -> None:
    keys = [node.key for node in graph.nodes]
    first_outcomes = {key: data.draw(OUTCOMES) for key in keys}
    first = Walk(graph).begin()
    play(first, first_outcomes)
    run = run_of(first)
    if all(state.status in (NodeStatus.SUCCESSFUL, NodeStatus.PASSED) for state in run.nodes):
        return
    reused = find_reused(run)
    # The oracle: a whole new run, in which the reused nodes end as before and the others as they do now.
    later = {key: Outcome.SUCCESSFUL if key in reused else data.draw(OUTCOMES) for key in keys}
    again = Walk(graph, reused=reused).begin()
    ran = play(again, later)
    whole = Walk(graph).begin()
    play(whole, later)
    assert again.statuses == whole.statuses
    assert again.status is whole.status
    assert set(ran).isdisjoint(reused), "no reused node runs again"
    assert len(ran) == len(set(ran)), "no node runs twice"


def test_1_9_a_failed_run_names_the_nodes_that_no_edge_handles() -> None:
    walk = Walk(make_graph(TREE, 4, (0, F, 1), (2, S, 3))).begin()
    walk.fail("n0")
    walk.end("n1")
    walk.fail("n2")
    run = run_of(walk)
    assert explain_run(run) == "no edge handles the end of these nodes: node #20002 'Node 2' failed (no)"
    assert count_handled(run) == 1


def test_1_4_a_node_without_a_template_fails_a_dag_by_name_and_stops_its_branch_in_a_tree() -> None:
    empty = {0: {"kind": NodeKind.EMPTY, "function": ""}}
    walk = Walk(make_graph(DAG, 2, (0, S, 1), fields=empty)).begin()
    assert explain_run(run_of(walk)) == (
        "no edge handles the end of these nodes: node #20000 'Node 0' has no template (there is no template to run)"
    )
    tree = Walk(make_graph(TREE, 2, (0, S, 1), fields=empty)).begin()
    assert (tree.status, explain_run(run_of(tree))) == (RunStatus.SUCCESSFUL, "")


def test_a_number_tells_run_and_node() -> None:
    assert NODE_STRIDE >= MAX_NODES
    assert split_number(number_node(41, 3)) == (41, 3)
