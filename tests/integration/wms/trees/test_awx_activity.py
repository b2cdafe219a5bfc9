"""The activity stream over HTTP: who did what to templates, nodes, roles, jobs and approvals."""

from typing import Any

import pytest

from schemas.errors import Unavailable
from schemas.ids import RunId
from tests.integration.wms.trees.test_awx_people import Guest, find_role, number_user
from tests.integration.wms.trees.test_awx_routes import V2, AwxWorld, awx
from tests.waiting import eventually
from wms.audit.audit_log import AuditLog

__all__ = ["awx"]


def summarize(page: Any) -> list[tuple[str, str, str]]:
    return [
        (each["summary_fields"]["actor"]["username"], each["operation"], each["object1"]) for each in page["results"]
    ]


async def test_the_stream_tells_who_did_what_and_readers_see_their_own_part(awx: AwxWorld) -> None:
    ada, joe = awx.ada, Guest(awx, "joe")
    user = await number_user(joe)
    tree = await awx.make_tree(topology="dag")
    other = await awx.make_tree("other")
    path = f"/workflow_job_templates/{tree}/"
    node = await awx.add_node(tree, identifier="sign")
    await ada.post(f"/workflow_job_template_nodes/{node}/create_approval_template/", {"name": "Sign"})
    await ada.call("PATCH", f"{V2}{path}", {"description": "x", "extra_vars": "token: s3cret"})
    role = await find_role(awx, path, "read_role")
    await ada.post(f"/roles/{role}/users/", {"id": user}, code=204)
    run = (await ada.post(f"{path}launch/"))["id"]

    async def find_pending() -> list[Any]:
        return list((await ada.get("/workflow_approvals/?status=pending"))["results"])

    [pending] = await eventually(find_pending)
    await ada.post(f"/workflow_approvals/{pending['id']}/approve/", code=204)
    await awx.trees.until_over(run)
    stream = await ada.get(f"{path}activity_stream/")
    assert summarize(stream) == [
        ("ada", "create", "workflow_job_template"),
        ("ada", "create", "workflow_job_template_node"),
        ("ada", "update", "workflow_job_template_node"),
        ("ada", "update", "workflow_job_template"),
        ("ada", "associate", "workflow_job_template"),
        ("ada", "create", "workflow_job"),
        ("ada", "update", "workflow_approval"),
    ]
    changed = stream["results"][3]
    assert changed["changes"]["description"] == ["", "x"]
    assert "s3cret" not in str(stream)
    assert changed["related"]["workflow_job_template"] == [f"{V2}{path}"]
    assert (await ada.get(f"/activity_stream/{changed['id']}/"))["timestamp"] == changed["timestamp"]
    assert summarize(await ada.get(f"/workflow_jobs/{run}/activity_stream/")) == [("ada", "create", "workflow_job")]
    assert summarize(await ada.get("/activity_stream/?operation=associate")) == [
        ("ada", "associate", "workflow_job_template")
    ]
    # Who may read one template sees its rows, and no others.
    assert (await joe.get("/activity_stream/"))["count"] == stream["count"]
    assert (await awx.eve.get("/activity_stream/"))["count"] > stream["count"]
    assert (await awx.bob.get("/activity_stream/"))["count"] == 0
    await joe.get(f"/workflow_job_templates/{other}/activity_stream/", code=403)
    await awx.bob.get(f"/activity_stream/{changed['id']}/", code=404)


async def test_a_repeated_launch_and_a_refused_change_leave_no_row(awx: AwxWorld) -> None:
    tree = await awx.make_tree()
    path = f"/workflow_job_templates/{tree}/"
    headers = {**awx.world.as_user("ada", groups=["/organizations/default/admin"]), "Idempotency-Key": "k"}
    for _ in range(2):
        answer = await awx.world.http.post(f"{V2}{path}launch/", headers=headers, json={})
        assert answer.status_code == 201
    await awx.ada.call("PATCH", f"{V2}{path}", {"name": ""}, code=400)
    await awx.bob.call("PATCH", f"{V2}{path}", {"name": "x"}, code=403)
    assert [each[1:] for each in summarize(await awx.ada.get(f"{path}activity_stream/"))] == [
        ("create", "workflow_job_template"),
        ("create", "workflow_job"),
    ]


