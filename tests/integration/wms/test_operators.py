"""Operators drain locations and change quotas while WMS runs: who may, what it does, and that it lasts."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import httpx2

from schemas.events import Snapshot, TaskforceStart, TaskforceStatuses, TaskforceStop
from schemas.ids import TaskforceUuid
from tests.integration.wms.conftest import REST_SCHEDD, SCHEDD, World, phases, request
from tests.waiting import eventually
from wms.app import run_wms

OPS = {"ewms_role": "ops", "groups": []}


async def drain(world: World, method: str, location: str, body: Any = None, **claims: Any) -> httpx2.Response:
    """Call the route of a location's drain, by default as an operator."""
    headers = world.as_user("olga", **(claims or OPS))
    return await world.http.request(method, f"/v1/clusters/{location}/drain", json=body, headers=headers)


def asked_for(world: World, uuid: str) -> bool:
    """Return whether the TMS was ordered to start the taskforce."""
    return any(isinstance(one, TaskforceStart) and one.taskforce_uuid == uuid for one in world.tms.heard)


async def test_a_drained_location_starts_nothing_over_a_restart_and_goes_on_when_it_is_undrained(world: World) -> None:
    running = (await world.submit())["taskforces"][0]["taskforce_uuid"]
    await world.in_phase(running, "condor-submit")
    # The alias means the same schedd.
    drained = await drain(world, "PUT", "sub-2", {"reason": "new disks"})
    assert drained.status_code == 200, drained.text
    told = drained.json()
    assert (told["location"], told["schedd"], told["who"]) == ("osg", SCHEDD, "olga")
    assert (told["drain"]["reason"], told["drain"]["workers_end_at"]) == ("new disks", None)
    await eventually(lambda: drain(world, "GET", "osg"), lambda seen: seen.json()["n_running"] == 1)
    answer = await world.post("/v1/workflows", request())
    assert "no workers start for now where an operator drained osg" in answer.headers["x-ewms-hint"]
    waiting = answer.json()["taskforces"][0]["taskforce_uuid"]
    await world.in_phase(waiting, "pre-launch")
    health = (await world.get(f"/v1/taskforces/{waiting}?include=health")).json()["health"]
    [missing] = health["missing"]
    assert (missing["cause"], missing["is_coming"]) == ("drained", False)
    assert missing["text"].startswith("not started: an operator drained osg at ")
    assert missing["text"].endswith(" UTC (new disks)")
    places = {one["name"]: one["drain"] for one in (await world.get("/v1/clusters")).json()["clusters"]}
    assert {name: place is not None for name, place in places.items()} == {
        "osg": True, "sub-2": True, "chicago": False, "test-alpha": False,
    }  # fmt: skip
    assert "olga" not in str(places), "users do not hear who it was"
    # Another WMS on the same database, as after a restart: it knows the drain from its start on.
    async with AsyncExitStack() as stack:
        again = await stack.enter_async_context(run_wms(world.settings))
        other = await stack.enter_async_context(httpx2.AsyncClient(base_url=again.gateway_url, timeout=60))
        seen = (await other.get("/v1/clusters/osg/drain", headers=world.as_user("olga", **OPS))).json()
        assert (seen["drain"]["reason"], seen["n_running"], seen["n_waiting"]) == ("new disks", 1, 1)
        assert not asked_for(world, waiting)
        assert phases(await world.taskforce(running))[-1] == "condor-submit", "what runs goes on"
    assert (await drain(world, "DELETE", "osg")).json()["drain"] is None
    await world.in_phase(waiting, "condor-submit")
    assert (await drain(world, "DELETE", "osg")).status_code == 200, "once more changes nothing"
    rows = (await world.http.get("/v1/audit?kind=cluster", headers=world.as_user("olga", **OPS))).json()["rows"]
    assert [(row["who"], row["object_id"], row["changes"]["drained"]) for row in rows] == [
        ("olga", "osg", [True, False]),
        ("olga", "osg", [False, True]),
    ]
    assert (await world.get("/v1/audit?kind=cluster")).json()["rows"] == []


