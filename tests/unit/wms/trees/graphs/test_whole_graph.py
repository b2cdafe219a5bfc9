"""A whole graph from one document: all faults at once, each with its line, and nothing changed by a refusal."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.automation.trees import TemplateNode, Topology
from schemas.engine.graph import EdgeKind
from schemas.ids import TemplateId, TemplateNodeId
from tests.unit.wms.trees.template_samples import make_nodes, node_id
from wms.located_text import BadDocument, LocatedDocument, read_located
from wms.trees.graphs.graph_rules import TreeRefused, add_edge
from wms.trees.graphs.whole_graph import GraphRefused, NodeDraft, build_nodes, check_graph, read_graph, write_graph

S, F, A = EdgeKind.SUCCESS, EdgeKind.FAILURE, EdgeKind.ALWAYS

TEXT = """\
topology: dag
nodes:
- identifier: build
  template: 100
  success: [test]
- identifier: test
  template: Test it
  failure_nodes: [tell]
  extra_data: {arch: arm64}
- identifier: tell
  all_parents_must_converge: true
- identifier: sign
  approval: {name: Sign, timeout: 60}
"""


def settle(draft: NodeDraft, template: TemplateId | None) -> TemplateNode:
    """Return a node with what a draft gives to its template."""
    given = {"extra_data": draft.extra_data, "prompts": draft.prompts, "labels": draft.labels}
    return TemplateNode(id=TemplateNodeId(0), identifier=draft.identifier, template=template, **given)


def build(
    text: str, known: tuple[TemplateNode, ...] = (), topology: Topology = Topology.DAG
) -> tuple[TemplateNode, ...]:
    draft = read_graph(read_located(text))
    check_graph(draft, topology=draft.topology or topology, known=known)
    return build_nodes(
        draft,
        known=known,
        new_ids=[TemplateNodeId(10 + n) for n in range(len(draft.nodes))],
        settled=[settle(node, TemplateId(100 + n)) for n, node in enumerate(draft.nodes)],
    )


def faults(text: str, topology: Topology = Topology.TREE) -> tuple[str, ...]:
    with pytest.raises(GraphRefused) as refused:
        build(text, topology=topology)
    return refused.value.faults


def test_a_graph_is_read_from_yaml_and_the_same_from_json() -> None:
    draft = read_graph(read_located(TEXT))
    assert draft.topology is Topology.DAG
    assert [node.identifier for node in draft.nodes] == ["build", "test", "tell", "sign"]
    assert draft.nodes[1].template == "Test it"
    approval = draft.nodes[3].approval
    assert approval is not None
    assert (approval.name, approval.timeout) == ("Sign", 60)
    as_json = json.dumps({"nodes": [{"identifier": "a", "always": ["b"]}, {"identifier": "b"}]})
    assert build(as_json)[0].always_nodes == (11,)
    assert read_graph(LocatedDocument(json.loads(as_json))).nodes == read_graph(read_located(as_json)).nodes


def test_nodes_keep_their_ids_by_identifier() -> None:
    known = (TemplateNode(id=TemplateNodeId(77), identifier="test"),)
    assert [node.id for node in build(TEXT, known)] == [10, 77, 11, 12]


def test_what_was_written_reads_back_as_the_same_graph() -> None:
    gives = {"extra_data": {"x": [1]}, "prompts": {"limit": "web", "job_tags": "a,b"}, "labels": ["nightly", "arm64"]}
    nodes = make_nodes(4, (0, S, 1), (0, F, 2), (1, A, 3), all_parents_must_converge=True, **gives)
    document = write_graph(nodes, Topology.DAG, {TemplateId(100 + n): f"t{n}" for n in range(4)})
    assert build(json.dumps(document)) == nodes
    approval = {TemplateId(100): {"name": "Sign"}}
    assert write_graph(nodes, Topology.DAG, approval)["nodes"][0]["approval"] == {"name": "Sign"}


@pytest.mark.parametrize("labels", ["[' ']", "[1]", "x", f"[{', '.join(map(str, ['l'] * 101))}]", f"[{'l' * 513}]"])
def test_labels_that_are_none_are_refused(labels: str) -> None:
    assert len(faults(f"- identifier: a\n  labels: {labels}\n")) == 1


def test_every_fault_of_the_form_is_told_with_its_line() -> None:
    text = "nodes:\n- identifier: a\n  colour: red\n- template: 3\n- identifier: b\n  success: c\ntopology: ring\n"
    assert faults(text) == (
        "line 7: topology: 'ring' is none of tree, dag",
        "line 3: colour: there is no such key; there are " + ", ".join(NodeDraft.model_fields),
        "line 4: identifier: is missing",
        "line 5: success_nodes: must be a list",
    )
    text = "- 7\n- identifier: a\n  template: [1]\n  approval: {timeout: -1, x: 1}\n"
    assert faults(text) == (
        "line 1: node: must be an object",
        "line 3: template: must be the name or the id of a template, or null",
        "line 4: approval.name: is missing",
        "line 4: approval.timeout: must be greater than or equal to 0",
        "line 4: approval.x: there is no such key; there are name, description, timeout, bars_starter",
    )
    assert faults("7") == ("line 1: give a list of nodes, or an object with `nodes`",)
    assert faults("nodes: []\nedges: []\n") == ("line 2: 'edges' is none of nodes, topology",)


def test_faults_of_the_form_hide_neither_wrong_names_nor_broken_rules() -> None:
    text = (
        "- identifier: a\n  success: [b, bad, zz]\n  always: [c]\n- identifier: b\n- identifier: c\n"
        "- identifier: b\n- identifier: bad\n  colour: red\n"
    )
    found = faults(text)
    assert [fault.partition(":")[0] for fault in found] == ["line 8", "line 6", "line 1", "line 1"]
    assert "names 'zz', and no node is called so" in found[2]
    assert "(the rule 'exclusion' of the topology 'tree')" in found[3]
    nameless = faults("- identifier: a\n  success: [zz]\n- colour: red\n")
    assert len(nameless) == 2, "the node without an identifier may be the one that the edge means"


def test_names_that_do_not_fit_together_are_told_with_their_line() -> None:
    text = "- identifier: a\n  success: [z]\n- identifier: a\n- identifier: b\n  template: 1\n  approval: {name: x}\n"
    assert faults(text) == (
        "line 3: two nodes have the identifier 'a'; give one of them another",
        "line 1: success_nodes of 'a' names 'z', and no node is called so",
        "line 4: 'b' has a template and an approval; a node wraps one of them",
    )


def test_a22_a23_a24_every_broken_rule_is_told_with_its_line() -> None:
    text = (
        "- identifier: a\n  success: [c]\n  always: [d]\n- identifier: b\n  success: [c, e]\n"
        "- identifier: c\n- identifier: d\n- identifier: e\n  success: [b]\n"
    )
    found = faults(text)
    assert [fault.partition(":")[0] for fault in found] == ["line 1", "line 4", "line 4"]
    assert "always_nodes" in found[0]
    assert "multiple parents" in found[1]
    assert "cycle detected: node 'b' > node 'e' > node 'b'" in found[2]
    assert [("cycle" in fault) for fault in faults(text, Topology.DAG)] == [True]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &x 1\nb: *x", "line 1: aliases are not allowed"),
        ("a: 1\na: 2", "line 2: the key 'a' stands here twice"),
        ("a: [", "line 2: "),
        ("a: !!python/object:os.system {}", "line 1: "),
        ("[" * 50 + "]" * 50, "nested too deeply"),
        ("? [a]\n: 1", "a key must be a text"),
        ("x: !what 1", "line 1: this value cannot be read"),
    ],
)
def test_a_text_that_is_no_plain_document_is_refused(text: str, said: str) -> None:
    if said == "line 1: " and "python" in text:
        assert read_located(text).value == {"a": {}}, "a mapping is read as a mapping, and never as an object"
        return
    with pytest.raises(BadDocument) as refused:
        read_located(text)
    assert said in refused.value.reason


def test_a_date_stays_a_text() -> None:
    assert read_located("day: 2026-11-29").value == {"day": "2026-11-29"}


@given(
    st.sampled_from(list(Topology)),
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from([S, F, A]), st.integers(0, 5)), max_size=8, unique=True),
)
def test_a_whole_graph_is_allowed_exactly_when_its_edges_are_one_after_the_other(
    topology: Topology, edges: list[tuple[int, EdgeKind, int]]
) -> None:
    nodes, is_allowed = make_nodes(6), True
    try:
        for source, kind, to in edges:
            nodes = add_edge(topology, nodes, node_id(source), kind, node_id(to))
    except TreeRefused:
        is_allowed = False
    document = json.dumps(write_graph(make_nodes(6, *edges), topology, {}))
    try:
        built = build(document)
    except GraphRefused:
        assert not is_allowed
    else:
        assert is_allowed
        assert built == nodes


def test_10_000_nodes_take_linear_time() -> None:
    n = 10_000
    listed = [{"identifier": f"n{i}", "success": [f"n{i + 1}"] if i + 1 < n else []} for i in range(n)]
    draft = read_graph(LocatedDocument(listed))
    ids = [TemplateNodeId(i) for i in range(n)]
    settled = [settle(node, None) for node in draft.nodes]
    check_graph(draft, topology=Topology.TREE, known=())
    assert len(build_nodes(draft, known=(), new_ids=ids, settled=settled)) == n
