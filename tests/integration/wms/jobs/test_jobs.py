"""Jobs through the real WMS, database and broker; the pilots are the test's."""

from typing import Any

from schemas.automation.catalogue import FanOut, TaskStatus
from schemas.fleet.documents import WORKFLOWS
from schemas.pilot.outcomes import RunEnding
from tests.integration.wms.jobs.conftest import JobWorld
from tests.waiting import eventually

LAB = "[web]\nweb[1:3] rack=7\n[web:vars]\ntier=front\n"
OK, NO = (RunEnding.EXITED, 0), (RunEnding.EXITED, 3)


async def test_c2_c4_c10_c21_a_task_runs_once_on_every_host_with_its_payload(jobs: JobWorld) -> None:
    task, inventory = await jobs.add_task("patch"), await jobs.add_inventory(LAB)
    made = await jobs.start(task=task, inventory=inventory, limit="!web2", payload={"version": "1.2"})
    assert made["status"] in ("new", "pending", "waiting", "running")
    over = await jobs.until_over(made["id"])
    assert (over["status"], over["hosts"]) == ("successful", {"ok": 2})
    assert [(each["name"], each["status"], each["hosts"]) for each in over["tasks"]] == [
        ("patch", "successful", {"ok": 2})
    ]
    assert sorted(jobs.runs) == [("patch", "web1"), ("patch", "web3")]
    (first,) = [each for each in jobs.payloads if each["host"]["name"] == "web1"]
    assert first == {
        "host": {"name": "web1", "labels": [], "groups": ["web"], "vars": {"rack": 7, "tier": "front"}},
        "version": "1.2",
    }
    # The person who has started the job gets no tokens of its queues.
    (workflow,) = await jobs.world.wms.store.find(WORKFLOWS, {})
    assert (workflow["owner"], workflow["organizations"]) == ("ewms-jobs/ada", [made["organization"]])
    assert (await jobs.world.get(f"/v1/workflows/{workflow['_id']}", subject="ada")).status_code == 404


async def test_c11_a_failure_stops_the_tasks_after_it_and_a_rerun_takes_the_failed_host_only(jobs: JobWorld) -> None:
    tasks = [await jobs.add_task(name) for name in ("drain", "reboot", "check")]
    inventory = await jobs.add_inventory(LAB)
    jobs.answers = lambda task, host: NO if (task, host) == ("reboot", "web2") else OK
    made = await jobs.start(tasks=tasks, inventory=inventory)
    over = await jobs.until_over(made["id"])
    assert (over["status"], over["hosts"]) == ("failed", {"failed": 1, "skipped": 2})
    assert [each["status"] for each in over["tasks"]] == ["successful", "failed", "skipped"]
    assert await jobs.states(made["id"]) == {
        "web1": ("skipped", ["ok", "ok"]),
        "web2": ("failed", ["ok", "failed"]),
        "web3": ("skipped", ["ok", "ok"]),
    }
    assert "check" not in {task for task, _ in jobs.runs}
    assert len(jobs.runs) == len(set(jobs.runs)) == 6

    jobs.answers = lambda task, host: OK
    jobs.runs.clear()
    again = (await jobs.send("POST", f"/jobs/{made['id']}/actions/rerun", {})).json()
    over = await jobs.until_over(again["id"])
    assert (over["status"], over["rerun_of"]) == ("successful", made["id"])
    assert jobs.runs == [("drain", "web2"), ("reboot", "web2"), ("check", "web2")]


async def test_serial_batches_and_a_percentage_of_failures_are_kept(jobs: JobWorld) -> None:
    tasks = [await jobs.add_task(name) for name in ("drain", "reboot")]
    inventory = await jobs.add_inventory("h[1:6]\n")
    jobs.answers = lambda task, host: NO if host in ("h2", "h5", "h6") and task == "drain" else OK
    made = await jobs.start(tasks=tasks, inventory=inventory, serial=[2], max_fail_percentage=50)
    over = await jobs.until_over(made["id"])
    assert over["batches"] == [2, 2, 2]
    assert (over["status"], over["hosts"]) == ("failed", {"ok": 3, "failed": 3})
    assert ("reboot", "h1") in jobs.runs
    assert jobs.runs.index(("reboot", "h1")) < jobs.runs.index(("drain", "h3"))
    assert not {("reboot", "h2"), ("reboot", "h5")} & set(jobs.runs)