async def test_a_drain_calls_starts_back_and_ends_workers_and_undrain_brings_both_back_over_a_restart(
    world: World,
) -> None:
    made = await world.submit()
    running = made["taskforces"][0]["taskforce_uuid"]
    await world.in_phase(running, "condor-submit")
    world.tms.reacts = False
    late = await world.submit()
    ordered = late["taskforces"][0]["taskforce_uuid"]
    await world.in_phase(ordered, "pending-starter")
    assert (await drain(world, "PUT", "osg", {"workers_end_at": "2999-01-01T00:00:00Z"})).status_code == 400
    assert (await drain(world, "PUT", "osg", {"workers_end_at": "2026-12-01T00:00:00"})).status_code == 400
    assert (await drain(world, "GET", "osg")).json()["drain"] is None
    assert (await drain(world, "PUT", "osg", {"reason": "moved"})).status_code == 200
    called_back = await world.in_phase(ordered, "pending-stopper")
    assert called_back["phase_change_log"][-1]["context"].startswith("Called back, because an operator drained osg at ")
    assert phases(await world.taskforce(running))[-1] == "condor-submit", "what runs goes on until the deadline"
    counts = (await drain(world, "GET", "osg")).json()
    assert (counts["n_running"], counts["n_starting"], counts["n_waiting"]) == (1, 1, 1)
    world.tms.reacts = True
    now = datetime.now(UTC).isoformat()
    assert (await drain(world, "PUT", "osg", {"reason": "moved", "workers_end_at": now})).status_code == 200
    ended = await world.in_phase(running, "condor-complete")
    [line] = [line for line in ended["phase_change_log"] if line["target_phase"] == "pending-stopper"]
    assert line["source_entity"] == "Operator"
    assert line["context"].startswith("Ended, because an operator drained osg at ")
    assert len(await world.tms.hear(TaskforceStop, lambda stop: stop.taskforce_uuid == TaskforceUuid(running))) == 1

    async def find_replacements() -> dict[str, dict[str, Any]]:
        """Return each taskforce that the drain has replaced, with what is in its place."""
        found: dict[str, dict[str, Any]] = {}
        for workflow in (made, late):
            query = {"query": {"workflow_id": workflow["workflow"]["workflow_id"]}}
            first, *others = (await world.post("/v1/query/taskforces", query)).json()["taskforces"]
            assert len(others) == 1, "one in its place, however often and by whom the drain is looked at"
            found[first["taskforce_uuid"]] = others[0]
        return found

    for replacement in (await find_replacements()).values():
        await world.in_phase(replacement["taskforce_uuid"], "pre-launch")
    # Another WMS on the same database, as after a restart.
    async with run_wms(world.settings):
        assert {one["phase"] for one in (await find_replacements()).values()} == {"pre-launch"}
    assert (await drain(world, "DELETE", "osg")).status_code == 200
    for uuid, replacement in (await find_replacements()).items():
        back = await world.in_phase(replacement["taskforce_uuid"], "condor-submit")
        assert back["n_workers"] == (await world.taskforce(uuid))["n_workers"]
    workflow = (await world.get(f"/v1/workflows/{made['workflow']['workflow_id']}")).json()
    assert workflow["deactivated"] is None


