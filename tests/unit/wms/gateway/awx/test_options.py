"""What OPTIONS answers at each path of the dialect, and that the models of kinds name what the objects show."""

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.automation.schedules import Identity, ScheduleDocument
from schemas.automation.trees import ApprovalWork, ProcessWork, TemplateKind
from schemas.engine.graph import BranchingProfile
from schemas.ids import OrganizationId, ScheduleId, TemplateId
from tests.unit.wms.engine.graphs import make_graph
from tests.unit.wms.engine.walking import Walk
from tests.unit.wms.trees.template_samples import make_nodes, make_template
from wms.gateway.awx.kinds.kind import Kind
from wms.gateway.awx.kinds.metadata import describe_list, is_shown
from wms.gateway.awx.kinds.registry import KINDS
from wms.gateway.awx.options import describe_path
from wms.gateway.awx.resources.root import list_names
from wms.gateway.awx.shapes.job_shapes import show_job, show_job_node
from wms.gateway.awx.shapes.schedule_shapes import show_schedule
from wms.gateway.awx.shapes.template_shapes import PATHS, show_node, show_template
from wms.gateway.catalogue import list_bare_dialects
from wms.tenancy.rights import Principal, TenancyRole

NORTH = OrganizationId("north")
ADMIN = Principal("ada", roles={NORTH: frozenset({TenancyRole.ORG_ADMIN})})
AUDITOR = Principal("eve", roles={NORTH: frozenset({TenancyRole.ORG_AUDITOR})})
ROUTES = [route for dialect, routes in list_bare_dialects() if dialect.name == "awx" for route in routes]
PATHS_OF_ROUTES = sorted({route.path for route in ROUTES if route.method != "OPTIONS"} - {"", "/ping"})


def find_methods(path: str) -> list[str]:
    return [route.method for route in ROUTES if route.path == path]


@pytest.mark.parametrize("path", PATHS_OF_ROUTES)
def test_k2_1_k2_2_every_path_has_options_whose_fields_have_types(path: str) -> None:
    assert "OPTIONS" in find_methods(path)
    actions = describe_path(path, find_methods(path), ADMIN)["actions"]
    assert set(actions) <= ({"GET", "PUT"} if path.endswith("{id}") else {"GET", "POST"})
    for field in (field for action in actions.values() for field in action.values()):
        assert field["type"]
        assert "%" not in field["help_text"], "argparse cannot print it"
        assert all(len(choice) == 2 for choice in field.get("choices", ()))


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.path)
def test_k2_8_every_kind_has_a_list_and_fields_to_search(kind: Kind) -> None:
    assert (f"/{kind.path}" in PATHS_OF_ROUTES) is not kind.is_below_others
    assert set(kind.searched) <= set(kind.model.model_fields)
    assert all(part.kind in KINDS for part in kind.parts.values())


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.path)
def test_k2_5_a_list_has_a_flag_only_for_what_it_filters_by(kind: Kind) -> None:
    described = describe_list(kind, ["GET"], may_change=False)["actions"]["GET"]
    shown = {name for name, info in kind.model.model_fields.items() if is_shown(info)}
    assert {name for name in shown if described[name]["filterable"]} == shown & set(kind.filters)
    assert all(described[name]["filterable"] for name in described.keys() - shown)


@pytest.mark.parametrize("path", ["/job_templates", "/workflow_job_templates/{id}/workflow_nodes"])
def test_k2_1_an_auditor_is_told_of_no_way_to_create(path: str) -> None:
    assert "POST" in describe_path(path, find_methods(path), ADMIN)["actions"]
    assert "POST" not in describe_path(path, find_methods(path), AUDITOR)["actions"]


