"""Paths, codes and bodies of the dialect, as clients of orchestrator-core call them."""

from typing import Any, ClassVar
from uuid import UUID

import pytest

from runtime.clock import stored_now
from schemas.engine.graph import Definition, WaitKind
from schemas.engine.runs import NodeStatus, RunStatus
from schemas.errors import Conflict, Forbidden, NotFound, Rejected, Unavailable
from schemas.events import StepWorkerAlive
from tests.integration.wms.processes.conftest import RestWorld
from tests.unit.wms.processes.process_runs import make_error, make_node, make_process, make_row
from wms.engine import repository
from wms.engine.engine_lock import LockKeeper

N = NodeStatus
ABSENT = str(UUID(int=5))


class FormNotCompleteError(Rejected):
    """Stands for the service's own."""

    code = 510
    members: ClassVar = {"form": {"type": "object"}, "meta": None}


class FormValidationError(Rejected):
    """Stands for the service's own."""

    members: ClassVar = {"validation_errors": [{"loc": ["node"], "msg": "no such node"}]}


class StartRefused(Rejected):
    """Stands for the service's own."""

    code = 412


def plain(status: RunStatus = RunStatus.CREATED, **fields: Any) -> Any:
    return make_process([N.PENDING] * 4, status, **fields)


async def test_a_start_takes_a_list_of_pages_and_answers_201(rest: RestWorld) -> None:
    for path in ("/processes/create_node", "/processes/create_node/"):
        answer = await rest.send("POST", path, json=[{"node": "n1"}, {}], headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()) == (201, {"id": "5a1c0000-0000-4000-8000-00000000000a"})
    assert rest.control.calls == [("start", "create_node", [{"node": "n1"}, {}], "root", True)] * 2


@pytest.mark.parametrize("body", [{}, {"node": "n1"}, "text", 1, [1], [[]], ["page"]])
@pytest.mark.parametrize(("method", "path"), [("POST", "/processes/create_node"), ("POST", "/forms/create_node")])
async def test_a_body_that_is_no_list_of_pages_is_422(rest: RestWorld, method: str, path: str, body: Any) -> None:
    answer = await rest.send(method, path, json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["type"] == "BadPages"
    assert rest.control.calls == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FormNotCompleteError("the form wants more pages"), 510),
        (FormValidationError("a page is not valid"), 400),
        (Forbidden("not you"), 403),
        (NotFound("no workflow found with name: create_node"), 404),
        (Conflict("it is running"), 409),
        (StartRefused("not on a Sunday"), 412),
        (Unavailable("the engine is locked"), 503),
    ],
)
async def test_r1_r2_each_refusal_of_a_start_or_a_resume_has_its_code(rest: RestWorld, error: Any, code: int) -> None:
    rest.control.error = error
    run = await rest.put(plain())
    for method, path in (
        ("POST", "/processes/create_node"),
        ("POST", "/forms/create_node"),
        ("PUT", f"/processes/{run.uuid}/resume"),
    ):
        answer = await rest.send(method, path, json=[{}])
        assert answer.status_code == code, answer.text
        body = answer.json()
        assert (body["type"], body["status"], body["detail"]) == (type(error).__name__, code, error.reason)
        assert body["title"]
        for name, value in getattr(error, "members", {}).items():
            assert body[name] == value


async def test_r2_to_r4_resume_abort_and_resume_all(rest: RestWorld) -> None:
    run = await rest.put(plain())
    of_one = f"/processes/{run.uuid}"
    assert (await rest.send("PUT", f"{of_one}/resume", json=[{"a": 1}])).status_code == 204
    assert (await rest.send("PUT", f"{of_one}/resume")).status_code == 204
    assert (await rest.send("PUT", f"{of_one}/abort")).status_code == 204
    assert (await rest.send("PUT", f"{of_one}/abort", json={"reason": "withdrawn"})).status_code == 204
    answer = await rest.send("PUT", "/processes/resume-all")
    assert (answer.status_code, answer.json()) == (200, {"count": 3})
    assert rest.control.calls == [
        ("resume", run.uuid, [{"a": 1}], "root"),
        ("resume", run.uuid, [], "root"),
        ("abort", run.uuid, "root", ""),
        ("abort", run.uuid, "root", "withdrawn"),
        ("resume-all", "root"),
    ]
    for verb in ("resume", "abort"):
        assert (await rest.send("PUT", f"/processes/{ABSENT}/{verb}")).status_code == 404
        assert (await rest.send("PUT", f"/processes/no-id/{verb}")).status_code == 404