async def test_a_free_job_lets_each_host_go_on_by_itself(jobs: JobWorld) -> None:
    tasks = [await jobs.add_task(name) for name in ("drain", "reboot", "check")]
    inventory = await jobs.add_inventory(LAB)
    jobs.answers = lambda task, host: NO if (task, host) == ("reboot", "web2") else OK
    made = await jobs.start(tasks=tasks, inventory=inventory, strategy="free")
    over = await jobs.until_over(made["id"])
    assert (over["status"], over["hosts"]) == ("failed", {"ok": 2, "failed": 1})
    assert await jobs.states(made["id"]) == {
        "web1": ("ok", ["ok", "ok", "ok"]),
        "web2": ("failed", ["ok", "failed"]),
        "web3": ("ok", ["ok", "ok", "ok"]),
    }


async def test_r1_a_task_for_the_inventory_runs_once_for_all_hosts(jobs: JobWorld) -> None:
    task = await jobs.add_task("audit", recipe={"fan_out": FanOut.INVENTORY})
    inventory = await jobs.add_inventory(LAB)
    over = await jobs.until_over((await jobs.start(task=task, inventory=inventory))["id"])
    assert (over["status"], over["hosts"]) == ("successful", {"ok": 3})
    assert jobs.runs == [("audit", "inventory")]
    assert [each["name"] for each in jobs.payloads[0]["hosts"]] == ["web1", "web2", "web3"]
    refused = await jobs.start(400, tasks=[task, task], inventory=inventory, strategy="free")
    assert "'strategy'" in refused["error"]


async def test_a_host_in_doubt_is_an_error_and_says_so(jobs: JobWorld) -> None:
    task, inventory = await jobs.add_task("reboot"), await jobs.add_inventory(LAB)
    jobs.answers = lambda _, host: (RunEnding.IN_DOUBT, None) if host == "web2" else NO if host == "web1" else OK
    made = await jobs.start(task=task, inventory=inventory)
    over = await jobs.until_over(made["id"])
    assert (over["status"], over["hosts"]) == ("error", {"ok": 1, "failed": 1, "error": 1})
    host: dict[str, Any] = (await jobs.send("GET", f"/jobs/{made['id']}/hosts/web1")).json()
    assert (host["results"][0]["exit_status"], host["results"][0]["reason"]) == (3, "it ended with exit status 3")
    listed = (await jobs.send("GET", f"/jobs/{made['id']}/hosts?state=error")).json()["hosts"]
    assert [each["name"] for each in listed] == ["web2"]


async def test_a_canceled_job_ends_its_workflow_first_and_doubts_the_hosts_that_workers_had(jobs: JobWorld) -> None:
    tasks = [await jobs.add_task(name) for name in ("drain", "reboot")]
    inventory = await jobs.add_inventory(LAB)
    jobs.answers = lambda _, host: OK if host == "web1" else None
    made = await jobs.start(tasks=tasks, inventory=inventory, serial=[2])
    await eventually(lambda: jobs.states(made["id"]), lambda states: states["web1"][1] == ["ok"])
    answer = await jobs.send("POST", f"/jobs/{made['id']}/actions/cancel")
    assert answer.status_code == 202, answer.text
    over = await jobs.until_over(made["id"])
    assert (over["status"], over["hosts"]) == ("canceled", {"error": 1, "canceled": 2})
    for state, names in {"canceled": ["web1", "web3"], "error": ["web2"], "skipped": [], "pending": []}.items():
        listed = (await jobs.send("GET", f"/jobs/{made['id']}/hosts?state={state}")).json()["hosts"]
        assert [each["name"] for each in listed] == names
    doubtful = (await jobs.send("GET", f"/jobs/{made['id']}/hosts/web2")).json()
    assert doubtful["results"][0]["reason"].startswith("in doubt: the job was canceled while")
    again = await jobs.send("POST", f"/jobs/{made['id']}/actions/rerun", {"hosts": "failed"})
    assert (again.status_code, again.json()["n_hosts"]) == (201, 1)
    await jobs.send("POST", f"/jobs/{again.json()['id']}/actions/cancel")
    await jobs.until_over(again.json()["id"])
    store = jobs.world.wms.store
    await eventually(lambda: store.count(WORKFLOWS, {"over_at": None}), lambda n_open: n_open == 0)
    again = await jobs.send("POST", f"/jobs/{made['id']}/actions/cancel")
    assert again.status_code == 409
    assert (await jobs.send("DELETE", f"/jobs/{made['id']}")).status_code == 403
    assert (await jobs.send("DELETE", f"/jobs/{made['id']}", caller="boss/north/admin")).status_code == 204
    assert (await jobs.send("GET", f"/jobs/{made['id']}")).status_code == 404