async def test_schedules_notification_templates_teams_and_labels_leave_rows_without_secrets(awx: AwxWorld) -> None:
    ada = awx.ada
    tree = await awx.make_tree(ask_variables_on_launch=True)
    rule = {"name": "nightly", "rrule": "DTSTART:20300101T000000Z RRULE:FREQ=DAILY;INTERVAL=1"}
    schedule = await ada.post(f"/workflow_job_templates/{tree}/schedules/", {**rule, "extra_data": {"a": "s3cret"}})
    await ada.call("PATCH", schedule["url"], {"enabled": False, "extra_data": {"a": "s3cret2"}})
    await ada.call("PATCH", schedule["url"], {"enabled": False})
    await ada.call("DELETE", schedule["url"], code=204)
    hook = {"notification_type": "webhook", "notification_configuration": {"url": "https://example.org/s3cret"}}
    notifying = await ada.post("/notification_templates/", {"name": "hook", "organization": "default", **hook})
    await ada.call("PATCH", notifying["url"], {"description": "x"})
    await ada.call("DELETE", notifying["url"], code=204)
    joe = Guest(awx, "joe")
    team = await ada.post("/teams/", {"name": "ops", "organization": "default"})
    for body in ({}, {"disassociate": True}):
        await ada.post(f"/teams/{team['id']}/users/", {"id": await number_user(joe), **body}, code=204)
    await ada.call("PATCH", team["url"], {"name": "operators"})
    await ada.call("DELETE", team["url"], code=204)
    label = await ada.post("/labels/", {"name": "old", "organization": "default"})
    await ada.call("PATCH", label["url"], {"name": "new"})

    stream = await ada.get("/activity_stream/?page_size=200")
    told = [each for each in stream["results"] if each["object1"] not in ("workflow_job_template", "job_template")]
    assert [(each["operation"], each["object1"], each["changes"]) for each in told] == [
        ("create", "schedule", {}),
        ("update", "schedule", {"enabled": [True, False], "extra_data": ["(not shown)", "(not shown)"]}),
        ("delete", "schedule", {}),
        ("create", "notification_template", {}),
        ("update", "notification_template", {"description": ["", "x"]}),
        ("delete", "notification_template", {}),
        ("create", "team", {}),
        ("associate", "team", {"member": "sub:joe"}),
        ("disassociate", "team", {"member": "sub:joe"}),
        ("update", "team", {"name": ["ops", "operators"]}),
        ("delete", "team", {}),
        ("update", "label", {"name": ["old", "new"]}),
    ]
    assert {each["summary_fields"]["actor"]["username"] for each in told} == {"ada"}
    assert "s3cret" not in str(stream)
    assert told[0]["related"]["schedule"] == [schedule["url"]]
    of_template = await ada.get(f"/workflow_job_templates/{tree}/activity_stream/")
    assert [each["object1"] for each in of_template["results"]][1:] == ["schedule"] * 3
    assert (await awx.bob.get("/activity_stream/"))["count"] == 0


async def test_a_cancel_is_stored_with_its_row_or_not_at_all(awx: AwxWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, tree = awx.ada, await awx.make_tree()
    await awx.add_node(tree, unified_job_template=await awx.make_job("build"))
    run = (await ada.post(f"/workflow_job_templates/{tree}/launch/"))["id"]
    job = (await awx.trees.until_job(RunId(run), 0)).id

    async def refuse(*_: Any) -> Any:
        raise Unavailable("the database is away")

    with monkeypatch.context() as patched:
        patched.setattr(AuditLog, "make_inserts", refuse)
        await ada.post(f"/workflow_jobs/{run}/cancel/", code=503)
    assert (await awx.trees.engine.load(RunId(run))).want is None
    await ada.post(f"/workflow_jobs/{run}/cancel/", code=202)
    told = (await ada.get(f"/workflow_jobs/{run}/activity_stream/"))["results"]
    assert [each["changes"] for each in told] == [{}, {"cancel_flag": [False, True]}]
    await awx.trees.until_over(RunId(run))
    assert (await ada.get(f"/jobs/{job}/activity_stream/"))["count"] == 0, "the tree has canceled it, not a person"


async def test_an_approval_whose_time_is_over_and_joined_lists_leave_rows(awx: AwxWorld) -> None:
    ada, tree = awx.ada, await awx.make_tree()
    path = f"/workflow_job_templates/{tree}/"
    node = await awx.add_node(tree, identifier="sign")
    await ada.post(f"/workflow_job_template_nodes/{node}/create_approval_template/", {"name": "Sign", "timeout": 1})
    hook = {"notification_type": "webhook", "notification_configuration": {"url": "https://example.org/hook"}}
    made = await ada.post("/notification_templates/", {"name": "hook", "organization": "default", **hook})
    organization = (await ada.get("/organizations/?name=default"))["results"][0]["id"]
    for joined in (
        f"{path}notification_templates_success/",
        f"/organizations/{organization}/notification_templates_any/",
    ):
        for body in ({}, {}, {"disassociate": True}):
            await ada.post(joined, {"id": made["id"], **body}, code=204)
    run = RunId((await ada.post(f"{path}launch/"))["id"])
    approval = (await awx.trees.until_job(run, 0)).id
    assert (await awx.trees.until_over(run)).status == "failed"

    stream = (await ada.get("/activity_stream/?page_size=200"))["results"]
    joins = [
        (each["operation"], each["object1"], each["changes"]) for each in stream if "associate" in each["operation"]
    ]
    lists = ("success", "error")
    assert joins == [
        ("associate", "workflow_job_template", {"notification_templates_success": "hook"}),
        ("disassociate", "workflow_job_template", {"notification_templates_success": "hook"}),
        *(("associate", "organization", {f"notification_templates_{each}": "hook"}) for each in lists),
        *(("disassociate", "organization", {f"notification_templates_{each}": "hook"}) for each in lists),
    ]
    [timed_out] = [each for each in stream if each["object1"] == "workflow_approval"]
    assert timed_out["related"] == {"workflow_approval": [f"{V2}/workflow_approvals/{approval}/"]}
    assert timed_out["changes"] == {"status": ["pending", "failed"], "timed_out": [False, True]}
    assert "actor" not in timed_out["summary_fields"]
