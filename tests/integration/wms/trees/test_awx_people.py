"""Users, teams, and delegated roles over HTTP: matrix 1.7 for those who have a role on one template only."""

from typing import Any

from tests.integration.wms.trees.test_awx_routes import V2, AwxWorld, Client, awx
from tests.waiting import eventually

__all__ = ["awx"]

IN_NORTH = {"name": "x", "organization": "north"}


class Guest(Client):
    """A user with a token that gives no role anywhere."""

    def __init__(self, awx: AwxWorld, subject: str) -> None:
        super().__init__(awx.world, subject, "none")
        self._headers = awx.world.as_user(subject)


async def number_user(client: Client) -> int:
    """Return the number of the user behind a client."""
    return int((await client.get("/me/"))["results"][0]["id"])


async def find_role(awx: AwxWorld, path: str, word: str) -> int:
    """Return the number of a role on an object, as its admin sees it."""
    return int((await awx.ada.get(path))["summary_fields"]["object_roles"][word]["id"])


async def test_a14_1_7_who_has_no_role_sees_empty_lists_and_gets_none_on_a_tree(awx: AwxWorld) -> None:
    tree, joe = await awx.make_tree(), Guest(awx, "joe")
    for kind in ("workflow_job_templates", "job_templates", "workflow_jobs", "organizations", "teams", "roles"):
        assert (await joe.get(f"/{kind}/"))["count"] == 0
    assert [each["username"] for each in (await joe.get("/users/"))["results"]] == ["joe"]
    path = f"/workflow_job_templates/{tree}/"
    assert "permission" in (await joe.get(path, code=403))["detail"]
    await joe.post("/workflow_job_templates/", {"name": "x", "organization": "default"}, code=403)
    role = await find_role(awx, path, "execute_role")
    for member in (joe, awx.bob):
        refused = await awx.ada.post(f"/roles/{role}/users/", {"id": await number_user(member)}, code=400)
        assert "topology: tree" in refused["detail"]
        await member.get(path, code=403)


async def test_1_7_owners_of_a_dag_delegate_execute_read_approval_and_admin(awx: AwxWorld) -> None:
    job = await awx.make_job("build")
    tree = await awx.make_tree(topology="dag", allow_simultaneous=True)
    await awx.add_node(tree, unified_job_template=job, identifier="b")
    path, joe = f"/workflow_job_templates/{tree}/", Guest(awx, "joe")
    user = await number_user(joe)

    async def give(word: str, *, taken: bool = False) -> None:
        role = await find_role(awx, path, word)
        body: dict[str, Any] = {"id": user, **({"disassociate": True} if taken else {})}
        await awx.ada.post(f"/roles/{role}/users/", body, code=204)

    await give("read_role")
    assert (await joe.get("/workflow_job_templates/"))["count"] == 1
    assert (await joe.get(path))["summary_fields"]["user_capabilities"]["start"] is False
    await joe.post(f"{path}launch/", code=403)
    await give("execute_role")
    run = (await joe.post(f"{path}launch/"))["workflow_job"]
    other = (await awx.ada.post(f"{path}launch/"))["workflow_job"]
    assert (await joe.get(f"/workflow_jobs/{run}/workflow_nodes/"))["count"] == 1

    async def count_jobs() -> bool:
        return int((await joe.get("/jobs/"))["count"]) == 2

    await eventually(count_jobs)  # the jobs below its tree, of all launches
    await joe.post(f"/workflow_jobs/{other}/cancel/", code=403)
    await joe.post(f"/workflow_jobs/{run}/cancel/", code=202)  # its own
    await joe.call("PATCH", f"{V2}{path}", {"description": "x"}, code=403)
    await joe.get(f"/job_templates/{job}/", code=403)
    await joe.call("DELETE", f"{V2}/workflow_jobs/{run}/", code=403)
    await give("execute_role", taken=True)
    await joe.post(f"{path}launch/", code=403)
    await give("admin_role")
    assert (await joe.call("PATCH", f"{V2}{path}", {"description": "x"}))["description"] == "x"
    await joe.post(f"{path}copy/", {"name": "mine"}, code=403)
    # A node needs the right to launch what it wraps.
    wrap = {"unified_job_template": job, "identifier": "again"}
    await joe.post(f"{path}workflow_nodes/", wrap, code=403)
    role = await find_role(awx, f"/job_templates/{job}/", "execute_role")
    await awx.ada.post(f"/users/{user}/roles/", {"id": role, "associate": True}, code=204)
    await joe.post(f"{path}workflow_nodes/", wrap)
    await joe.post(f"/workflow_jobs/{other}/cancel/", code=202)
    # The owner of a template delegates, too.
    kim = Guest(awx, "kim")
    reader = await find_role(awx, path, "read_role")
    await joe.post(f"/roles/{reader}/users/", {"id": await number_user(kim)}, code=204)
    await kim.get(path)
    await kim.post(f"/roles/{reader}/users/", {"id": user}, code=403)
    # As a tree it knows no delegated roles.
    await awx.ada.call("PATCH", f"{V2}{path}", {"topology": "tree"})
    for guest in (joe, kim):
        await guest.get(path, code=403)


