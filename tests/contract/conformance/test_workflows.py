"""Contract 1 and 1.1: what a user asks of the gateway, and every answer's keys, text and code."""

import re
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from tests.contract.conformance import shapes
from tests.contract.conformance.shapes import is_exactly
from tests.contract.conformance.world import ALPHA, BETA, SCHEDD_OF, World, ok, refused, request

NO_WORKFLOW = "WF-00000000-00000000"
NO_TASK = "TK-00000000-00000000-00000000"
NO_TASKFORCE = "TF-00000000-00000000-00000000-00000000"


def test_the_root_answers_an_empty_object_and_only_with_its_slash(world: World) -> None:
    assert ok(world.user.get("/")) == {}
    refused(world.user.get(""), 404, "Not Found")


def test_the_document_describes_this_api_and_says_whose_it_is(world: World) -> None:
    for role in ("user", "system-tms"):
        document = ok(world.caller(role).get("/schema/openapi"))
        assert document["openapi"].startswith("3.1")
        assert all(document["info"][name] for name in ("title", "version", "summary", "description"))
        assert all(document["info"][name] for name in ("contact", "license"))


def test_a_request_makes_the_three_kinds_of_object(world: World) -> None:
    made = world.submit()
    assert made.keys() == {"workflow", "task_directives", "taskforces"}
    is_exactly(made["workflow"], shapes.WORKFLOW)
    (task,) = made["task_directives"]
    is_exactly(task, shapes.TASK_DIRECTIVE)
    (taskforce,) = made["taskforces"]
    is_exactly(taskforce, shapes.TASKFORCE)

    said = request()["tasks"][0]
    assert made["workflow"] | {"workflow_id": "", "timestamp": 0} == {
        "workflow_id": "",
        "timestamp": 0,
        "priority": 60,
        "deactivated": None,
        "deactivated_ts": None,
    }
    for name in ("cluster_locations", "task_image", "task_args", "task_env", "init_image", "init_args", "init_env"):
        assert task[name] == said[name], name
    assert (len(task["input_queues"]), len(task["output_queues"])) == (1, 1)
    for name in ("n_workers", "worker_config", "pilot_config"):
        assert taskforce[name] == said[name], name
    assert taskforce["phase"] == "pre-mq-activation"
    assert taskforce["schedd"] == SCHEDD_OF[ALPHA]
    assert taskforce["priority"] == 60
    nothing = ("collector", "cluster_id", "submit_dict", "job_event_log_fpath", "compound_statuses", "top_task_errors")
    assert [taskforce[name] for name in nothing] == [None, None, {}, "", {}, {}]
    # The ids are hierarchical: each contains its parent's.
    core = made["workflow"]["workflow_id"].removeprefix("WF-")
    assert task["task_id"].startswith(f"TK-{core}-")
    assert taskforce["taskforce_uuid"].startswith(task["task_id"].replace("TK-", "TF-") + "-")


def test_every_cluster_location_gets_a_taskforce(world: World) -> None:
    made = world.submit(cluster_locations=[ALPHA, BETA])
    assert len(made["task_directives"]) == 1
    assert [t["schedd"] for t in made["taskforces"]] == [SCHEDD_OF[ALPHA], SCHEDD_OF[BETA]]


def test_what_was_made_is_found_again_as_it_was_answered(world: World) -> None:
    made = world.submit()
    workflow, task, taskforce = made["workflow"], made["task_directives"][0], made["taskforces"][0]
    assert ok(world.user.get(f"/workflows/{workflow['workflow_id']}")) == workflow
    assert ok(world.user.get(f"/task-directives/{task['task_id']}")) == task
    found = ok(world.user.get(f"/taskforces/{taskforce['taskforce_uuid']}"))
    is_exactly(found, shapes.TASKFORCE)
    # The taskforce moves on by itself; nothing else of it does.
    moving = {"phase": None, "phase_change_log": None}
    assert found | moving == taskforce | moving
    assert found["phase_change_log"][0] == taskforce["phase_change_log"][0]
    assert ok(world.tms.get(f"/taskforces/{taskforce['taskforce_uuid']}")).keys() == found.keys()


#: path, error; each an object that there is not.
ABSENT = [
    ("GET", f"/workflows/{NO_WORKFLOW}", f"no workflow found with id: {NO_WORKFLOW}"),
    ("GET", f"/task-directives/{NO_TASK}", f"no task found with id: {NO_TASK}"),
    ("GET", f"/taskforces/{NO_TASKFORCE}", f"no taskforce found with uuid: {NO_TASKFORCE}"),
    *(
        (
            "POST",
            f"/workflows/{NO_WORKFLOW}/actions/{action}",
            f"no non-deactivated workflow found with workflow_id='{NO_WORKFLOW}'",
        )
        for action in ("abort", "finished")
    ),
]


@pytest.mark.parametrize(("method", "path", "error"), ABSENT)
def test_what_does_not_exist_is_404_in_the_contracts_words(world: World, method: str, path: str, error: str) -> None:
    refused(world.user.get(path) if method == "GET" else world.user.post(path), 404, error)