async def test_c3_c5_c16_c20_c24_c27_c28_what_cannot_run_is_refused(jobs: JobWorld) -> None:
    ready, inventory = await jobs.add_task("ready"), await jobs.add_inventory(LAB)
    waiting = await jobs.add_task("waiting", status=TaskStatus.PENDING_APPROVAL)
    private = await jobs.add_task("secret", visibility="private", owner="boss")
    strict = await jobs.add_task("strict", recipe={"parameters": '{"required": ["version"]}'})
    other = await jobs.add_inventory(LAB, name="theirs", caller="eve/south/admin")

    saved = await jobs.send("POST", "/workflow", {"name": "night", "organization": "north", "tasks": [ready, waiting]})
    assert saved.status_code == 201, saved.text
    assert len(saved.json()["warnings"]) == 1
    listed = saved.json()["id"]
    for code, body in (
        (409, {"task": waiting, "inventory": inventory}),
        (409, {"workflow": listed, "inventory": inventory}),
        (404, {"task": private, "inventory": inventory}),
        (404, {"task": 999, "inventory": inventory}),
        (404, {"task": ready, "inventory": other}),
        (404, {"task": ready, "inventory": 999}),
        (400, {"task": ready, "inventory": inventory, "limit": "nobody"}),
        (400, {"task": ready, "inventory": inventory, "limit": "web1:!web1"}),
        (400, {"task": ready, "inventory": inventory, "payload": {"host": 1}}),
        (400, {"task": ready, "inventory": inventory, "payload": {"x": "x" * 140_000}}),
        (400, {"task": ready, "inventory": inventory, "serial": ["0%"]}),
        (400, {"task": strict, "inventory": inventory}),
        (400, {"inventory": inventory}),
        (400, {"task": ready, "tasks": [ready], "inventory": inventory}),
        (400, {"task": ready, "inventory": inventory, "surprise": 1}),
        (404, {"workflow": 999, "inventory": inventory}),
    ):
        refused = await jobs.start(code, **body)
        assert refused["error"], body
    auditor = await jobs.send("POST", "/jobs", {"task": ready, "inventory": inventory}, caller="al/north/auditor")
    assert auditor.status_code == 403
    assert jobs.runs == []
    assert (await jobs.send("GET", "/jobs")).json() == {"jobs": [], "next": None}