async def test_1_9_who_holds_the_role_approves_but_not_what_it_has_started_if_that_is_barred(awx: AwxWorld) -> None:
    tree = await awx.make_tree(topology="dag", allow_simultaneous=True)
    node = await awx.add_node(tree, identifier="sign")
    approval = {"name": "Sign", "bars_starter": True}
    await awx.ada.post(f"/workflow_job_template_nodes/{node}/create_approval_template/", approval)
    path, joe, kim = f"/workflow_job_templates/{tree}/", Guest(awx, "joe"), Guest(awx, "kim")
    for word, guests in (("execute_role", [joe]), ("approval_role", [joe, kim])):
        role = await find_role(awx, path, word)
        for guest in guests:
            await awx.ada.post(f"/roles/{role}/users/", {"id": await number_user(guest)}, code=204)
    seen = await joe.get("/workflow_approval_templates/")
    assert [each["name"] for each in seen["results"]] == ["Sign"], "who sees the tree sees its approvals"
    assert (await awx.bob.get("/workflow_approval_templates/"))["count"] == 0
    await joe.post(f"{path}launch/")

    async def find_pending() -> int | None:
        rows = (await joe.get("/workflow_approvals/?status=pending"))["results"]
        return int(rows[0]["id"]) if rows else None

    pending = await eventually(find_pending)
    refused = await joe.post(f"/workflow_approvals/{pending}/approve/", code=403)
    assert "started the tree" in refused["detail"]
    await kim.post(f"{path}launch/", code=403)
    await kim.post(f"/workflow_approvals/{pending}/approve/", code=204)


async def test_1_7_who_sees_a_job_by_a_delegated_role_sees_what_was_sent_about_it_and_nothing_else(
    awx: AwxWorld,
) -> None:
    ada, joe = awx.ada, Guest(awx, "joe")
    raw = {"name": "hook", "organization": "default", "notification_type": "webhook"}
    # WMS sends nothing to this machine, so the notification fails.
    hook = await ada.post(
        "/notification_templates/", {**raw, "notification_configuration": {"url": "http://127.0.0.1:1"}}
    )
    runs = []
    for topology in ("dag", "tree"):
        tree = await awx.make_tree(topology, topology=topology)
        await awx.add_node(tree, unified_job_template=await awx.make_job(f"of-{topology}"), identifier="b")
        path = f"/workflow_job_templates/{tree}/"
        await ada.post(f"{path}notification_templates_started/", {"id": hook["id"]}, code=204)
        runs.append((await ada.post(f"{path}launch/"))["id"])
    dag = (await ada.get("/workflow_job_templates/?name=dag"))["results"][0]["id"]
    role = await find_role(awx, f"/workflow_job_templates/{dag}/", "read_role")
    await ada.post(f"/roles/{role}/users/", {"id": await number_user(joe)}, code=204)

    async def find_sent(run: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await ada.get(f"/workflow_jobs/{run}/notifications/"))["results"]
        return found

    seen, other = [(await eventually(lambda run=run: find_sent(run)))[0] for run in runs]  # type: ignore[misc]
    [listed] = (await joe.get(f"/workflow_jobs/{runs[0]}/notifications/"))["results"]
    assert listed["id"] == seen["id"]
    assert (await joe.get(f"/notifications/{seen['id']}/"))["job"] == runs[0]
    await joe.get(f"/workflow_jobs/{runs[1]}/notifications/", code=403)
    await joe.get(f"/notifications/{other['id']}/", code=403)
    assert (await joe.get("/notifications/"))["count"] == 0
    await joe.get(f"/notification_templates/{hook['id']}/", code=403)