def test_adding_workers_to_a_task_that_does_not_exist_is_404_and_no_defect(world: World) -> None:
    body = {"cluster_location": ALPHA, "n_workers": 1}
    for caller in (world.user, world.tms):
        refused(
            caller.post(f"/task-directives/{NO_TASK}/actions/add-workers", body),
            404,
            f"no task found with id: {NO_TASK}",
        )


@pytest.mark.parametrize("action", ["abort", "finished"])
def test_a_deactivation_answers_how_many_were_told_to_stop(world: World, action: str) -> None:
    made = world.submit(cluster_locations=[ALPHA, BETA])
    workflow_id = made["workflow"]["workflow_id"]
    answer = ok(world.user.post(f"/workflows/{workflow_id}/actions/{action}"))
    assert answer == {"workflow_id": workflow_id, "n_taskforces": 2}
    workflow = ok(world.user.get(f"/workflows/{workflow_id}"))
    is_exactly(workflow, shapes.WORKFLOW)
    assert workflow["deactivated"] == {"abort": "ABORTED", "finished": "FINISHED"}[action]
    assert workflow["deactivated_ts"] >= workflow["timestamp"]


BAD_ADDITIONS: list[tuple[Any, str]] = [
    ({"cluster_location": "mars", "n_workers": 1}, "condor cluster location not found: mars"),
    ({"n_workers": 1}, "'cluster_location' is a required property"),
    ({"cluster_location": ALPHA}, "'n_workers' is a required property"),
    ({"cluster_location": ALPHA, "n_workers": "1"}, "'n_workers': must match one of the accepted types"),
    (
        {"cluster_location": ALPHA, "n_workers": 1, "foo": 2},
        "Additional properties are not allowed ('foo' was unexpected)",
    ),
]


@pytest.mark.parametrize(("body", "error"), BAD_ADDITIONS)
def test_a_bad_wish_for_workers_is_refused_by_name(world: World, body: Any, error: str) -> None:
    task_id = world.submit()["task_directives"][0]["task_id"]
    answer = world.user.post(f"/task-directives/{task_id}/actions/add-workers", body)
    assert answer.status_code == 400
    # The contract gives the reason; a type's wording is free as long as it names the field.
    if "accepted types" in error:
        assert answer.json()["error"].startswith("'n_workers': ")
    else:
        refused(answer, 400, error)


def test_an_endpoint_without_a_body_takes_none_and_an_empty_object(world: World) -> None:
    for content, headers in ((b"", {}), (b"{}", {"Content-Type": "application/json"}), (b"", {"Content-Length": "0"})):
        workflow_id = world.submit()["workflow"]["workflow_id"]
        path = f"{world.prefix}/workflows/{workflow_id}/actions/abort"
        ok(world.http.post(path, content=content, headers={**world.user.headers, **headers}))


def test_a_body_that_is_not_called_json_is_refused(world: World) -> None:
    for headers in ({}, {"Content-Type": "text/plain"}):
        answer = world.http.post(f"{world.prefix}/workflows", content=b"{}", headers={**world.user.headers, **headers})
        assert answer.status_code == 400
        assert answer.json()["code"] == 400


UNROUTED: list[tuple[Callable[[World], httpx2.Response], int]] = [
    (lambda w: w.user.get("/nowhere"), 404),
    (lambda w: w.http.get("/v2/workflows", headers=dict(w.user.headers)), 404),
    (lambda w: w.http.get("/", headers=dict(w.user.headers)), 404),
    (lambda w: w.user.get("/workflows/a.b"), 404),
    (lambda w: w.user.get("/workflows/../../etc/passwd"), 404),
    (lambda w: w.user.get("/workflows"), 405),
    (lambda w: w.user.post(f"/workflows/{NO_WORKFLOW}"), 405),
    (lambda w: w.http.delete(f"{w.prefix}/workflows/{NO_WORKFLOW}", headers=dict(w.user.headers)), 405),
]


@pytest.mark.parametrize(("call", "code"), UNROUTED)
def test_unknown_paths_and_methods_are_answered_in_json(
    world: World, call: Callable[[World], httpx2.Response], code: int
) -> None:
    answer = call(world)
    assert answer.status_code == code
    assert answer.json().keys() == {"code", "error"}
    assert answer.json()["code"] == code
    assert answer.json()["error"] == answer.reason_phrase


def test_an_answer_has_an_etag_and_is_not_sent_again_to_who_has_it(world: World) -> None:
    path = f"/workflows/{world.submit()['workflow']['workflow_id']}"
    first = world.user.get(path)
    tag = first.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f]{32,}"', tag)
    assert world.user.get(path).headers["etag"] == tag
    headers = {**world.user.headers, "If-None-Match": tag}
    again = world.http.get(f"{world.prefix}{path}", headers=headers)
    assert (again.status_code, again.content) == (304, b"")
    ok(world.user.post(f"{path}/actions/abort"))
    assert world.http.get(f"{world.prefix}{path}", headers=headers).status_code == 200
