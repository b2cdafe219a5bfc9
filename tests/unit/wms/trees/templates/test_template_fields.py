"""Fields of templates and nodes as requests bring them: what is read, and what is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.automation.trees import ApprovalWork, TemplateKind
from schemas.engine.graph import MAX_TIMEOUT_S, EdgeKind, Node, NodeKind, WaitKind, WaitSpec
from tests.unit.wms.trees.template_samples import make_template
from wms.engine.life.waiting import arm_wait
from wms.located_text import LocatedDocument
from wms.trees.graphs.whole_graph import read_graph
from wms.trees.template_errors import FieldsRefused
from wms.trees.templates.template_fields import (
    read_children,
    read_node_fields,
    read_template_fields,
)

TOO_LONG: list[Any] = [MAX_TIMEOUT_S + 1, 10**18, 10**400]


def refuse_job(work: Any) -> str:
    with pytest.raises(FieldsRefused) as refused:
        read_template_fields(TemplateKind.JOB, {"name": "a", "work": work}, None, is_partial=False)
    return refused.value.fields["work"][0]


@pytest.mark.parametrize("name", ["template/17", "template/0"])
def test_a_process_is_no_template(name: str) -> None:
    assert "not a process" in refuse_job({"kind": "process", "definition": name})


@pytest.mark.parametrize(
    ("work", "fault"),
    [
        # The secret would be for all tasks.
        ({"secrets": [{"name": "a", "task": [1]}]}, "secrets.0.task: there is no such field"),
        ({"limitt": "web*"}, "limitt: there is no such field"),
        ({"tasks": []}, "tasks: Tuple should have at least 1 item"),
        ({"kind": "host"}, "work: 'kind' is none of fleet, process and hosts"),
    ],
)
def test_a_fault_of_a_works_field_is_named(work: dict[str, Any], fault: str) -> None:
    assert refuse_job({"kind": "hosts", "tasks": [1], "inventory": 1, **work}).startswith(fault)
    assert refuse_job({"tasks": [1]}).startswith("work: 'kind' is missing; give ")


@pytest.mark.parametrize("seconds", [*TOO_LONG, float("inf"), float("nan")])
def test_a_time_that_no_calendar_holds_is_refused(seconds: Any) -> None:
    refuse_job({"kind": "process", "definition": "p", "timeout_s": seconds})
    refuse_job({"kind": "fleet", "request": {}, "timeout_s": seconds})
    with pytest.raises(FieldsRefused) as refused:
        read_node_fields({"timeout": seconds}, None)
    assert "ten years" in refused.value.fields["timeout"][0]
    for fields in ({"timeout_s": seconds}, {"approval": {"name": "a", "timeout": seconds}}):
        assert read_graph(LocatedDocument([{"identifier": "a", **fields}])).faults


def read_approval(before: ApprovalWork | None = None, **raw: Any) -> ApprovalWork:
    template = None if before is None else make_template(kind=TemplateKind.APPROVAL, work=before)
    work = read_template_fields(TemplateKind.APPROVAL, raw, template, is_partial=True)["work"]
    assert isinstance(work, ApprovalWork)
    return work


HOSTS = {"kind": "hosts", "tasks": [1], "inventory": 1}


@pytest.mark.parametrize(
    ("raw", "faulty"),
    [
        ({"ask_inventory_on_launch": True, "ask_limit_on_launch": True}, ["ask_inventory_on_launch"]),
        ({"ask_tags_on_launch": 1, "scm_branch": "main"}, ["ask_tags_on_launch", "scm_branch"]),
        ({"ask_variables_on_launch": True, "ask_labels_on_launch": True, "limit": "web", "job_tags": ""}, []),
    ],
)
def test_a_job_on_hosts_asks_for_nothing_that_it_would_ignore(raw: dict[str, Any], faulty: list[str]) -> None:
    whole = {"name": "patch", "work": HOSTS, **raw}
    if not faulty:
        read_template_fields(TemplateKind.JOB, whole, None, is_partial=False)
        return
    with pytest.raises(FieldsRefused) as refused:
        read_template_fields(TemplateKind.JOB, whole, None, is_partial=False)
    assert sorted(refused.value.fields) == faulty
    process = {"kind": "process", "definition": "build"}
    read_template_fields(TemplateKind.JOB, {**whole, "work": process}, None, is_partial=False)


@pytest.mark.parametrize("kind", [TemplateKind.JOB, TemplateKind.WORKFLOW])
def test_an_inventory_of_a_template_or_a_node_is_refused_and_an_empty_one_is_none(kind: TemplateKind) -> None:
    raw = {"name": "x", "work": HOSTS}
    for empty in (None, ""):
        read_template_fields(kind, {**raw, "inventory": empty}, None, is_partial=False)
        read_node_fields({"inventory": empty}, None)
    with pytest.raises(FieldsRefused, match="name it in the `work` of a job template"):
        read_template_fields(kind, {**raw, "inventory": 3}, None, is_partial=False)
    with pytest.raises(FieldsRefused, match="name it in the `work` of a job template"):
        read_node_fields({"inventory": 3}, None)


def test_k4_8_a_change_of_an_approval_keeps_what_it_does_not_name() -> None:
    before = ApprovalWork(timeout=60, bars_starter=True)
    assert read_approval(before, description="x") == before
    assert read_approval(before, timeout=5) == ApprovalWork(timeout=5, bars_starter=True)
    assert read_approval(before, bars_starter=0) == ApprovalWork(timeout=60)
    with pytest.raises(FieldsRefused):
        read_approval(before, bars_starter="maybe")


@pytest.mark.parametrize("raw", ["7", [0], ["x"], [True], [7.0], {"id": 7}])
def test_new_edges_are_a_list_of_ids(raw: Any) -> None:
    with pytest.raises(FieldsRefused) as refused:
        read_children({"add_failure_nodes": raw}, EdgeKind.FAILURE)
    assert "list of ids" in refused.value.fields["add_failure_nodes"][0]
    assert read_children({"add_failure_nodes": [7, "8"]}, EdgeKind.FAILURE) == [7, 8]
    assert read_children({"add_failure_nodes": None}, EdgeKind.ALWAYS) == []


@pytest.mark.parametrize("seconds", [*TOO_LONG, -1, 1.5, True, "60"])
def test_an_approval_waits_for_whole_seconds_and_for_ten_years_at_most(seconds: Any) -> None:
    with pytest.raises(FieldsRefused) as refused:
        read_approval(timeout=seconds)
    assert "ten years" in refused.value.fields["timeout"][0]


def test_times_within_the_bound_are_taken() -> None:
    read = [read_approval(timeout=raw).timeout for raw in (None, 0, "", 60, MAX_TIMEOUT_S)]
    assert read == [0, 0, 0, 60, MAX_TIMEOUT_S]
    assert read_node_fields({"timeout": MAX_TIMEOUT_S}, None)["timeout_s"] == MAX_TIMEOUT_S


def test_a_stored_time_that_no_calendar_holds_counts_as_the_longest_one() -> None:
    now = datetime(2026, 11, 29, tzinfo=UTC)
    spec = WaitSpec(kind=WaitKind.APPROVAL, timeout_s=1e300)
    assert arm_wait(spec, None, "c", now)[0].deadline == now + timedelta(seconds=MAX_TIMEOUT_S)
    node = Node.model_validate({"key": "a", "name": "a", "kind": NodeKind.EMPTY, "timeout_s": 1e300})
    assert node.timeout == timedelta(seconds=MAX_TIMEOUT_S)