async def test_k4_22_teams_have_users_and_roles_and_the_access_list_tells_why(awx: AwxWorld) -> None:
    ada, joe, kim = awx.ada, Guest(awx, "joe"), Guest(awx, "kim")
    [_, _, joe_id, kim_id] = [await number_user(each) for each in (ada, awx.eve, joe, kim)]
    organization = (await ada.get("/organizations/?name=default"))["results"][0]["id"]
    await awx.bob.post("/teams/", {"name": "release", "organization": organization}, code=403)
    team = await ada.post("/teams/", {"name": "release", "organization": organization})
    assert (team["type"], team["organization"]) == ("team", organization)
    again = await ada.post("/teams/", {"name": "release", "organization": organization}, code=400)
    assert "already exists" in again["__all__"][0]
    await ada.post(f"/teams/{team['id']}/users/", {"id": joe_id}, code=204)
    assert (await ada.get(f"/teams/{team['id']}/users/"))["results"][0]["username"] == "joe"
    tree = await awx.make_tree(topology="dag")
    path = f"/workflow_job_templates/{tree}/"
    roles = {each["name"]: each for each in (await ada.get(f"{path}object_roles/"))["results"]}
    assert set(roles) == {"Admin", "Execute", "Read", "Approve"}
    await ada.post(f"/teams/{team['id']}/roles/", {"id": roles["Execute"]["id"]}, code=204)
    await ada.post(f"/roles/{roles['Read']['id']}/users/", {"id": kim_id}, code=204)
    await joe.post(f"{path}launch/")
    assert [each["name"] for each in (await ada.get(f"/roles/{roles['Execute']['id']}/teams/"))["results"]] == [
        "release"
    ]
    access = {each["username"]: each["summary_fields"] for each in (await ada.get(f"{path}access_list/"))["results"]}
    assert set(access) == {"ada", "eve", "joe", "kim"}
    # Who has a role in the organization by a group of the token is there, too, since the user has come here.
    by_token = {name: access[name]["indirect_access"][0]["role"] for name in ("ada", "eve")}
    assert {name: (role["name"], role["resource_type"]) for name, role in by_token.items()} == {
        "ada": ("Admin", "organization"),
        "eve": ("Auditor", "organization"),
    }
    assert access["joe"]["direct_access"][0]["role"]["team_name"] == "release"
    assert access["kim"]["direct_access"][0]["role"]["name"] == "Read"
    held = (await ada.get(f"/users/{kim_id}/roles/"))["results"]
    assert [(each["name"], each["summary_fields"]["resource_id"]) for each in held] == [("Read", tree)]
    # In an organization a team has no role; its users may.
    auditors = await find_role(awx, f"/organizations/{organization}/", "auditor_role")
    assert "templates only" in (await ada.post(f"/roles/{auditors}/teams/", {"id": team["id"]}, code=400))["detail"]
    await ada.post(f"/roles/{auditors}/users/", {"id": kim_id}, code=204)
    members = await find_role(awx, f"/organizations/{organization}/", "member_role")
    assert "auditor_role" in (await ada.post(f"/roles/{members}/users/", {"id": kim_id}, code=400))["detail"]
    [eve_id] = [each["id"] for each in (await ada.get("/users/?username=eve"))["results"]]
    by_group = await ada.post(f"/roles/{auditors}/users/", {"id": eve_id, "disassociate": True}, code=400)
    assert "the token of the user gives the role" in by_group["detail"]
    indirect = (await ada.get(f"{path}access_list/?username=kim"))["results"][0]["summary_fields"]["indirect_access"]
    assert indirect[0]["role"]["resource_type"] == "organization"
    await ada.post(f"/roles/{auditors}/users/", {"id": kim_id, "disassociate": True}, code=204)
    renamed = await ada.call("PATCH", f"{V2}/teams/{team['id']}/", {"name": "shipping"})
    assert renamed["name"] == "shipping"
    await ada.call("DELETE", f"{V2}/teams/{team['id']}/", code=204)
    await joe.get(path, code=403)
    assert (await ada.get(f"/roles/{roles['Execute']['id']}/teams/"))["count"] == 0


async def test_roles_of_what_is_not_there_are_refused(awx: AwxWorld) -> None:
    tree = await awx.make_tree(topology="dag")
    role = await find_role(awx, f"/workflow_job_templates/{tree}/", "read_role")
    assert "msg" in await awx.ada.post(f"/roles/{role}/users/", {"id": 999}, code=400)
    assert "msg" in await awx.ada.post(f"/roles/{role}/users/", {"id": "x"}, code=400)
    assert "msg" in await awx.ada.post(f"/roles/{role}/teams/", {"id": 999}, code=400)
    await awx.ada.get("/roles/7/", code=404)
    await awx.ada.get("/users/999/", code=404)
    await awx.ada.get("/teams/999/", code=404)


