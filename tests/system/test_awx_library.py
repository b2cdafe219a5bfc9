"""awxkit as a library on the running system: edges, approvals, cancel, relaunch, copy, filters, bodies of errors."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from awxkit import exceptions

from deploy.local.system.stack import Stack
from tests.system.awx_clients import open_library
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def v2(with_worker: Stack) -> Any:
    """The root of /api/v2 for an organization's admin."""
    return open_library(with_worker.gateway, with_worker.list_endpoints()["tokens"]["org-admin"])


@pytest.fixture
def tree(v2: Any, request: pytest.FixtureRequest) -> Any:
    """A template of the topology `dag` whose name is the test's."""
    organization = v2.organizations.get(name="default").results[0]
    body = {
        "name": request.node.name,
        "organization": organization.id,
        "topology": "dag",
        "ask_variables_on_launch": True,
        "allow_simultaneous": True,
    }
    return v2.workflow_job_templates.post(body)


def refuse(error: type[Exception], call: Callable[[], Any]) -> Any:
    """Return the body of the refusal with which `call` must end."""
    with pytest.raises(error) as refused:
        call()
    return refused.value.args[1]


def join(parent: Any, child: Any, when: str = "success", **more: Any) -> None:
    """Join two nodes, or part them. awxkit reports the answer 204 as an exception."""
    refuse(exceptions.NoContent, lambda: parent.related[f"{when}_nodes"].post({"id": child.id, **more}))


def test_k4_5_k4_7_k3_10_nodes_are_joined_parted_and_refused(v2: Any, tree: Any) -> None:
    first = tree.related.workflow_nodes.post({"identifier": "first"})
    second = v2.workflow_job_template_nodes.post({"workflow_job_template": tree.id, "identifier": "second"})
    assert (first.workflow_job_template, second.identifier) == (tree.id, "second")
    join(first, second)
    join(first, second, associate=True)
    assert first.get().success_nodes == [second.id]
    assert first.related.success_nodes.get(id=second.id).count == 1
    back = refuse(exceptions.BadRequest, lambda: second.related.always_nodes.post({"id": first.id}))
    assert back["Error"].startswith("cycle detected")
    twice = refuse(exceptions.BadRequest, lambda: first.related.failure_nodes.post({"id": second.id}))
    assert "leads to" in twice["Error"]
    assert "msg" in refuse(exceptions.BadRequest, lambda: first.related.success_nodes.post({"id": "x"}))
    assert "detail" in refuse(exceptions.BadRequest, lambda: first.related.success_nodes.post({"id": 10**9}))
    join(first, second, disassociate=True)
    assert first.get().success_nodes == []
    third = first.related.failure_nodes.post({"identifier": "third"})
    assert first.get().failure_nodes == [third.id]
    assert second.patch(identifier="2nd").identifier == "2nd"
    same = refuse(exceptions.Duplicate, lambda: tree.related.workflow_nodes.post({"identifier": "2nd"}))
    assert "already exists" in same["__all__"][0]
    third.delete()
    assert tree.related.workflow_nodes.get().count == 2


def test_k4_8_k4_17_k4_18_an_approval_is_changed_found_and_decided_once(v2: Any, tree: Any) -> None:
    node = tree.related.workflow_nodes.post({"identifier": "sign"})
    assert "name" in refuse(exceptions.BadRequest, lambda: node.related.create_approval_template.post({"name": ""}))
    made = node.related.create_approval_template.post({"name": "sign it", "timeout": 60})
    assert made.patch(timeout=70).timeout == 70
    node = node.get()
    assert node.summary_fields.unified_job_template.unified_job_type == "workflow_approval"
    assert node.related.unified_job_template.get().name == "sign it"
    run = tree.launch()
    found = wait_until(lambda: run.related.workflow_nodes.get(job__name="sign it").results)
    approval = found[0].related.job.get()
    assert (approval.status, approval.can_approve_or_deny, approval.timed_out) == ("pending", True, False)
    assert v2.workflow_approvals.get(status="pending", id=approval.id).count == 1
    assert v2.unified_jobs.get(id=approval.id).count == 0
    approval.approve()
    assert run.wait_until_completed(timeout=60, interval=0.2).status == "successful"
    assert approval.get().approved_or_denied_by == "org-admin"
    assert "decided" in refuse(exceptions.BadRequest, approval.deny)["detail"]


def test_k4_19_k3_13_runs_are_canceled_relaunched_and_deleted_when_they_are_over(v2: Any, tree: Any) -> None:
    node = tree.related.workflow_nodes.post({"identifier": "sign"})
    node.related.create_approval_template.post({"name": "wait", "timeout": 0})
    run = tree.launch({"extra_vars": {"color": "red"}})
    assert run.related.cancel.get().can_cancel is True
    in_use = refuse(exceptions.Conflict, tree.delete)
    assert in_use["error"] == "Resource is being used by running jobs."
    assert in_use["active_jobs"] == [{"type": "workflow_job", "id": run.id}]
    active = refuse(exceptions.Forbidden, run.delete)
    assert active == {"detail": "Cannot delete running job resource."}
    run.cancel()
    ended = run.wait_until_completed(timeout=60, interval=0.2)
    assert (ended.status, ended.failed, "event_processing_finished" in ended.json) == ("canceled", True, False)
    over = refuse(exceptions.MethodNotAllowed, lambda: run.related.cancel.post({}))
    assert "not allowed" in over["detail"]
    again = run.relaunch()
    assert (again.launch_type, again.relaunch_of, again.json.extra_vars) == ("relaunch", run.id, '{"color": "red"}')
    again.cancel()
    assert again.wait_until_completed(timeout=60, interval=0.2).status == "canceled"
    run.delete()
    refuse(exceptions.NotFound, run.get)
    assert tree.related.workflow_jobs.get().count == 1


