"""A TMS that asks for its work over REST drives a workflow from the request to the end."""

from dataclasses import dataclass
from typing import Any

import httpx2

from schemas.events import TaskforceStart, TaskforceStop, WorkflowOver
from tests.integration.wms.conftest import REST_SCHEDD, SCHEDD, World, phases, request

CONFIRMATION = {
    "cluster_id": 12,
    "n_workers": 250,
    "submit_dict": {"universe": "container", "request_cpus": 1},
    "job_event_log_fpath": "/jel/2026-11-21.tms.jel",
}


@dataclass
class RestTms:
    """What an existing TMS does, one call at a time."""

    world: World
    prefix: str = "/v1/tms"

    async def get(self, which: str, schedd: str = REST_SCHEDD, **claims: Any) -> dict[str, Any]:
        answer = await self.world.http.get(
            f"{self.prefix}/{which}/taskforces", params={"schedd": schedd}, headers=self.world.as_tms(**claims)
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def post(self, path: str, body: Any = None, **claims: Any) -> httpx2.Response:
        return await self.world.http.post(f"{self.prefix}/{path}", json=body, headers=self.world.as_tms(**claims))

    async def submitted(self, uuid: str, **fields: Any) -> httpx2.Response:
        return await self.post(f"condor-submit/taskforces/{uuid}", {**CONFIRMATION, **fields})


def at_rest(*, locations: tuple[str, ...] = ("test-alpha",), **task: Any) -> dict[str, Any]:
    (example,) = request()["tasks"]
    return {"tasks": [{**example, "cluster_locations": list(locations), **task}]}


async def pending(world: World, **fields: Any) -> tuple[str, str]:
    """Request a workflow; return its id and that of its one taskforce, which waits for its TMS."""
    made = await world.submit(**{**at_rest(), **fields})
    (taskforce,) = made["taskforces"]
    uuid = taskforce["taskforce_uuid"]
    await world.in_phase(uuid, "pending-starter")
    return made["workflow"]["workflow_id"], uuid


async def test_a_workflow_is_started_stopped_and_completed_over_rest(world: World) -> None:
    tms = RestTms(world)
    workflow_id, uuid = await pending(world)
    waiting = await tms.get("pending-starter")
    assert set(waiting) == {"taskforce", "task_directive", "mqprofiles"}
    assert waiting == await tms.get("pending-starter"), "asking claims nothing"
    assert waiting["taskforce"] == await world.taskforce(uuid)
    task = waiting["task_directive"]
    assert [p["mqid"] for p in waiting["mqprofiles"]] == task["input_queues"] + task["output_queues"]
    assert all(p["auth_token"] for p in waiting["mqprofiles"])
    assert await tms.get("pending-starter", SCHEDD) == {}, "a schedd served by events has nothing here"
    assert await tms.get("pending-starter", ewms_schedd="elsewhere") == {}, "nor has one that the token is not for"

    answer = await tms.submitted(uuid)
    assert (answer.status_code, answer.json()) == (200, {"taskforce_uuid": uuid})
    taskforce = await world.taskforce(uuid)
    assert {name: taskforce[name] for name in CONFIRMATION} == CONFIRMATION
    assert taskforce["phase"] == "condor-submit"
    assert await tms.get("pending-starter") == {}
    again = await tms.submitted(uuid)
    assert (again.status_code, again.json()["error"]) == (
        404,
        f"no 'pending-starter' taskforce found with uuid: {uuid}",
    )

    compound = {"RUNNING": {"null": 3, "Tasking": 7}, "HELD: Memory usage exceeds a memory limit": {"Tasking": 1}}
    errors = {"ValueError: $bad. pixel": 2}
    both = {"compound_statuses_by_taskforce": {uuid: compound}, "top_task_errors_by_taskforce": {uuid: errors}}
    answer = await tms.post("statuses/taskforces", both)
    assert (answer.status_code, answer.json()) == (200, {"results": [{"uuid": uuid, "status": "updated"}]})
    taskforce = await world.taskforce(uuid)
    assert (taskforce["compound_statuses"], taskforce["top_task_errors"]) == (compound, errors)
    answer = await tms.post(
        "statuses/taskforces", {"compound_statuses_by_taskforce": {uuid: {"x": {"y": 1}}, "TF-unknown": {}}}
    )
    assert (answer.status_code, answer.json()["results"]) == (
        207,
        [
            {"uuid": "TF-unknown", "status": "failed", "error": "no taskforce found with uuid"},
            {"uuid": uuid, "status": "updated"},
        ],
    )
    taskforce = await world.taskforce(uuid)
    assert (taskforce["compound_statuses"], taskforce["top_task_errors"]) == ({"x": {"y": 1}}, errors), "replaced"

    await world.post(f"/v1/workflows/{workflow_id}/actions/abort", {})
    to_stop = await tms.get("pending-stopper")
    assert (to_stop["taskforce_uuid"], to_stop["cluster_id"]) == (uuid, 12)
    for _ in range(2):
        answer = await tms.post(f"condor-rm/taskforces/{uuid}")
        assert (answer.status_code, answer.json()) == (200, {"taskforce_uuid": uuid})
    assert await tms.get("pending-stopper") == {}
    for ts in (1_795_219_615, 1_795_219_999):
        answer = await tms.post(f"condor-complete/taskforces/{uuid}", {"condor_complete_ts": ts})
        assert (answer.status_code, answer.json()) == (200, {"taskforce_uuid": uuid})
    await tms.post(f"condor-rm/taskforces/{uuid}", {})
    taskforce = await world.taskforce(uuid)
    assert phases(taskforce)[-3:] == ["pending-stopper", "condor-rm", "condor-complete"], "repetitions leave no line"
    assert taskforce["phase_change_log"][-1]["source_event_time"] == 1_795_219_615
    (over,) = await world.mqs.hear(WorkflowOver)
    assert over.workflow_id == workflow_id
    assert not [p for p in world.tms.heard if isinstance(p, TaskforceStart | TaskforceStop)], "no event, ever"


async def test_before_condor_nothing_is_given_to_stop_and_the_workflow_is_over(world: World) -> None:
    tms = RestTms(world, "/v0/tms")
    workflow_id, uuid = await pending(world)
    ended = await world.post(f"/v1/workflows/{workflow_id}/actions/finished", {})
    assert ended.json()["n_taskforces"] == 1
    assert [await tms.get(which) for which in ("pending-starter", "pending-stopper")] == [{}, {}]
    await world.mqs.hear(WorkflowOver)
    # It had asked before, and submits: it is refused, and is then given the cluster to remove.
    late = await tms.submitted(uuid)
    assert late.status_code == 404
    assert (await world.taskforce(uuid))["phase"] == "pending-stopper"
    assert (await tms.get("pending-stopper"))["cluster_id"] == 12
    assert (await tms.post(f"condor-rm/taskforces/{uuid}", {})).status_code == 200
    assert (await world.taskforce(uuid))["phase"] == "condor-rm"


async def test_three_failures_hide_a_taskforce_and_are_told(world: World) -> None:
    tms = RestTms(world)
    workflow_id, first = await pending(world)
    _, second = await pending(world)
    order = []
    for n in range(6):
        uuid = (await tms.get("pending-starter"))["taskforce"]["taskforce_uuid"]
        order.append(uuid)
        answer = await tms.post(f"condor-submit/taskforces/{uuid}/failed", {"error": f"no room {n}"})
        assert (answer.status_code, answer.json()) == (200, {"taskforce_uuid": uuid})
    assert order == [first, second] * 3, "fewer failures first, then older"
    assert await tms.get("pending-starter") == {}
    assert (await tms.post(f"condor-submit/taskforces/{first}/failed", {"error": "again"})).status_code == 200
    found = (await world.get(f"/v1/taskforces/{first}?include=health")).json()
    assert found["health"]["stuck"].endswith("no room 4")
    lines = found["phase_change_log"][-3:]
    assert [(line["target_phase"], line["was_successful"], line["source_entity"]) for line in lines] == (
        [("condor-submit", False, "TMS")] * 3
    )
    assert [line["context"] for line in lines] == [f"ERROR: no room {n}" for n in (0, 2, 4)]
    # A taskforce that is stuck can still be submitted by who knows better.
    assert (await tms.submitted(first)).status_code == 200
    await world.post(f"/v1/workflows/{workflow_id}/actions/abort", {})
    for _ in range(3):
        assert (await tms.get("pending-stopper"))["taskforce_uuid"] == first
        await tms.post(f"condor-rm/taskforces/{first}/failed", {"error": "no schedd"})
    assert await tms.get("pending-stopper") == {}
    found = (await world.get(f"/v1/taskforces/{first}?include=health")).json()
    assert found["health"]["retry_at"], "but it is not forgotten"


async def test_work_is_given_by_priority_and_one_without_queues_does_not_stop_the_others(world: World) -> None:
    tms = RestTms(world)
    low, first = await pending(world, priority=10)
    _, second = await pending(world, priority=90)
    assert (await tms.get("pending-starter"))["taskforce"]["taskforce_uuid"] == second
    await tms.submitted(second)
    lost, _ = await pending(world, priority=95)
    world.mqs.lost.add(lost)
    assert (await tms.get("pending-starter"))["taskforce"]["taskforce_uuid"] == first
    world.mqs.lost.add(low)
    assert await tms.get("pending-starter") == {}


async def test_workflows_without_queues_hide_nobody_however_many_they_are(world: World) -> None:
    (task,) = at_rest()["tasks"]
    many = [{**task, "task_args": str(n)} for n in range(45)]
    made = await world.submit(tasks=many, priority=95)
    for taskforce in made["taskforces"]:
        await world.in_phase(taskforce["taskforce_uuid"], "pending-starter")
    world.mqs.lost.add(made["workflow"]["workflow_id"])
    unmade, _ = await pending(world, priority=90)
    world.mqs.unmade.add(unmade)
    _, uuid = await pending(world, priority=1)
    tms = RestTms(world)
    assert (await tms.get("pending-starter"))["taskforce"]["taskforce_uuid"] == uuid
    await tms.submitted(uuid)
    answer = await world.http.get(
        "/v1/tms/pending-starter/taskforces", params={"schedd": REST_SCHEDD}, headers=world.as_tms()
    )
    assert answer.status_code == 503, "one waits whose queues may be there in a moment"


async def test_null_workers_are_given_as_the_locations_default(world: World) -> None:
    await pending(world, **at_rest(n_workers=None))
    assert (await RestTms(world).get("pending-starter"))["taskforce"]["n_workers"] == 4


async def test_what_a_tms_gets_wrong_is_told_in_the_contracts_words(world: World) -> None:
    tms = RestTms(world)
    made = await world.submit()
    events = made["taskforces"][0]["taskforce_uuid"]
    await world.in_phase(events, "condor-submit")
    _, uuid = await pending(world)
    unknown = uuid[:-8] + "00000000"
    submit, remove, complete = "condor-submit/taskforces", "condor-rm/taskforces", "condor-complete/taskforces"
    unexpected = "Additional properties are not allowed ('n' was unexpected)"
    no_starter, no_complete = "no 'pending-starter' taskforce found", "no non-condor-completed taskforce found"
    for path, body, code, error in (
        (f"{submit}/{uuid}", {}, 400, "Bad Request"),
        (f"{submit}/{uuid}", {**CONFIRMATION, "cluster_id": None}, 400, "Bad Request"),
        (
            f"{submit}/{uuid}",
            {**CONFIRMATION, "n": 1},
            400,
            unexpected,
        ),
        (f"{submit}/{uuid}", {**CONFIRMATION, "n_workers": "x"}, 400, "'n_workers': is not of type 'integer'"),
        (f"{submit}/{uuid}/failed", {}, 400, "Bad Request"),
        (f"{remove}/{uuid}/failed", {}, 400, "Bad Request"),
        (f"{complete}/{uuid}", {}, 400, "'condor_complete_ts' is a required property"),
        (f"{submit}/{unknown}", CONFIRMATION, 404, f"{no_starter} with uuid: {unknown}"),
        (f"{submit}/{events}", CONFIRMATION, 404, f"{no_starter} with uuid: {events}"),
        (f"{submit}/{unknown}/failed", {"error": "x"}, 404, f"{no_starter} with uuid: {unknown}"),
        (f"{remove}/{unknown}", {}, 404, f"no taskforce found with uuid: {unknown}"),
        (f"{remove}/{events}", {}, 404, f"no taskforce found with uuid: {events}"),
        (f"{complete}/{unknown}", {"condor_complete_ts": 1}, 404, f"{no_complete} with uuid: {unknown}"),
        ("statuses/taskforces", {"top_task_errors_by_taskforce": {}}, 400, None),
    ):
        answer = await tms.post(path, body)
        assert answer.status_code == code, (path, body, answer.text)
        assert error is None or answer.json() == {"code": code, "error": error}
    # What has no cluster completes no cluster, and is not moved by a removal that removed nothing.
    assert (await tms.post(f"{complete}/{uuid}", {"condor_complete_ts": 1})).status_code == 200
    assert (await tms.post(f"{remove}/{uuid}", {})).status_code == 200
    assert (await world.taskforce(uuid))["phase"] == "pending-starter"
    foreign = await tms.post(f"{submit}/{uuid}", CONFIRMATION, ewms_schedd=["SCHEDD2"])
    assert foreign.status_code == 404
    answer = await world.http.get("/v1/tms/pending-stopper/taskforces", headers=world.as_tms())
    assert (answer.status_code, answer.json()["error"]) == (400, "Missing required query parameter: schedd")
    answer = await world.get(f"/v1/tms/pending-starter/taskforces?schedd={REST_SCHEDD}")
    assert (answer.status_code, answer.json()["error"]) == (403, "authorization failed")


async def test_a_tms_whose_token_names_its_schedd_sees_no_other(world: World) -> None:
    _, uuid = await pending(world)
    for schedds, n in ((REST_SCHEDD, 1), (["SCHEDD2"], 0)):
        headers = world.as_tms(ewms_schedd=schedds)
        found = await world.http.post("/v1/query/taskforces", json={"query": {}}, headers=headers)
        assert len(found.json()["taskforces"]) == n
        assert (await world.http.get(f"/v1/taskforces/{uuid}", headers=headers)).status_code == (200 if n else 404)


async def test_a_tms_whose_token_names_its_schedd_adds_workers_at_no_other(world: World) -> None:
    made = await world.submit(**at_rest())
    (task,) = made["task_directives"]
    path = f"/v1/task-directives/{task['task_id']}/actions/add-workers"
    for claims, location, code in (
        ({"ewms_schedd": ["SCHEDD2"]}, "test-alpha", 400),
        ({"ewms_schedd": REST_SCHEDD}, "osg", 400),
        ({"ewms_schedd": []}, "test-alpha", 400),
        ({"ewms_schedd": REST_SCHEDD}, "test-alpha", 200),
        ({}, "osg", 200),
    ):
        body = {"cluster_location": location, "n_workers": 2}
        answer = await world.http.post(path, json=body, headers=world.as_tms(**claims))
        assert answer.status_code == code, (claims, location, answer.text)
        if code == 400:
            # The same as for a location that is not there.
            assert answer.json()["error"] == f"condor cluster location not found: {location}"
    query = {"query": {"workflow_id": made["workflow"]["workflow_id"]}}
    found = await world.http.post("/v1/query/taskforces", json=query, headers=world.as_tms())
    assert sorted(taskforce["schedd"] for taskforce in found.json()["taskforces"]) == sorted(
        [REST_SCHEDD, REST_SCHEDD, SCHEDD]
    )


async def test_a_repeated_confirmation_with_a_key_gets_its_first_answer(world: World) -> None:
    tms = RestTms(world)
    _, uuid = await pending(world)
    headers = {**world.as_tms(), "Idempotency-Key": "k1"}
    answers = [
        await world.http.post(f"/v1/tms/condor-submit/taskforces/{uuid}", json=CONFIRMATION, headers=headers)
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert await tms.get("pending-starter") == {}


async def test_another_wms_reserves_and_activates_queues(world: World) -> None:
    headers = world.as_user("their-wms", ewms_role="system-wms")
    path = "/v1/mqs/workflows/their_wf-1/mq-group"
    made = await world.http.post(f"{path}/reservation", json={"queue_aliases": ["a"], "public": []}, headers=headers)
    assert made.status_code == 200, made.text
    assert set(made.json()) == {"mqgroup", "mqprofiles"}
    assert set(made.json()["mqgroup"]) == {"workflow_id", "timestamp", "criteria"}
    active = await world.http.post(f"{path}/activation", json={"criteria": {"priority": 3}}, headers=headers)
    assert active.json()["mqgroup"]["criteria"] == {"priority": 3}
    assert (
        await world.http.post(f"{path}/reservation", json={"queue_aliases": []}, headers=headers)
    ).status_code == 400
    assert (await world.http.get("/v1/mqs", headers=headers)).json() == {}
    assert (await world.post(f"{path}/activation", {"criteria": None})).status_code == 403
    assert (await world.http.get("/v1/mqs/mq-profiles/a1", headers=headers)).status_code == 404
