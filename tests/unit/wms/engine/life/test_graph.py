"""The restrictions of 1.2 in the contract of decision trees, in their order, and the order of nodes."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.engine.graph import BranchingProfile, Edge, EdgeKind, Graph, Node, NodeKind, WaitKind, WaitSpec
from schemas.ids import NodeKey
from tests.unit.wms.engine.graphs import connect, make_graph
from wms.engine.life.graph import GraphFault, check_graph, find_edge_fault, find_layout, sort_topologically

TREE, DAG, CHAIN = BranchingProfile.TREE, BranchingProfile.DAG, BranchingProfile.CHAIN
S, F, A = EdgeKind.SUCCESS, EdgeKind.FAILURE, EdgeKind.ALWAYS


def fault(graph: Graph, source: int, kind: EdgeKind, to: int) -> str:
    """Return why the edge may not be added; whatever is said must also hold of the whole graph with it."""
    said = find_edge_fault(graph, source, Edge(kind=kind, to=to))
    if said or Edge(kind=kind, to=to) not in graph.nodes[source].edges:
        after = connect(graph, source, kind, to)
        if said:
            with pytest.raises(GraphFault):
                check_graph(after)
        else:
            check_graph(after)
    return said


@pytest.mark.parametrize(("there", "new"), [(S, A), (F, A), (A, S), (A, F)])
def test_a24_always_excludes_success_and_failure_in_a_tree_and_is_checked_first(there: EdgeKind, new: EdgeKind) -> None:
    tree = make_graph(TREE, 3, (0, there, 1))
    said = fault(tree, 0, new, 2)
    assert said == f"cannot associate {new}_nodes when {there}_nodes are associated"
    # 1.2: the exclusion is found before the second parent, and that before the cycle.
    assert "cannot associate" in fault(tree, 0, new, 0)
    assert fault(make_graph(DAG, 3, (0, there, 1)), 0, new, 2) == ""


def test_a24_success_and_failure_mix() -> None:
    assert fault(make_graph(TREE, 3, (0, S, 1)), 0, F, 2) == ""


def test_a23_a_node_of_a_tree_has_one_parent() -> None:
    tree = make_graph(TREE, 4, (0, S, 2))
    assert fault(tree, 1, S, 2) == "multiple parents not allowed"
    assert fault(make_graph(DAG, 4, (0, S, 2)), 1, S, 2) == ""


def test_a22_cycles_are_refused_in_every_profile() -> None:
    for profile in (TREE, DAG):
        line = make_graph(profile, 3, (0, S, 1), (1, S, 2))
        assert fault(line, 2, S, 0) == "cycle detected"
        assert fault(make_graph(profile, 1), 0, S, 0) == "cycle detected"
    # Consequence: an edge back to a node that is no root.
    assert fault(make_graph(TREE, 3, (0, S, 1), (1, S, 2)), 2, S, 1) == "multiple parents not allowed"
    assert fault(make_graph(DAG, 3, (0, S, 1), (1, S, 2)), 2, S, 1) == "cycle detected"


def test_1_2_a_cycle_is_found_past_a_node_with_several_parents() -> None:
    diamond = make_graph(DAG, 5, (0, S, 1), (0, F, 2), (1, S, 3), (2, S, 3), (3, A, 4))
    assert fault(diamond, 4, S, 0) == "cycle detected"


@pytest.mark.parametrize("there", [S, F, A])
@pytest.mark.parametrize("new", [S, F, A])
def test_1_2_one_edge_leads_from_a_node_to_another(there: EdgeKind, new: EdgeKind) -> None:
    said = fault(make_graph(DAG, 2, (0, there, 1)), 0, new, 1)
    assert (said == "") == (there == new), "adding the same edge again is fine"
    assert (fault(make_graph(TREE, 2, (0, there, 1)), 0, new, 1) == "") == (there == new)


def test_a_chain_has_one_edge_after_success_and_one_beginning() -> None:
    chain = make_graph(CHAIN, 3, (0, S, 1), (1, S, 2))
    check_graph(chain)
    assert find_edge_fault(chain, 0, Edge(to=2)) == "a chain does not branch"
    assert find_edge_fault(make_graph(CHAIN, 2), 0, Edge(kind=F, to=1)) == "a chain has no failure edges"
    with pytest.raises(GraphFault, match="one beginning"):
        check_graph(make_graph(CHAIN, 2))


def test_an_edge_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(GraphFault, match="unknown kind"):
        check_graph(make_graph(DAG, 2, (0, EdgeKind("sometimes"), 1)))


def test_a_step_opens_a_later_wait_only_and_restarts_lead_back() -> None:
    wait = Node(key=NodeKey("w"), name="w", kind=NodeKind.WAIT, wait=WaitSpec(kind=WaitKind.CALLBACK), restarts=0)
    step = Node(key=NodeKey("s"), name="s", function="s", opens=1, edges=(Edge(to=1),))
    check_graph(Graph(nodes=(step, wait)))
    with pytest.raises(GraphFault, match="no later wait"):
        check_graph(Graph(nodes=(step, step.model_copy(update={"key": "t", "opens": None, "edges": ()}))))
    with pytest.raises(GraphFault, match="restarts"):
        check_graph(Graph(nodes=(step.model_copy(update={"restarts": 1}), wait)))


@given(st.data())
def test_the_order_puts_every_node_after_its_parents_whatever_the_dag(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 12))
    pairs = data.draw(st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] < p[1])))
    shuffled = data.draw(st.permutations(range(n)))
    graph = make_graph(DAG, n, *((shuffled[a], S, shuffled[b]) for a, b in pairs))
    check_graph(graph)
    order = sort_topologically(graph)
    assert sorted(order) == list(range(n))
    for number, sources in enumerate(find_layout(graph).incoming):
        assert all(order.index(source) < order.index(number) for source, _ in sources)
    assert all(not find_layout(graph).incoming[root] for root in find_layout(graph).roots)


def test_checking_10_000_nodes_is_linear() -> None:
    graph = make_graph(CHAIN, 10_000, *((n, S, n + 1) for n in range(9_999)))
    began = time.process_time()
    check_graph(graph)
    # Linear takes 20 ms here. A look at all nodes for each would take over 10 s.
    assert time.process_time() - began < 2.0
