"""Edges of templates: A22 to A24, with errors that name the nodes, the rule and the remedy; an oracle beside them."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.automation.trees import TemplateNode, Topology
from schemas.engine.graph import EdgeKind
from schemas.errors import Rejected
from tests.unit.wms.trees.template_samples import make_nodes, node_id
from wms.trees.graphs.graph_rules import TreeRefused, add_edge, find_profile, remove_edge, remove_node

S, F, A = EdgeKind.SUCCESS, EdgeKind.FAILURE, EdgeKind.ALWAYS
TREE, DAG = Topology.TREE, Topology.DAG


def refuse(topology: Topology, nodes: Sequence[TemplateNode], source: int, kind: EdgeKind, to: int) -> TreeRefused:
    """Return the refusal of an edge."""
    with pytest.raises(TreeRefused) as refused:
        add_edge(topology, nodes, node_id(source), kind, node_id(to))
    return refused.value


def test_a21_an_edge_is_added_once_and_again_without_effect() -> None:
    nodes = make_nodes(2)
    after = add_edge(TREE, nodes, node_id(0), S, node_id(1))
    assert after[0].success_nodes == (11,)
    assert add_edge(TREE, after, node_id(0), S, node_id(1)) == after
    assert remove_edge(after, node_id(0), S, node_id(1)) == nodes
    assert remove_edge(nodes, node_id(0), S, node_id(1)) == nodes


def test_a22_a_cycle_is_refused_and_the_error_names_its_nodes_in_order() -> None:
    error = refuse(DAG, make_nodes(3, (0, S, 1), (1, F, 2)), 2, A, 0)
    assert error.reason == (
        "cycle detected: node #10 'n0' > node #11 'n1' > node #12 'n2' > node #10 'n0'"
        " (the rule 'cycle' of the topology 'dag')"
    )
    assert error.hint == "remove one of these edges; no topology allows a cycle"
    assert (error.rule, error.node_ids) == ("cycle", (10, 11, 12))
    assert refuse(TREE, make_nodes(1), 0, S, 0).rule == "cycle"


def test_a23_a_second_parent_is_refused_in_a_tree_and_the_error_names_both() -> None:
    nodes = make_nodes(3, (0, S, 2))
    error = refuse(TREE, nodes, 1, S, 2)
    assert error.reason == (
        "multiple parents not allowed: node #12 'n2' comes after node #10 'n0' and cannot come after node #11 'n1' too"
        " (the rule 'convergence' of the topology 'tree')"
    )
    assert error.hint == ("remove the edge from node #10 'n0' first; with topology: dag the template would allow it")
    assert add_edge(DAG, nodes, node_id(1), S, node_id(2))[1].success_nodes == (12,)


def test_a24_always_and_the_others_exclude_each_other_in_a_tree_and_this_is_checked_first() -> None:
    nodes = make_nodes(3, (0, S, 1))
    error = refuse(TREE, nodes, 0, A, 2)
    assert error.reason.startswith("cannot associate always_nodes when success_nodes are associated: node #10 'n0'")
    assert "topology: dag" in error.hint
    assert refuse(TREE, nodes, 0, A, 0).rule == "exclusion"
    assert add_edge(TREE, nodes, node_id(0), F, node_id(2))[0].failure_nodes == (12,)


def test_1_2_one_edge_leads_from_a_node_to_another() -> None:
    error = refuse(DAG, make_nodes(2, (0, S, 1)), 0, F, 1)
    assert error.reason.startswith("relationship not allowed")
    assert "always edge" in error.hint


def test_a_removed_node_takes_the_edges_to_it_along() -> None:
    after = remove_node(make_nodes(3, (0, S, 1), (1, F, 2)), node_id(1))
    assert [(node.id, node.success_nodes) for node in after] == [(10, ()), (12, ())]


def test_an_unknown_topology_is_refused() -> None:
    with pytest.raises(Rejected, match="tree, dag"):
        find_profile(Topology("ring"))


def is_legal(topology: Topology, edges: set[tuple[int, EdgeKind, int]]) -> bool:
    """Judge a graph as the contract's table 1.2 says, with nothing of ours: the oracle."""
    if len({(source, to) for source, _, to in edges}) < len(edges):
        return False
    reach = {(source, to) for source, _, to in edges}
    for middle in range(6):
        reach |= {(a, d) for a, b in reach if b == middle for c, d in reach if c == middle}
    if any((n, n) in reach for n in range(6)):
        return False
    if topology is Topology.TREE:
        if len({to for _, _, to in edges}) < len(edges):
            return False
        for n in range(6):
            kinds = {kind for source, kind, _ in edges if source == n}
            if A in kinds and len(kinds) > 1:
                return False
    return True


@given(
    st.sampled_from([TREE, DAG]),
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from([S, F, A]), st.integers(0, 5)), max_size=25),
)
def test_a22_a24_an_edge_is_allowed_exactly_when_the_oracle_says_so(
    topology: Topology, wanted: list[tuple[int, EdgeKind, int]]
) -> None:
    nodes, there = make_nodes(6), set[tuple[int, EdgeKind, int]]()
    for source, kind, to in wanted:
        try:
            after = add_edge(topology, nodes, node_id(source), kind, node_id(to))
        except TreeRefused:
            assert not is_legal(topology, there | {(source, kind, to)})
            continue
        there.add((source, kind, to))
        assert is_legal(topology, there)
        nodes = after
    assert nodes == make_nodes(6, *sorted(there, key=wanted.index))