async def test_a_process_says_why_it_does_not_move_to_those_who_may_see_it(rest: RestWorld) -> None:
    nodes = [N.DUE, N.PENDING, N.PENDING, N.PENDING]
    run = await rest.put(make_process(nodes, RunStatus.RUNNING, organization="north"))
    path = f"/processes/{run.uuid}/explain"
    found = (await rest.send("GET", path)).json()
    assert (found["kind"], found["id"], found["standing"]) == ("process", run.uuid, "running")
    assert [each["cause"] for each in found["causes"]] == ["step-queued"]
    await LockKeeper(rest.store).set_locked(is_locked=True, who="olga")
    (locked,) = (await rest.send("GET", path)).json()["causes"]
    assert (locked["cause"], locked["severity"]) == ("engine-locked", "blocked")
    assert "olga locked it at " in locked["text"]
    assert (await rest.send("GET", path, token="eve/south/auditor")).status_code == 404
    assert (await rest.send("GET", f"/processes/{ABSENT}/explain")).status_code == 404


async def test_r5_r6_a_callback_needs_its_token_and_no_other(rest: RestWorld) -> None:
    path = f"/api/processes/{ABSENT}/callback/secret"
    assert (await rest.http.post(path, json={"ok": True})).status_code == 200
    assert (await rest.http.post(path)).status_code == 200
    assert (await rest.http.post(f"{path}/progress", json="half")).status_code == 200
    assert rest.control.calls == [
        ("callback", ABSENT, "secret", {"ok": True}),
        ("callback", ABSENT, "secret", {}),
        ("progress", ABSENT, "secret", "half"),
    ]
    rest.control.error = NotFound("no such callback")
    assert (await rest.http.post(path, json={})).status_code == 404
    rest.control.error = Conflict("it does not wait")
    assert (await rest.http.post(path, json={})).status_code == 409


