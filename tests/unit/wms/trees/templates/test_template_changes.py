"""What the activity stream says of a change: all that changed, nothing that did not, and no secret."""

import json

import pytest

from schemas.automation.surveys import Survey, SurveyQuestion
from schemas.automation.trees import ObjectRole, RoleGrant, TemplateDocument, Topology
from schemas.engine.graph import EdgeKind
from tests.unit.wms.trees.template_samples import make_nodes, make_template
from wms.trees.templates.template_changes import describe_change

BEFORE = make_template(nodes=make_nodes(3, (0, EdgeKind.SUCCESS, 1)))


def change(**fields: object) -> list[tuple[str, str, int, dict[str, object]]]:
    rows = describe_change(BEFORE, BEFORE.model_copy(update=fields))
    return [(row.operation, row.kind.removeprefix("workflow_job_"), row.object_id, dict(row.changes)) for row in rows]


def test_nothing_changed_is_no_row() -> None:
    assert describe_change(BEFORE, BEFORE) == []
    assert change(rev=7) == []


def test_a_template_is_made_and_deleted_in_one_row_each() -> None:
    [made] = describe_change(None, BEFORE)
    assert (made.operation, made.object_id, made.name, made.changes) == ("create", 1, "release", {"nodes": [0, 3]})
    [gone] = describe_change(BEFORE, None)
    assert (gone.operation, gone.templates) == ("delete", (1,))


def test_fields_have_their_values_before_and_after() -> None:
    assert change(name="x", topology=Topology.DAG, allow_simultaneous=True) == [
        (
            "update",
            "template",
            1,
            {"name": ["release", "x"], "topology": ["tree", "dag"], "allow_simultaneous": [False, True]},
        )
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"extra_vars": "token: s3cret", "variables": {"token": "s3cret"}},
        {"survey": Survey(spec=(SurveyQuestion(variable="s3cret", question_name="s3cret", default="s3cret"),))},
        {"nodes": make_nodes(3, (0, EdgeKind.SUCCESS, 1), extra_data={"token": "s3cret"})},
    ],
)
def test_what_may_be_secret_is_told_of_and_not_shown(fields: dict[str, object]) -> None:
    rows = change(**fields)
    assert rows
    assert "s3cret" not in json.dumps(rows)


def test_a_node_gets_and_loses_labels() -> None:
    node, *others = BEFORE.nodes
    labeled = change(nodes=(node.model_copy(update={"labels": ("nightly",)}), *others))
    assert labeled == [("associate", "template_node", 10, {"label": "nightly"})]


def test_labels_and_roles_are_joined_and_taken_away() -> None:
    labeled = BEFORE.model_copy(
        update={"labels": ("a", "b"), "grants": (RoleGrant(role=ObjectRole.READ, holder="sub:joe"),)}
    )
    rows = describe_change(BEFORE, labeled)
    assert [(row.operation, dict(row.changes)) for row in rows] == [
        ("associate", {"label": "a"}),
        ("associate", {"label": "b"}),
        ("associate", {"role": "read sub:joe"}),
    ]
    assert [row.operation for row in describe_change(labeled, BEFORE)] == ["disassociate"] * 3


def test_nodes_and_edges_have_rows_of_their_own() -> None:
    assert change(nodes=make_nodes(3, (0, EdgeKind.FAILURE, 1))) == [
        ("associate", "template_node", 10, {"failure_nodes": "n1"}),
        ("disassociate", "template_node", 10, {"success_nodes": "n1"}),
    ]
    assert change(nodes=make_nodes(4, (0, EdgeKind.SUCCESS, 1))) == [("create", "template_node", 13, {})]
    assert change(nodes=make_nodes(2, (0, EdgeKind.SUCCESS, 1))) == [("delete", "template_node", 12, {})]
    assert change(nodes=make_nodes(3, (0, EdgeKind.SUCCESS, 1), all_parents_must_converge=True))[0] == (
        "update",
        "template_node",
        10,
        {"all_parents_must_converge": [False, True]},
    )


def test_a_whole_new_graph_is_one_row() -> None:
    large: TemplateDocument = BEFORE.model_copy(update={"nodes": make_nodes(500)})
    [row] = describe_change(BEFORE, large)
    assert dict(row.changes) == {"nodes": [3, 500]}