def test_k4_9_k4_10_k4_11_k4_20_surveys_launches_and_copies(v2: Any, tree: Any) -> None:
    spec = [{"variable": "size", "question_name": "How big?", "type": "integer", "required": True, "min": 1, "max": 9}]
    assert "error" in refuse(exceptions.BadRequest, lambda: tree.related.survey_spec.post({"name": "s"}))
    tree.related.survey_spec.post({"name": "s", "description": "", "spec": spec})
    assert tree.related.survey_spec.get().spec[0]["variable"] == "size"
    assert tree.patch(survey_enabled=True).survey_enabled is True
    needs = tree.related.launch.get()
    assert (needs.can_start_without_user_input, needs.survey_enabled) == (False, True)
    assert any("size" in text for text in needs.variables_needed_to_start)
    for wrong in ({}, {"extra_vars": {"size": 10}}, {"extra_vars": {"size": "x"}}):
        refused = refuse(exceptions.BadRequest, lambda wrong=wrong: tree.related.launch.post(wrong))
        assert any("size" in text for text in refused["variables_needed_to_start"])
    launched = tree.related.launch.post({"extra_vars": '{"size": 3}', "limit": "all"})
    assert (launched.workflow_job, launched.ignored_fields.limit, launched.type) == (launched.id, "all", "workflow_job")
    able = tree.related["copy"].get()
    assert able.can_copy is able.can_copy_without_user_input is True
    copied = tree.related["copy"].post({"name": f"copied {time.time()}"})
    assert (copied.related.survey_spec.get().spec[0]["variable"], copied.survey_enabled) == ("size", True)
    copied.related.survey_spec.delete()
    assert copied.related.survey_spec.get().json == {}


def test_1_11_3_lists_are_filtered_over_relations_ordered_and_paged(v2: Any, tree: Any) -> None:
    for identifier in ("c", "a", "b"):
        tree.related.workflow_nodes.post({"identifier": identifier})
    nodes = v2.workflow_job_template_nodes

    def find(**query: Any) -> list[str]:
        return [row.identifier for row in nodes.get(**query).results]

    assert find(workflow_job_template__name=tree.name) == ["c", "a", "b"]
    assert find(workflow_job_template__name=tree.name, order_by="-identifier") == ["c", "b", "a"]
    assert find(workflow_job_template=tree.id, identifier__in="a,b", not__identifier="b") == ["a"]
    assert find(workflow_job_template=tree.id, or__identifier="c", or__identifier__startswith="b") == ["c", "b"]
    assert find(workflow_job_template=tree.id, unified_job_template__isnull="true", search="C") == ["c"]
    assert find(chain__workflow_job_template__organization__name="default", workflow_job_template=tree.id)
    page = tree.related.workflow_nodes.get(page_size=2)
    assert (page.count, len(page.results), len(page.next.get().results)) == (3, 2, 1)
    run = tree.launch().wait_until_completed(timeout=60, interval=0.2)
    assert v2.workflow_job_nodes.get(workflow_job=run.id).count == 3
    assert v2.workflow_job_nodes.get(workflow_job__name=tree.name, identifier="a").count == 1
    assert v2.unified_jobs.get(workflow_job_template__name=tree.name).results[0].id == run.id
    assert v2.unified_job_templates.get(name=tree.name, type="workflow_job_template").results[0].id == tree.id
    unknown = refuse(exceptions.BadRequest, lambda: nodes.get(colour="red"))
    assert "colour" in unknown["detail"]
    refuse(exceptions.NotFound, lambda: nodes.get(page=99999))


def test_k1_4_k3_11_strangers_auditors_and_members_get_what_they_may_have(with_worker: Stack, tree: Any) -> None:
    tokens = with_worker.list_endpoints()["tokens"]
    refuse(exceptions.Unauthorized, open_library(with_worker.gateway, "x").me.get)
    auditor = open_library(with_worker.gateway, tokens["org-auditor"])
    seen = auditor.workflow_job_templates.get(id=tree.id).results[0]
    assert "permission" in refuse(exceptions.Forbidden, lambda: seen.patch(description="x"))["detail"]
    assert "permission" in refuse(exceptions.Forbidden, lambda: seen.related.launch.post({}))["detail"]
    member = open_library(with_worker.gateway, tokens["org-member"])
    assert member.workflow_job_templates.get(id=tree.id).count == 0
    blank = refuse(exceptions.BadRequest, lambda: tree.patch(name=""))
    assert blank == {"name": ["This field may not be blank."]}