async def test_at_a_lost_location_all_is_over_without_its_tms_and_a_tms_that_comes_back_ends_what_it_has(
    world: World,
) -> None:
    both = {"tasks": [{**request()["tasks"][0], "cluster_locations": ["osg", "test-alpha"]}]}
    made = await world.submit(**both)
    there = {one["schedd"]: one["taskforce_uuid"] for one in made["taskforces"]}
    ended = await world.submit()
    uuid, left = ended["taskforces"][0]["taskforce_uuid"], there[SCHEDD]
    await world.in_phase(uuid, "condor-submit")
    await world.in_phase(left, "condor-submit")
    world.tms.reacts = False
    ordered = (await world.submit())["taskforces"][0]["taskforce_uuid"]
    await world.in_phase(ordered, "pending-starter")

    def report(epoch: int) -> TaskforceStatuses:
        """Return what the TMS says of the workers of both."""
        snapshots = [
            Snapshot(
                taskforce_uuid=TaskforceUuid(one),
                epoch=epoch,
                seq=1,
                as_of=datetime.now(UTC),
                compound_statuses={"RUNNING": {"Tasking": 1}},
                top_task_errors={},
            )
            for one in (uuid, left)
        ]
        return TaskforceStatuses(schedd=SCHEDD, snapshots=snapshots)

    await world.tms.say(report(1))
    await eventually(lambda: world.taskforce(left), lambda seen: bool(seen["compound_statuses"]))
    workflow_id = ended["workflow"]["workflow_id"]
    assert (await world.post(f"/v1/workflows/{workflow_id}/actions/finished")).status_code == 200
    await world.in_phase(uuid, "pending-stopper")

    assert (await drain(world, "PUT", "osg", {"is_lost": "yes"})).status_code == 400
    lost = await drain(world, "PUT", "osg", {"reason": "a fire", "is_lost": True})
    assert lost.json()["drain"]["is_lost"] is True
    for one, phase in ((left, "condor-complete"), (ordered, "pending-stopper"), (uuid, "condor-complete")):
        seen = await world.in_phase(one, phase)
        line = seen["phase_change_log"][-1]
        assert line["source_entity"] == "Operator"
        assert line["context"].endswith(" because the location osg is lost, says an operator (a fire)")
        assert seen["compound_statuses"] == {}
        if one == uuid:
            continue
        health = (await world.get(f"/v1/taskforces/{one}?include=health")).json()["health"]
        [missing] = health["missing"]
        assert (missing["reason"], missing["is_coming"]) == ("location-lost", False)
        assert missing["text"] == "ended: the location osg is lost, says an operator (a fire)"
    await eventually(
        lambda: drain(world, "GET", "osg"),
        lambda seen: not any(seen.json()[name] for name in ("n_running", "n_starting", "n_waiting")),
    )
    over = (await world.get(f"/v1/workflows/{workflow_id}?include=health")).json()["health"]["over_at"]
    assert over is not None, "its workflow is over"
    # Elsewhere it goes on.
    assert phases(await world.taskforce(there[REST_SCHEDD]))[-1] == "pending-starter"
    n_heard = len(world.tms.heard)
    await world.tms.say(report(2))
    for one in (uuid, left):
        await eventually(
            lambda one=one: _find_stops(world, one, n_heard),
            lambda stops: [stop.cluster_id for stop in stops] == [None],
        )
    rows = (await world.http.get("/v1/audit?kind=cluster", headers=world.as_user("olga", **OPS))).json()["rows"]
    assert [(row["who"], row["changes"]["is_lost"], row["changes"]["reason"]) for row in rows] == [
        ("olga", [False, True], ["", "a fire"])
    ]
    assert (await drain(world, "DELETE", "osg")).json()["drain"] is None
    world.tms.reacts = True
    again = (await world.submit())["taskforces"][0]["taskforce_uuid"]
    await world.in_phase(again, "condor-submit")


async def _find_stops(world: World, uuid: str, since: int) -> list[TaskforceStop]:
    return [one for one in world.tms.heard[since:] if isinstance(one, TaskforceStop) and one.taskforce_uuid == uuid]


async def test_a_tms_that_polls_gets_nothing_to_start_from_a_drained_location(world: World) -> None:
    at_rest = {"tasks": [{**request()["tasks"][0], "cluster_locations": ["test-alpha"]}]}
    uuid = (await world.submit(**at_rest))["taskforces"][0]["taskforce_uuid"]
    await world.in_phase(uuid, "pending-starter")

    async def poll() -> Any:
        path = f"/v1/tms/pending-starter/taskforces?schedd={REST_SCHEDD}"
        return (await world.http.get(path, headers=world.as_tms())).json()

    assert (await drain(world, "PUT", "test-alpha")).json()["n_waiting"] == 1
    assert await poll() == {}
    await drain(world, "DELETE", "test-alpha")
    assert (await poll())["taskforce"]["taskforce_uuid"] == uuid


async def test_only_operators_drain_and_set_quotas_and_what_is_not_there_or_not_good_is_refused(world: World) -> None:
    for claims, code in (
        ({"ewms_role": "user"}, 403),
        ({"ewms_role": "auditor"}, 403),
        ({"ewms_role": "superuser", "groups": []}, 403),
    ):
        assert (await drain(world, "PUT", "osg", {}, **claims)).status_code == code
        assert (await drain(world, "DELETE", "osg", **claims)).status_code == code
        headers = world.as_user("eve", **claims)
        assert (await world.http.put("/v1/quotas", json={"workflows": 1}, headers=headers)).status_code == code
        organization = {"organization": "north", "workflows": 1}
        assert (await world.http.put("/v1/quotas", json=organization, headers=headers)).status_code == code
    for body in (
        {"organization": "north", "user": "ada", "workflows": 1},
        {"organization": "a b", "workflows": 1},
        {"organization": "north", "workflows": -1},
    ):
        answer = await world.http.put("/v1/quotas", json=body, headers=world.as_user("olga", **OPS))
        assert answer.status_code == 400, body
        assert "organization" in answer.text or "workflows" in answer.text
    for location in ("nowhere", "a%20b"):
        assert (await drain(world, "PUT", location, {})).status_code == 404
    for body in ({"reason": "x" * 501}, {"reason": "a\nb"}, {"until": "now"}, {"workers_end_at": "soon"}):
        assert (await drain(world, "PUT", "osg", body)).status_code == 400, body
    assert (await drain(world, "GET", "osg", ewms_role="auditor")).json()["drain"] is None