async def test_c1_c23_c24_a_saved_workflow_runs_and_changes(jobs: JobWorld) -> None:
    first, second = await jobs.add_task("first"), await jobs.add_task("second")
    inventory = await jobs.add_inventory(LAB)
    body = {"name": "night", "organization": "north", "tasks": [first, second], "payload": {"a": 1, "b": 1}}
    made = (await jobs.send("POST", "/workflow", body)).json()
    assert (made["warnings"], made["owner"]) == ([], "ada")
    assert (await jobs.send("POST", "/workflow", body)).status_code == 409
    over = await jobs.until_over(
        (await jobs.start(workflow=made["id"], inventory=inventory, limit="web1", payload={"b": 2}))["id"]
    )
    assert (over["title"], over["workflow"], over["payload"]) == ("night", made["id"], {"a": 1, "b": 2})
    assert jobs.runs == [("first", "web1"), ("second", "web1")]

    path = f"/workflow/{made['id']}"
    assert (await jobs.send("PUT", path, {"tasks": [second]}, caller="cy/north/member")).status_code == 403
    changed = await jobs.send("PUT", path, {"tasks": [second], "name": "day"}, caller="boss/north/admin")
    assert (changed.json()["tasks"], changed.json()["name"]) == ([second], "day")
    assert [each["name"] for each in (await jobs.send("GET", "/workflow")).json()["workflows"]] == ["day"]
    assert (await jobs.send("GET", path, caller="eve/south/admin")).status_code == 404
    in_use = await jobs.send("DELETE", f"/tasks/{second}", caller="root")
    assert in_use.status_code == 409
    assert "workflow 'day'" in in_use.json()["error"]
    assert (await jobs.send("DELETE", path)).status_code == 204
    assert (await jobs.send("GET", path)).status_code == 404


async def test_c28_another_organization_sees_nothing_of_a_job(jobs: JobWorld) -> None:
    task, inventory = await jobs.add_task("patch"), await jobs.add_inventory(LAB)
    made = await jobs.start(task=task, inventory=inventory)
    await jobs.until_over(made["id"])
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/actions/cancel"),
        ("POST", "/actions/rerun"),
        ("GET", "/hosts"),
        ("GET", "/hosts/web1"),
        ("GET", "/events"),
    ):
        body = {} if method == "POST" and path.endswith("rerun") else None
        answer = await jobs.send(method, f"/jobs/{made['id']}{path}", body, caller="eve/south/admin")
        assert answer.status_code == 404, (method, path, answer.text)
    assert (await jobs.send("GET", "/jobs", caller="eve/south/admin")).json()["jobs"] == []


async def test_a_node_of_a_tree_runs_tasks_on_an_inventory_and_ends_as_the_job_does(jobs: JobWorld) -> None:
    task, inventory = await jobs.add_task("patch"), await jobs.add_inventory(LAB)
    body = {"title": "North"}
    made = await jobs.send("PUT", "/organizations/north", body, caller="root")
    assert made.status_code in (200, 201), made.text
    boss = jobs.sign_in("boss/north/admin")

    async def post(path: str, body: dict[str, Any], code: int = 201) -> dict[str, Any]:
        answer = await jobs.world.http.post(f"/api/v2{path}", json=body, headers=boss)
        assert answer.status_code == code, answer.text
        found: dict[str, Any] = answer.json()
        return found

    work = {"kind": "hosts", "tasks": [task], "inventory": inventory, "limit": "web1"}
    template = await post("/job_templates/", {"name": "patch", "organization": "north", "work": work})
    await post("/job_templates/", {"name": "x", "organization": "north", "work": {**work, "tasks": []}}, 400)
    tree = await post("/workflow_job_templates/", {"name": "night", "organization": "north"})
    await post(
        f"/workflow_job_templates/{tree['id']}/workflow_nodes/",
        {"identifier": "patch", "unified_job_template": template["id"]},
    )
    launched = await post(f"/workflow_job_templates/{tree['id']}/launch/", {"extra_vars": {"version": "3"}})

    async def get_status() -> str:
        answer = await jobs.world.http.get(f"/api/v2/workflow_jobs/{launched['id']}/", headers=boss)
        return str(answer.json()["status"])

    jobs.answers = lambda _, host: NO
    status = await eventually(get_status, lambda found: found not in ("new", "pending", "waiting", "running"))
    assert status == "failed"
    (job,) = (await jobs.send("GET", "/jobs")).json()["jobs"]
    assert (job["status"], job["owner"], job["title"], job["n_hosts"]) == ("failed", "boss", "patch", 1)
    assert jobs.runs == [("patch", "web1")]
