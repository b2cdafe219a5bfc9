"""Templates as definitions: what the engine walks, and what a leaf does."""

import pytest

from schemas.automation.trees import ApprovalWork, FleetWork, ProcessWork, TemplateKind, Topology, Work
from schemas.engine.graph import BranchingProfile, DefinitionKind, EdgeKind, NodeKind, WaitKind
from schemas.engine.runs import Outcome, RunStatus
from schemas.ids import TemplateId
from tests.unit.wms.engine.walking import Walk
from tests.unit.wms.trees.template_samples import make_nodes, make_template
from wms.engine.life.launching import check_definition
from wms.trees.graphs.tree_definitions import find_template_id, make_definition, name_definition

S, F, A = EdgeKind.SUCCESS, EdgeKind.FAILURE, EdgeKind.ALWAYS
NAMES = {TemplateId(100): "Build", TemplateId(101): "Test", TemplateId(102): "Tell"}


def make_leaf(work: Work, **fields: object) -> Walk:
    kind = TemplateKind.APPROVAL if isinstance(work, ApprovalWork) else TemplateKind.JOB
    definition = make_definition(make_template(kind=kind, name="Build", work=work, **fields), {})
    check_definition(definition)
    return Walk(definition.graph)


def test_a3_a17_a_node_wraps_one_template_or_none_and_its_edges_are_mirrored() -> None:
    nodes = (*make_nodes(3, (0, S, 1), (0, F, 2)), make_nodes(4)[3])
    template = make_template(nodes=nodes, extra_vars="x: 1", variables={"x": 1})
    definition = make_definition(template, NAMES)
    check_definition(definition)
    assert (definition.name, definition.title, definition.kind) == ("template/1", "release", DefinitionKind.TEMPLATE)
    assert definition.variables == {"x": 1}
    graph = definition.graph
    assert graph.profile is BranchingProfile.TREE
    assert [(node.key, node.name, node.kind, node.definition) for node in graph.nodes] == [
        ("n0", "Build", NodeKind.RUN, "template/100"),
        ("n1", "Test", NodeKind.RUN, "template/101"),
        ("n2", "Tell", NodeKind.RUN, "template/102"),
        ("n3", "n3", NodeKind.EMPTY, ""),
    ]
    assert [(edge.kind, edge.to) for edge in graph.nodes[0].edges] == [(S, 1), (F, 2)]
    assert make_definition(template.model_copy(update={"topology": Topology.DAG}), NAMES).graph.profile == "dag"


def test_a_template_allows_one_run_at_a_time_unless_it_says_otherwise() -> None:
    assert make_definition(make_template(), {}).runs_alone
    assert not make_definition(make_template(allow_simultaneous=True), {}).runs_alone
    leaf = make_template(kind=TemplateKind.JOB, work=ProcessWork(definition="p"))
    assert not make_definition(leaf, {}).runs_alone


def test_a8_a_definition_has_the_labels_of_its_template() -> None:
    template = make_template(labels=("nightly", "stable"), organization="north")
    definition = make_definition(template, {})
    assert (definition.labels, definition.organization) == (("nightly", "stable"), "north")
    # A new label is no new definition, as a new title is none.
    assert definition.hash == make_definition(template.model_copy(update={"labels": ()}), {}).hash


def test_the_name_of_a_definition_names_its_template() -> None:
    assert find_template_id(name_definition(TemplateId(17))) == 17
    assert find_template_id("create_cluster") is None
    assert find_template_id("template/x") is None


def test_a_fleet_workflow_is_a_leaf_that_ends_as_its_node_does() -> None:
    work = FleetWork(request={"tasks": []}, events=({"n": 1},), max_dead_letters=2, timeout_s=60)
    walk = make_leaf(work).begin()
    node = walk.facts.graph.nodes[0]
    assert (node.kind, node.params, node.events, node.max_dead_letters) == ("workflow", {"tasks": []}, ({"n": 1},), 2)
    assert walk.started == ["work"]


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome.SUCCESSFUL, RunStatus.SUCCESSFUL),
        (Outcome.SKIPPED, RunStatus.SUCCESSFUL),
        (Outcome.FAILED, RunStatus.FAILED),
        (Outcome.ERROR, RunStatus.ERROR),
        (Outcome.CANCELED, RunStatus.CANCELED),
    ],
)
def test_a29_a_job_ends_as_its_work_does(outcome: Outcome, status: RunStatus) -> None:
    walk = make_leaf(ProcessWork(definition="deploy")).begin()
    walk.end_child("work", outcome, explanation="so it is")
    assert walk.status is status
    assert walk.facts.explanation == ("" if status is RunStatus.SUCCESSFUL else "so it is")


def test_1_9_an_approval_waits_for_a_person_and_fails_after_its_time() -> None:
    waits = make_leaf(ApprovalWork(timeout=60, bars_starter=True)).begin()
    node = waits.facts.graph.nodes[0]
    assert node.wait is not None
    assert (node.wait.kind, node.wait.timeout_s, node.params) == (WaitKind.APPROVAL, 60, {"bars_starter": True})
    waits.pass_time(61)
    assert waits.status is RunStatus.FAILED
    approved = make_leaf(ApprovalWork()).begin()
    approved.answer("work", approved=True)
    assert approved.status is RunStatus.SUCCESSFUL
    denied = make_leaf(ApprovalWork()).begin()
    denied.answer("work", approved=False)
    assert (denied.status, denied.facts.explanation) == (RunStatus.FAILED, "eve denied the approval")