async def test_a_quota_counts_at_once_and_goes_back_when_it_is_taken_away(world: World) -> None:
    async def set_quota(**body: Any) -> dict[str, Any]:
        answer = await world.http.put("/v1/quotas", json=body, headers=world.as_user("olga", **OPS))
        assert answer.status_code == 200, answer.text
        quotas: dict[str, Any] = answer.json()
        return quotas

    await world.submit()
    quotas = await set_quota(user="ada", workflows=1)
    assert quotas == {
        "workflows": world.settings.caller_workflows,
        "workflows_waiting": world.settings.caller_workflows_waiting,
        "quotas": [{"user": "ada", "workflows": 1, "workflows_waiting": None}],
        "organizations": [],
    }
    refused = await world.post("/v1/workflows", request())
    assert refused.status_code == 429
    assert refused.json()["error"] == "you have as many workflows that are not over as one user may have: 1"
    assert (await world.post("/v1/workflows", request(), subject="ben")).status_code == 200
    await set_quota(workflows=1)
    assert (await world.post("/v1/workflows", request(), subject="ben")).status_code == 429
    await set_quota(user="ada", workflows=0)
    assert (await world.post("/v1/workflows", request())).status_code == 200
    assert (await set_quota())["quotas"] == [{"user": "ada", "workflows": 0, "workflows_waiting": None}]
    assert (await world.post("/v1/workflows", request(), subject="ben")).status_code == 200
    rows = (await world.http.get("/v1/audit?kind=quota", headers=world.as_user("olga", **OPS))).json()["rows"]
    assert [(row["name"], row["changes"]["workflows"]) for row in rows] == [
        ("every user", [1, None]), ("ada", [1, 0]), ("every user", [None, 1]), ("ada", [None, 1]),
    ]  # fmt: skip


async def test_the_quota_of_an_organization_counts_what_its_members_and_runs_have_and_no_others(world: World) -> None:
    async def set_quota(**body: Any) -> Any:
        headers = world.as_user("olga", **OPS)
        answer = await world.http.put("/v1/quotas", json={"organization": "north", **body}, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()["organizations"]

    async def submit(subject: str, *groups: str) -> httpx2.Response:
        headers = world.as_user(subject, groups=[f"/organizations/{group}" for group in groups])
        return await world.http.post("/v1/workflows", json=request(), headers=headers)

    assert (await submit("ada", "north/member")).status_code == 200
    assert (await submit("amy", "north/auditor")).status_code == 200, "auditors only look, so theirs count elsewhere"
    row = {"organization": "north", "workflows": 2, "workflows_waiting": None}
    assert await set_quota(workflows=2) == [row]
    assert (await submit("ben", "north/admin", "south/member")).status_code == 200
    refused = await submit("cid", "south/member", "north/member")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert refused.json()["error"] == (
        "the organization 'north' has as many workflows that are not over as it may have: 2; "
        "those of its members, of its jobs and of its runs count together"
    )
    assert "an operator can raise its quota" in refused.headers["x-ewms-hint"]
    for subject, groups in (("cid", ("south/member",)), ("amy", ("north/auditor",)), ("eve", ())):
        assert (await submit(subject, *groups)).status_code == 200
    world.mqs.activates = False
    assert (await set_quota(workflows_waiting=1))[0]["workflows"] is None
    assert (await submit("cid", "north/member")).status_code == 200
    refused = await submit("ada", "north/member")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
    assert refused.json()["error"].startswith("as many workflows of the organization 'north' wait for their queues")
    assert await set_quota() == []
    assert (await submit("ada", "north/member")).status_code == 200
    headers = world.as_user("nora", groups=["/organizations/north/admin"])
    rows = (await world.http.get("/v1/audit?kind=quota", headers=headers)).json()["rows"]
    assert {(row["name"], row["organization"]) for row in rows} == {("organization north", "north")}
    assert [row["changes"].get("workflows") for row in rows] == [None, [2, None], [None, 2]]