async def test_o2_r7_a_process_shows_every_attempt_and_its_form(rest: RestWorld) -> None:
    asks = make_node(1, N.WAITING, wait=WaitKind.INPUT)
    rows = (
        make_row(1, None, "created", act="launch", who="ada"),
        make_row(2, 0, "halted", error=make_error(), who="w1"),
        make_row(3, 0, "successful", delta={"a": 1}, who="w1"),
    )
    run = await rest.put(make_process([N.SUCCESSFUL, asks, N.PENDING, N.PENDING], RunStatus.WAITING, log=rows))
    child = await rest.put(plain(), started_by=run.id)
    rest.control.form = {"type": "object", "title": "Ask"}
    answer = await rest.send("GET", f"/processes/{run.uuid}")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["last_status"], body["last_step"]) == ("suspended", "suspended", "Ask")
    assert [step["status"] for step in body["steps"]] == ["failed", "success", "suspend", "pending", "pending"]
    assert body["steps"][1]["state_delta"] == {"a": 1}
    assert body["form"] == rest.control.form
    assert body["current_state"]["customer_id"] == "c1"
    assert [one["process_id"] for one in body["children"]] == [child.uuid]
    again = await rest.send("GET", f"/processes/{run.uuid}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await rest.send("GET", f"/processes/{ABSENT}")).status_code == 404


async def test_r8_a_list_has_pages_orders_filters_and_an_etag(rest: RestWorld) -> None:
    for n in range(3):
        await rest.put(plain(owner=f"u{n}"))
    answer = await rest.send("GET", "/processes/?range=0,1&sort=creator,asc&filter=workflow_name,create_node")
    assert [one["created_by"] for one in answer.json()] == ["u0", "u1"]
    assert answer.headers["content-range"] == "processes 0-1/3"
    again = await rest.send(
        "GET",
        "/processes?range=0,1&sort=creator,asc&filter=workflow_name,create_node",
        headers={"If-None-Match": answer.headers["etag"]},
    )
    assert again.status_code == 304
    nobody = await rest.send("GET", "/processes?filter=created_by,nobody")
    assert (nobody.json(), nobody.headers["content-range"]) == ([], "processes 0-0/0")
    for odd in ("filter=last_status", "filter=colour,red", "sort=run", "range=x"):
        refused = await rest.send("GET", f"/processes?{odd}")
        assert refused.status_code == 400
        assert odd.partition("=")[0] in refused.json()["detail"]


async def test_r9_status_counts_tell_tasks_from_others(rest: RestWorld) -> None:
    await rest.put(plain())
    await rest.put(plain(state={"workflow_target": "SYSTEM"}))
    counts = (await rest.send("GET", "/processes/status-counts")).json()
    assert counts == {"process_counts": {"created": 1}, "task_counts": {"created": 1}}


async def test_r10_only_a_task_that_is_over_can_be_deleted(rest: RestWorld) -> None:
    task = {"workflow_target": "VALIDATE"}
    over = await rest.put(plain(RunStatus.SUCCESSFUL, state=task))
    going = await rest.put(plain(RunStatus.RUNNING, state=task))
    workflow = await rest.put(plain(RunStatus.SUCCESSFUL))
    for run, code in ((over, 204), (over, 404), (going, 409), (workflow, 400)):
        assert (await rest.send("DELETE", f"/processes/{run.uuid}")).status_code == code, run.status
    assert (await rest.send("DELETE", f"/processes/{ABSENT}")).status_code == 404


async def test_r11_a_note_is_written_by_the_control(rest: RestWorld) -> None:
    run = await rest.put(plain())
    answer = await rest.send("PATCH", f"/processes/{run.uuid}", json={"note": "careful"})
    assert (answer.status_code, answer.json()["note"]) == (200, "careful")
    assert rest.control.calls == [("note", run.uuid, "careful", "root")]
    for bad in ({}, {"note": 1}, {"note": "x" * 5001}, {"notes": ""}):
        assert (await rest.send("PATCH", f"/processes/{run.uuid}", json=bad)).status_code == 400


async def test_r15_the_lock_of_the_engine(rest: RestWorld) -> None:
    status = "/settings/status"
    free = {"global_lock": False, "running_processes": 2, "global_status": "RUNNING"}
    assert (await rest.send("GET", status)).json() == free
    locked = await rest.send("PUT", status, json={"global_lock": True})
    assert locked.json() == {**free, "global_lock": True, "global_status": "PAUSING"}
    rest.control.lock = type(rest.control.lock)(is_locked=True, n_running=0)
    assert (await rest.send("GET", status)).json()["global_status"] == "PAUSED"
    member = "ada/default/member"
    assert (await rest.send("PUT", status, json={"global_lock": False}, token=member)).status_code == 403
    assert (await rest.send("PUT", status, json={})).status_code == 400


async def test_r16_r17_worker_status_names_pools_workers_and_what_they_offer(rest: RestWorld) -> None:
    nothing = (await rest.send("GET", "/settings/worker-status")).json()
    assert (nothing["number_of_workers_online"], nothing["pools"]) == (0, [])
    run = plain()
    definition = Definition(name="create_node", graph=run.graph, target="CREATE", description="Make a node")
    await repository.store_definition(rest.store, definition, definition.hash, stored_now())
    await rest.workers.note_alive(
        StepWorkerAlive(worker="w1", pool="default", hashes=(definition.hash,), n_running=2, started_at=stored_now())
    )
    status = (await rest.send("GET", "/settings/worker-status")).json()
    assert (status["number_of_workers_online"], status["number_of_running_jobs"]) == (1, 2)
    (pool,) = status["pools"]
    assert (pool["name"], pool["n_running"]) == ("default", 2)
    assert (pool["workers"][0]["name"], pool["workers"][0]["workflows"]) == ("w1", ["create_node"])
    (workflow,) = (await rest.send("GET", "/workflows")).json()
    assert (workflow["name"], workflow["target"], workflow["is_task"]) == ("create_node", "CREATE", False)
    assert workflow["is_offered"]
    assert workflow["steps"] == ["Start", "Ask", "Work", "Done"]


async def test_r19_health_needs_no_token(rest: RestWorld) -> None:
    for path in ("/api/health", "/api/health/"):
        assert (await rest.http.get(path)).json() == {"status": "OK"}


async def test_what_another_organization_owns_does_not_exist(rest: RestWorld) -> None:
    run = await rest.put(plain(), organization="north")
    of_one = f"/processes/{run.uuid}"
    auditor, stranger, member = "eve/north/auditor", "eve/south/admin", "ada/north/member"
    assert (await rest.send("GET", of_one, token=auditor)).status_code == 200
    assert (await rest.send("PUT", f"{of_one}/abort", token=auditor)).status_code == 403
    assert (await rest.send("PATCH", of_one, json={"note": ""}, token=auditor)).status_code == 403
    for method, path in (("GET", of_one), ("PUT", f"{of_one}/abort"), ("PUT", f"{of_one}/resume"), ("DELETE", of_one)):
        answer = await rest.send(method, path, token=stranger)
        assert answer.status_code == 404, (method, path)
        assert answer.json()["detail"] == f"no process found with id: {run.uuid}"
    assert (await rest.send("PUT", f"{of_one}/abort", token=member)).status_code == 204
    assert (await rest.send("GET", "/processes", token=stranger)).json() == []
    assert (await rest.send("GET", "/processes", token="nobody")).status_code == 403
    assert (await rest.http.get("/api/processes")).status_code == 403