def test_k2_3_k2_4_k2_7_k2_10_fields_are_described_as_the_command_needs_them() -> None:
    made = describe_path("/workflow_job_templates", ["GET", "POST"], ADMIN)["actions"]
    assert made["POST"]["name"] == {
        "type": "string",
        "label": "Name",
        "help_text": "Its name.",
        "required": True,
        "read_only": False,
    }
    assert made["POST"]["topology"]["choices"] == [["tree", "Tree"], ["dag", "Dag"]]
    assert made["POST"]["topology"]["default"] == "tree"
    words = {name: field["type"] for name, field in made["POST"].items()}
    assert (words["organization"], words["extra_vars"], words["survey_enabled"]) == ("id", "json", "boolean")
    assert {"id", "url", "status"}.isdisjoint(words)
    assert {"page_size", "search", "name__icontains", "organization__name"} <= set(made["GET"])
    assert "order_by" not in made["GET"], "the command has this flag already, and ends with an error if it comes twice"
    assert (made["GET"]["name"]["filterable"], made["GET"]["extra_vars"]["filterable"]) == (True, False)
    launch = describe_path("/workflow_job_templates/{id}/launch", ["GET", "POST"], ADMIN)["actions"]["POST"]
    assert (launch["extra_vars"]["type"], launch["labels"]["type"]) == ("json", "list_of_ids")
    edges = describe_path("/workflow_job_template_nodes/{id}/success_nodes", ["GET", "POST"], ADMIN)["actions"]
    assert edges["POST"]["id"]["type"] == "integer"
    nodes = describe_path("/workflow_job_templates/{id}/workflow_nodes", ["GET", "POST"], ADMIN)["actions"]
    assert "workflow_job_template" in nodes["POST"]
    assert "success_nodes" not in nodes["POST"], "export would break"


@pytest.mark.parametrize("kind", list(TemplateKind))
def test_a_template_shows_what_its_model_names(kind: TemplateKind) -> None:
    work: Any = {TemplateKind.JOB: ProcessWork(definition="x"), TemplateKind.APPROVAL: ApprovalWork()}.get(kind)
    shown = show_template(make_template(kind=kind, work=work), organization=1)
    assert set(shown) == set(KINDS[PATHS[kind]].model.model_fields)


def test_a_node_shows_what_its_model_names() -> None:
    [node] = make_nodes(1)
    shown = show_node(make_template(nodes=(node,)), node, None)
    fields = KINDS["workflow_job_template_nodes"].model.model_fields
    assert set(shown) == {name for name, info in fields.items() if is_shown(info)}


def test_a_schedule_shows_what_its_model_names() -> None:
    at = datetime(2026, 11, 29, tzinfo=UTC)
    schedule = ScheduleDocument(
        id=ScheduleId(1),
        name="nightly",
        template=TemplateId(1),
        rrule="DTSTART:20260101T000000Z RRULE:FREQ=DAILY;UNTIL=20301231T000000Z",
        owner=Identity(subject="ada"),
        decided_until=at,
        starts_at=at,
        created=at,
        modified=at,
        extra_data={"pw": "secret"},
    )
    shown = show_schedule(schedule, make_template())
    assert set(shown) == set(KINDS["schedules"].model.model_fields)
    assert (shown["timezone"], shown["until"]) == ("UTC", "2030-12-31T00:00:00")
    # A schedule whose template is gone has no link to it: foreign keys never dangle.
    alone = show_schedule(schedule, None)
    assert (alone["unified_job_template"], "unified_job_template" in alone["related"]) == (None, False)
    assert alone["extra_data"] == {}


def test_a_job_and_its_nodes_show_what_their_models_name() -> None:
    walk = Walk(make_graph(BranchingProfile.TREE, 1)).begin()
    run = walk.facts.model_copy(update={"nodes": tuple(walk.run.nodes), "started_at": walk.now})
    for is_leaf, path in ((False, "workflow_jobs"), (True, "jobs")):
        job = run.model_copy(update={"graph": run.graph.model_copy(update={"is_leaf": is_leaf})})
        assert set(show_job(job, now=walk.now, is_there=True)) == set(KINDS[path].model.model_fields)
    assert set(show_job_node(run, 0, None, now=walk.now)) == set(KINDS["workflow_job_nodes"].model.model_fields)


def test_k1_3_the_name_in_files_of_import_is_the_last_one_of_its_path() -> None:
    last = {path: name for name, path in list_names().items()}
    assert last["/api/v2/workflow_job_templates/"] == "workflow_job_templates"
    assert last["/api/v2/inventories/"] == "inventory"
    assert list(list_names()).index("me") < list(list_names()).index("users")
    assert {"unified_job_template", "unified_job_templates", "ping", "config", "schedules"} <= set(list_names())