async def test_a_team_of_an_organization_that_the_caller_does_not_see_is_not_there(awx: AwxWorld) -> None:
    root, joe = Client(awx.world, "root", "superuser"), Guest(awx, "joe")
    north = await root.post("/organizations/", {"name": "north"})
    team = await root.post("/teams/", {"name": "secret", "organization": north["id"]})
    await root.post(f"/teams/{team['id']}/users/", {"id": await number_user(joe)}, code=204)
    path = f"/workflow_job_templates/{await awx.make_tree(topology='dag')}/"
    role = await find_role(awx, path, "execute_role")
    foreign = await awx.ada.post(f"/roles/{role}/teams/", {"id": team["id"]}, code=400)
    absent = await awx.ada.post(f"/roles/{role}/teams/", {"id": team["id"] + 900}, code=400)
    assert foreign["msg"].replace(str(team["id"]), "") == absent["msg"].replace(str(team["id"] + 900), "")
    await root.post(f"/roles/{role}/teams/", {"id": team["id"]}, code=204)
    await joe.get(path)
    for caller, n in ((root, 1), (awx.ada, 0)):
        assert (await caller.get(f"/roles/{role}/teams/"))["count"] == n
        assert (await caller.get(f"{path}access_list/?username=joe"))["count"] == n


async def test_an_organization_is_deleted_only_when_it_leaves_nothing_to_a_later_one_of_its_name(awx: AwxWorld) -> None:
    root = Client(awx.world, "root", "superuser")
    north = (await root.post("/organizations/", {"name": "north"}))["id"]
    path, tree = f"{V2}/organizations/{north}/", await root.post("/workflow_job_templates/", IN_NORTH)
    hook = {"notification_type": "webhook", "notification_configuration": {"url": "https://example.org/"}}
    made = {
        "teams": await root.post("/teams/", IN_NORTH),
        "notification_templates": await root.post("/notification_templates/", {**IN_NORTH, **hook}),
    }
    labels = f"/workflow_job_templates/{tree['id']}/labels/"
    label = await root.post(labels, IN_NORTH)
    left = "the template 'x', the notification template 'x', the team 'x', the label 'x'"
    assert left in (await root.call("DELETE", path, code=409))["detail"]
    await root.post(labels, {"id": label["id"], "disassociate": True}, code=204)
    await root.call("DELETE", f"{V2}/workflow_job_templates/{tree['id']}/", code=204)
    for kind, each in made.items():
        refused = await root.call("DELETE", path, code=409)
        assert kind.removesuffix("s").replace("_", " ") in refused["detail"]
        await root.call("DELETE", f"{V2}/{kind}/{each['id']}/", code=204)
    await root.call("DELETE", path, code=204)


async def test_who_gives_roles_sees_all_users_an_auditor_those_of_its_organization_others_themselves(
    awx: AwxWorld,
) -> None:
    joe, kim, lou = (Guest(awx, name) for name in ("joe", "kim", "lou"))
    joe_id, kim_id = await number_user(joe), await number_user(kim)
    lou_id, own_id = await number_user(lou), await number_user(awx.eve)
    organization = (await awx.ada.get("/organizations/?name=default"))["results"][0]["id"]
    member = await find_role(awx, f"/organizations/{organization}/", "member_role")
    await awx.ada.post(f"/roles/{member}/users/", {"id": joe_id}, code=204)
    team = await awx.ada.post("/teams/", {"name": "ops", "organization": "default"})
    await awx.ada.post(f"/teams/{team['id']}/users/", {"id": kim_id}, code=204)

    async def list_names(client: Client) -> set[str]:
        return {each["username"] for each in (await client.get("/users/"))["results"]}

    assert await list_names(awx.ada) >= {"ada", "eve", "joe", "kim", "lou"}
    assert await list_names(awx.eve) == {"eve", "joe", "kim"}
    assert await list_names(lou) == {"lou"}
    for number, code in ((joe_id, 200), (kim_id, 200), (own_id, 200), (lou_id, 404), (lou_id + 1000, 404)):
        await awx.eve.get(f"/users/{number}/", code=code)
    await lou.get(f"/users/{joe_id}/", code=404)
    assert (await lou.get(f"/users/{lou_id}/"))["username"] == "lou"
