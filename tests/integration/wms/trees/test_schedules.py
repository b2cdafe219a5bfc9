"""Schedules over HTTP and in MongoDB: rows of the contract, rights, two WMS at once, and a WMS that is killed."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runtime.kernel.store import Store
from schemas.automation.schedules import SCHEDULES, Identity
from schemas.engine.run_documents import RUNS
from schemas.errors import Conflict
from schemas.ids import ScheduleId
from tests.forked_processes import start_module
from tests.integration.wms.engine.conftest import EngineWorld
from tests.integration.wms.trees.conftest import ADA, NORTH, TreeWorld
from tests.integration.wms.trees.test_awx_people import Guest, find_role, number_user
from tests.integration.wms.trees.test_awx_routes import V2, AwxWorld, awx
from tests.waiting import eventually
from wms.app import Wms, run_wms
from wms.settings import WmsSettings

__all__ = ["awx"]

DAILY = "DTSTART;TZID=Europe/Berlin:20260101T023000 RRULE:FREQ=DAILY;INTERVAL=1"


def make_rule(at: datetime, frequency: str) -> str:
    """Return a rule that begins at this second."""
    return f"DTSTART:{at:%Y%m%dT%H%M%SZ} RRULE:FREQ={frequency};INTERVAL=1"


async def set_back(
    store: Store, schedule: int, begin: datetime, decided_until: datetime, frequency: str = "DAILY"
) -> None:
    """Let a schedule begin at `begin`, and be as if no WMS had run since `decided_until`."""
    change = {"$set": {"rrule": make_rule(begin, frequency), "decided_until": decided_until, "wake_at": decided_until}}
    assert await store.compare_and_set(SCHEDULES, {"_id": schedule}, change)


async def find_runs(store: Store, schedule: int) -> list[dict[str, Any]]:
    """Return the runs of a schedule."""
    return await store.find(RUNS, {"occurrence.schedule": schedule}, sort=[("_id", 1)])


async def test_a8_k4_1_schedules_are_made_listed_changed_and_deleted(awx: AwxWorld) -> None:
    ada, tree = awx.ada, await awx.make_tree()
    made = await ada.post(f"/workflow_job_templates/{tree}/schedules/", {"name": "nightly", "rrule": DAILY})
    assert made["type"] == "schedule"
    assert made["url"] == f"{V2}/schedules/{made['id']}/"
    assert made["related"]["unified_job_template"] == f"{V2}/workflow_job_templates/{tree}/"
    assert made["summary_fields"]["unified_job_template"]["unified_job_type"] == "workflow_job"
    assert (made["enabled"], made["timezone"], made["dtend"], made["unified_job_template"]) == (
        True,
        "Europe/Berlin",
        None,
        tree,
    )
    assert made["dtstart"] == "2026-01-01T01:30:00.000000Z"
    assert datetime.fromisoformat(made["next_run"]) > datetime.now(UTC)
    template = await ada.get(f"/workflow_job_templates/{tree}/")
    assert template["next_job_run"] == made["next_run"]
    assert "Europe/Berlin" in (await ada.get("/schedules/zoneinfo/"))["zones"]
    assert (await ada.get(template["related"]["schedules"].removeprefix(V2)))["results"] == [made]
    again = await ada.post("/schedules/", {"name": "nightly", "rrule": DAILY, "unified_job_template": tree}, code=400)
    assert "already exists" in again["__all__"][0]
    second = await ada.post("/schedules/", {"name": "second", "rrule": DAILY, "unified_job_template": "release"})
    assert [each["name"] for each in (await ada.get("/schedules/?enabled=true&order_by=-name"))["results"]] == [
        "second",
        "nightly",
    ]
    assert (await ada.get(f"/schedules/?unified_job_template={tree}&name=second"))["count"] == 1
    off = await ada.call("PATCH", f"{V2}/schedules/{second['id']}/", {"enabled": False})
    assert (off["enabled"], off["next_run"], off["rrule"]) == (False, None, DAILY)
    put = await ada.call("PUT", second["url"], {"name": "third", "rrule": DAILY, "unified_job_template": tree})
    assert (put["name"], put["enabled"]) == ("third", False)
    await ada.call("PATCH", made["url"], {"enabled": False})
    assert (await ada.get("/unified_job_templates/"))["results"][0]["next_job_run"] is None
    await ada.call("DELETE", second["url"], code=204)
    await ada.get(f"/schedules/{second['id']}/", code=404)
    await ada.call("DELETE", template["url"], code=204)
    assert (await ada.get("/schedules/"))["count"] == 0


async def test_a_preview_shows_the_next_occurrences_in_the_zone_and_in_utc(awx: AwxWorld) -> None:
    shown = await awx.ada.post("/schedules/preview/", {"rrule": DAILY, "count": 3}, code=200)
    assert (len(shown["local"]), len(shown["utc"])) == (3, 3)
    assert shown["local"][0][10:19] == "T02:30:00"
    assert datetime.fromisoformat(shown["local"][0]) == datetime.fromisoformat(shown["utc"][0])
    assert len((await awx.ada.post("/schedules/preview/", {"rrule": DAILY}, code=200))["utc"]) == 10
    for body in ({"rrule": DAILY, "count": 1000}, {}, {"rrule": "DTSTART:20260101T000000Z RRULE:FREQ=SECONDLY"}):
        assert set(await awx.ada.post("/schedules/preview/", body, code=400)) <= {"count", "rrule"}


async def test_1_3_what_the_template_does_not_ask_for_is_refused_and_stores_nothing(awx: AwxWorld) -> None:
    ada, tree = awx.ada, await awx.make_tree()
    path, rule = f"/workflow_job_templates/{tree}/schedules/", {"name": "n", "rrule": DAILY}
    for more in ({"extra_data": {"x": 1}}, {"limit": "here"}, {"inventory": 3}):
        assert "not configured to prompt" in (await ada.post(path, {**rule, **more}, code=400))["detail"]
    assert "DTSTART" in (await ada.post(path, {**rule, "rrule": "RRULE:FREQ=DAILY"}, code=400))["rrule"][0]
    never = "DTSTART:20260101T000000Z RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"
    assert "never occurs" in (await ada.post(path, {**rule, "rrule": never}, code=400))["rrule"][0]
    covered = "DTSTART:20260101T000000Z RRULE:FREQ=MINUTELY EXRULE:FREQ=MINUTELY"
    assert "EXRULE" in (await ada.post(path, {**rule, "rrule": covered}, code=400))["rrule"][0]
    assert "required" in (await ada.post("/schedules/", rule, code=400))["unified_job_template"][0]
    await ada.call("PATCH", f"{V2}/workflow_job_templates/{tree}/", {"survey_enabled": True})
    question = {"variable": "pw", "question_name": "?", "type": "password", "required": True}
    await ada.post(
        f"/workflow_job_templates/{tree}/survey_spec/", {"name": "", "description": "", "spec": [question]}, code=200
    )
    assert (await ada.post(path, rule, code=400))["variables_needed_to_start"]
    assert (await ada.get(path))["count"] == 0
    made = await ada.post(path, {**rule, "extra_data": {"pw": "secret"}})
    assert made["extra_data"] == {"pw": "$encrypted$"}
    kept = await ada.call("PATCH", made["url"], {"extra_data": {"pw": "$encrypted$"}, "description": "kept"})
    assert kept["extra_data"] == {"pw": "$encrypted$"}
    stored = await awx.trees.engine.wms.store.find_one(SCHEDULES, {"_id": made["id"]})
    assert stored is not None
    keys = awx.world.settings.make_secret_keys()
    assert stored["extra_data"]["pw"] != "secret"
    assert keys.unseal_values(stored["extra_data"], stored["masked"]) == {"pw": "secret"}


async def test_1_11_5_a_schedule_may_have_answers_before_its_template_has_the_survey(awx: AwxWorld) -> None:
    wms, tree = awx.trees.engine.wms, await awx.make_tree(survey_enabled=True)
    body = {"name": "n", "rrule": DAILY, "extra_data": {"version": "9"}}
    made = await awx.ada.post(f"/workflow_job_templates/{tree}/schedules/", body)
    assert made["extra_data"] == {"version": "9"}

    async def wake() -> dict[str, Any]:
        begin = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=20)
        await set_back(wms.store, made["id"], begin, begin - timedelta(seconds=1))
        await wms.schedules.runner.wake_schedule(ScheduleId(made["id"]))
        shown: dict[str, Any] = (await awx.ada.get(f"/schedules/{made['id']}/"))["last_occurrence"]
        return shown

    # Without the survey, the launch drops no answer in silence: it does not happen.
    assert "version" in (await wake())["refusal"]
    assert await find_runs(wms.store, made["id"]) == []
    question = {"variable": "version", "question_name": "?", "type": "text", "required": True}
    survey = {"name": "", "description": "", "spec": [question]}
    await awx.ada.post(f"/workflow_job_templates/{tree}/survey_spec/", survey, code=200)
    job = await awx.ada.get(f"/workflow_jobs/{(await wake())['job']}/")
    assert json.loads(job["extra_vars"]) == {"version": "9"}
    # Now that the survey is known, its rules hold when a schedule is saved.
    await awx.ada.call("PATCH", made["url"], {"extra_data": {"other": 1}}, code=400)


async def test_1_3_labels_of_a_schedule_are_checked_when_it_is_saved(awx: AwxWorld) -> None:
    ada, tree = awx.ada, await awx.make_tree(ask_labels_on_launch=True)
    path, rule = f"/workflow_job_templates/{tree}/schedules/", {"name": "n", "rrule": DAILY}
    label = (await ada.post("/labels/", {"name": "night", "organization": "default"}))["id"]
    for wrong in ("night", ["night"], [label + 1]):
        assert "labels" in await ada.post(path, {**rule, "labels": wrong}, code=400)
    made = await ada.post(path, {**rule, "labels": [label]})
    assert made["labels"] == [label]
    assert "labels" in await ada.call("PATCH", made["url"], {"labels": [label + 1]}, code=400)
    assert (await ada.get(path))["results"][0]["labels"] == [label]


async def test_1_7_only_who_may_launch_may_schedule(awx: AwxWorld) -> None:
    tree = await awx.make_tree()
    path, rule = f"/workflow_job_templates/{tree}/schedules/", {"name": "n", "rrule": DAILY}
    made = await awx.ada.post(path, rule)
    for client, may_see in ((awx.eve, True), (awx.bob, False)):
        await client.post(path, {**rule, "name": "m"}, code=403)
        await client.call("PATCH", made["url"], {"enabled": False}, code=403)
        await client.call("DELETE", made["url"], code=403)
        await client.call("GET", made["url"], code=200 if may_see else 403)
        assert (await client.get("/schedules/"))["count"] == int(may_see)


async def test_a25_a_schedule_launches_at_its_time_with_its_variables(awx: AwxWorld) -> None:
    ada, build = awx.ada, await awx.make_job("build")
    tree = await awx.make_tree(ask_variables_on_launch=True)
    await awx.add_node(tree, unified_job_template=build)
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    once = f"DTSTART:{at:%Y%m%dT%H%M%SZ} RRULE:FREQ=DAILY;COUNT=1"
    body = {"name": "soon", "rrule": once, "extra_data": {"version": "1.2"}}
    made = await ada.post(f"/workflow_job_templates/{tree}/schedules/", body)

    async def find_job() -> dict[str, Any] | None:
        found = (await ada.get(f"/schedules/{made['id']}/jobs/"))["results"]
        return found[0] if found else None

    job = await eventually(find_job)
    assert (job["type"], job["launch_type"], job["schedule"]) == ("workflow_job", "scheduled", made["id"])
    assert (job["scheduled_for"], job["skipped_occurrences"]) == (at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), 0)
    assert job["summary_fields"]["schedule"]["name"] == "soon"
    assert job["summary_fields"]["created_by"]["username"] == "ada"
    assert '"version": "1.2"' in job["extra_vars"]
    shown = await ada.get(f"/schedules/{made['id']}/")
    assert shown["next_run"] is None
    assert shown["last_occurrence"]["job"] == job["id"]
    assert shown["dtend"] == job["scheduled_for"]
    await awx.trees.end("build")
    assert (await awx.trees.until_over(job["id"])).status == "successful"
    await ada.call("DELETE", made["url"], code=204)
    left = await ada.get(f"/workflow_jobs/{job['id']}/")
    assert (left["schedule"], "schedule" in left["related"]) == (None, False)


async def test_after_a_time_without_wms_the_last_occurrence_runs_and_the_others_are_told(awx: AwxWorld) -> None:
    store, tree = awx.trees.engine.wms.store, await awx.make_tree()
    made = await awx.ada.post(f"/workflow_job_templates/{tree}/schedules/", {"name": "n", "rrule": DAILY})
    now = datetime.now(UTC).replace(microsecond=0)
    begin = now - timedelta(hours=4, minutes=20)
    await set_back(store, made["id"], begin, begin - timedelta(seconds=1), "HOURLY")
    await awx.trees.engine.wms.schedules.runner.wake_schedule(ScheduleId(made["id"]))
    [run] = await find_runs(store, made["id"])
    job = await awx.ada.get(f"/workflow_jobs/{run['_id']}/")
    assert job["skipped_occurrences"] == 4
    assert "4 earlier occurrences of schedule 'n' missed" in job["job_explanation"]
    shown = await awx.ada.get(f"/schedules/{made['id']}/")
    assert (shown["last_occurrence"]["skipped"], shown["skipped_occurrences"]) == (4, 4)
    assert shown["last_occurrence"]["at"] == job["scheduled_for"]
    assert datetime.fromisoformat(job["scheduled_for"]) == begin + timedelta(hours=4)
    # While it was off, it has missed nothing.
    off = await awx.ada.call("PATCH", made["url"], {"enabled": False})
    assert off["next_run"] is None
    on = await awx.ada.call("PATCH", made["url"], {"enabled": True})
    assert datetime.fromisoformat(on["next_run"]) > now
    assert len(await find_runs(store, made["id"])) == 1


async def test_an_occurrence_that_misses_the_start_deadline_is_skipped_and_the_schedule_says_so(awx: AwxWorld) -> None:
    wms, tree = awx.trees.engine.wms, await awx.make_tree()
    path, body = f"/workflow_job_templates/{tree}/schedules/", {"name": "n", "rrule": DAILY}
    for wrong in (0, -1, True, "soon", 1.5):
        assert "start_deadline_s" in await awx.ada.post(path, {**body, "start_deadline_s": wrong}, code=400)
    made = await awx.ada.post(path, {**body, "start_deadline_s": 60})
    assert made["start_deadline_s"] == 60
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2, minutes=20)
    await set_back(wms.store, made["id"], begin, begin - timedelta(seconds=1), "HOURLY")
    await wms.schedules.runner.wake_schedule(ScheduleId(made["id"]))
    shown = await awx.ada.get(f"/schedules/{made['id']}/")
    assert (shown["last_occurrence"]["job"], shown["last_occurrence"]["skipped"]) == (None, 2)
    assert "after its start deadline of 60 s" in shown["last_occurrence"]["refusal"]
    assert shown["skipped_occurrences"] == 3
    assert datetime.fromisoformat(shown["next_run"]) > datetime.now(UTC)
    assert await find_runs(wms.store, made["id"]) == []
    # Null takes the deadline away, and the stored schedule forgets it.
    changed = await awx.ada.call("PATCH", made["url"], {"start_deadline_s": None})
    assert changed["start_deadline_s"] is None
    assert (await awx.ada.get(f"/schedules/{made['id']}/"))["start_deadline_s"] is None
    await set_back(wms.store, made["id"], begin, begin - timedelta(seconds=1), "HOURLY")
    await wms.schedules.runner.wake_schedule(ScheduleId(made["id"]))
    assert len(await find_runs(wms.store, made["id"])) == 1


async def test_a_schedule_may_skip_occurrences_while_an_earlier_job_of_it_is_not_over(awx: AwxWorld) -> None:
    wms, build, tree = awx.trees.engine.wms, await awx.make_job("build"), await awx.make_tree()
    await awx.add_node(tree, unified_job_template=build)
    body = {"name": "n", "rrule": DAILY, "skip_if_running": True}
    made = await awx.ada.post(f"/workflow_job_templates/{tree}/schedules/", body)
    assert made["skip_if_running"] is True
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2, minutes=20)

    async def wake(begin: datetime) -> dict[str, Any]:
        await set_back(wms.store, made["id"], begin, begin - timedelta(seconds=1))
        await wms.schedules.runner.wake_schedule(ScheduleId(made["id"]))
        shown: dict[str, Any] = await awx.ada.get(f"/schedules/{made['id']}/")
        return shown

    first = (await wake(begin))["last_occurrence"]["job"]
    shown = await wake(begin + timedelta(hours=1))
    assert shown["last_occurrence"]["job"] is None
    assert f"job {first} of this schedule was not over" in shown["last_occurrence"]["refusal"]
    assert shown["skipped_occurrences"] == 1
    why = await awx.ada.get(f"{shown['url'].removeprefix('/api/v2')}explain/")
    assert "occurrence-skipped" in [each["cause"] for each in why["causes"]]
    await awx.trees.end("build")
    assert (await awx.trees.until_over(first)).status == "successful"
    assert (await wake(begin + timedelta(hours=2)))["last_occurrence"]["job"] > first


async def test_a_schedule_whose_maker_lost_the_right_shows_why_it_did_not_run(awx: AwxWorld) -> None:
    wms, tree = awx.trees.engine.wms, await awx.make_tree()
    made = await awx.ada.post(f"/workflow_job_templates/{tree}/schedules/", {"name": "n", "rrule": DAILY})
    # As the token of a member: the claims of the schedule's maker are those of the last save.
    lost = {"$set": {"owner.claims.groups": ["/organizations/default/member"]}}
    assert await wms.store.compare_and_set(SCHEDULES, {"_id": made["id"]}, lost)
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=20)
    await set_back(wms.store, made["id"], begin, begin - timedelta(seconds=1))
    await wms.schedules.runner.wake_schedule(ScheduleId(made["id"]))
    shown = await awx.ada.get(f"/schedules/{made['id']}/")
    assert shown["last_occurrence"]["job"] is None
    assert shown["last_occurrence"]["refusal"].startswith("ada made this schedule and may not launch")
    why = await awx.ada.get(f"{shown['url'].removeprefix('/api/v2')}explain/")
    assert (why["kind"], why["id"]) == ("schedule", str(shown["id"]))
    assert why["causes"][0]["cause"] == "launch-refused"
    assert "ada made this schedule and may not launch" in why["causes"][0]["text"]
    assert (shown["enabled"], await find_runs(wms.store, made["id"])) == (True, [])
    assert datetime.fromisoformat(shown["next_run"]) > datetime.now(UTC)
    # Its maker saves it again with the right: the next occurrence runs.
    await awx.ada.call("PATCH", made["url"], {"description": "again"})
    await set_back(wms.store, made["id"], begin, begin - timedelta(seconds=1))
    await wms.schedules.runner.wake_schedule(ScheduleId(made["id"]))
    assert len(await find_runs(wms.store, made["id"])) == 1


async def test_what_the_template_asks_for_no_more_is_refused_at_the_run(awx: AwxWorld) -> None:
    wms, tree = awx.trees.engine.wms, await awx.make_tree(ask_variables_on_launch=True)
    body = {"name": "n", "rrule": DAILY, "extra_data": {"x": 1}}
    made = await awx.ada.post(f"/workflow_job_templates/{tree}/schedules/", body)
    await awx.ada.call("PATCH", f"{V2}/workflow_job_templates/{tree}/", {"ask_variables_on_launch": False})
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=20)
    await set_back(wms.store, made["id"], begin, begin - timedelta(seconds=1))
    await wms.schedules.runner.wake_schedule(ScheduleId(made["id"]))
    refusal = (await awx.ada.get(f"/schedules/{made['id']}/"))["last_occurrence"]["refusal"]
    assert "not configured to prompt" in refusal
    assert await find_runs(wms.store, made["id"]) == []


async def make_due_schedules(wms: Wms, n: int, due: datetime) -> list[int]:
    """Return schedules with one occurrence, which comes at `due`."""
    trees = TreeWorld(EngineWorld(wms, None), None)  # type: ignore[arg-type]  # no worker has anything to do here
    template = await trees.make_tree([], allow_simultaneous=True)
    owner = {"subject": "ada", "claims": {"groups": [f"/organizations/{NORTH}/admin"]}}
    rule = f"DTSTART:{due:%Y%m%dT%H%M%SZ} RRULE:FREQ=YEARLY"
    raw = {"rrule": rule, "unified_job_template": template.id}
    return [
        (await wms.schedules.service.create_schedule(ADA, Identity(**owner), {**raw, "name": f"s{number}"})).id
        for number in range(n)
    ]


async def test_two_wms_at_once_launch_each_occurrence_once(wms_settings: WmsSettings) -> None:
    async with run_wms(wms_settings) as one, run_wms(wms_settings) as other:
        # An occurrence in the past never comes, and on busy cores 8 schedules take seconds.
        due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=10)
        ids = await make_due_schedules(one, 8, due)

        async def are_all_decided() -> bool:
            return await one.store.count(SCHEDULES, {"last.at": due}) == 8

        await eventually(are_all_decided)
        # And once more, both at the same moment, from an occurrence that nothing has decided yet.
        later = due - timedelta(hours=1)
        for schedule in ids:
            await set_back(one.store, schedule, later, later - timedelta(seconds=1))

        async def wake(wms: Wms, schedule: int) -> None:
            with contextlib.suppress(Conflict):
                await wms.schedules.runner.wake_schedule(ScheduleId(schedule))

        await asyncio.gather(*(wake(wms, schedule) for schedule in ids for wms in (one, other)))
        for schedule in ids:
            runs = await find_runs(one.store, schedule)
            assert [run["occurrence"]["at"] for run in runs] == [due, later]
            stored = await one.store.find_one(SCHEDULES, {"_id": schedule})
            assert stored is not None
            assert (stored["last"]["run"], stored["last"]["skipped"]) == (runs[1]["_id"], 0)


@pytest.mark.parametrize("point", ["schedules.decided", "store.before_commit", "engine.launched", "schedules.launched"])
async def test_a_wms_that_is_killed_between_deciding_and_launching_leaves_one_run(
    point: str, wms_settings: WmsSettings, tmp_path: Any
) -> None:
    async with run_wms(wms_settings) as wms:
        due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=6)
        [schedule] = await make_due_schedules(wms, 1, due)
    settings = wms_settings.model_dump(mode="json")
    variables = {
        "EWMS_MONGO_URL": wms_settings.mongo_url.get_secret_value(),
        "EWMS_MONGO_DATABASE": wms_settings.mongo_database,
        "EWMS_CONTROL_AMQP_URL": wms_settings.control_amqp_url.get_secret_value(),
        "EWMS_GATEWAY_PORT": "0",
        "EWMS_AUTH": "off",
        "EWMS_MQS_URL": settings["mqs_url"],
        "EWMS_PILOT_TAG": "1.2.3",
        "EWMS_FAILPOINT": f"{point}:kill",
        "PYTHONPATH": ":".join(sys.path),
        "PATH": os.environ["PATH"],
    }
    process = await start_module("wms", environment=variables, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == -signal.SIGKILL, err.decode()
    assert f"failpoint {point}" in err.decode()
    async with run_wms(wms_settings) as wms:

        async def is_decided() -> bool:
            return await wms.store.count(SCHEDULES, {"_id": schedule, "last.at": due, "last.refusal": ""}) == 1

        await eventually(is_decided)
        [run] = await find_runs(wms.store, schedule)
        assert run["occurrence"]["at"] == due
        stored = await wms.store.find_one(SCHEDULES, {"_id": schedule})
        assert stored is not None
        assert (stored["last"]["run"], stored["skipped"]) == (run["_id"], 0)


async def test_1_7_a_delegated_role_lets_its_holder_schedule_until_it_is_taken(awx: AwxWorld) -> None:
    wms, tree, joe = awx.trees.engine.wms, await awx.make_tree(topology="dag"), Guest(awx, "joe")
    path = f"/workflow_job_templates/{tree}/"
    body = {"name": "n", "rrule": DAILY}
    await joe.post(f"{path}schedules/", body, code=403)
    role = await find_role(awx, path, "execute_role")
    await awx.ada.post(f"/roles/{role}/users/", {"id": await number_user(joe)}, code=204)
    made = await joe.post(f"{path}schedules/", body)
    assert (await joe.get("/schedules/"))["count"] == 1
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=20)
    await set_back(wms.store, made["id"], begin, begin - timedelta(seconds=1))
    await wms.schedules.runner.wake_schedule(ScheduleId(made["id"]))
    [run] = await find_runs(wms.store, made["id"])
    assert run["owner"] == "joe"
    taken = {"id": await number_user(joe), "disassociate": True}
    await awx.ada.post(f"/roles/{role}/users/", taken, code=204)
    later = begin + timedelta(seconds=10)
    await set_back(wms.store, made["id"], later, begin)
    await wms.schedules.runner.wake_schedule(ScheduleId(made["id"]))
    shown = await awx.ada.get(f"/schedules/{made['id']}/")
    assert shown["last_occurrence"]["refusal"].startswith("joe made this schedule and may not launch")
    assert len(await find_runs(wms.store, made["id"])) == 1


async def test_1_7_who_changes_what_another_ones_schedule_launches_becomes_its_owner(awx: AwxWorld) -> None:
    """Else joe could launch in ada's name, and then approve the job: its starter would be ada."""
    store, tree, joe = awx.trees.engine.wms.store, await awx.make_tree(topology="dag"), Guest(awx, "joe")
    path = f"/workflow_job_templates/{tree}/"
    role = await find_role(awx, path, "execute_role")
    await awx.ada.post(f"/roles/{role}/users/", {"id": await number_user(joe)}, code=204)
    made = await awx.ada.post(f"{path}schedules/", {"name": "n", "rrule": DAILY})

    async def find_owner() -> str:
        found = await store.find_one(SCHEDULES, {"_id": made["id"]})
        assert found is not None
        return str(found["owner"]["subject"])

    await joe.call("PATCH", made["url"], {"description": "the nightly build"})
    assert await find_owner() == "ada"
    await joe.call("PATCH", made["url"], {"rrule": DAILY.replace("INTERVAL=1", "INTERVAL=2")})
    assert await find_owner() == "joe"
    await awx.ada.call("PATCH", made["url"], {"enabled": False})
    assert await find_owner() == "ada"
