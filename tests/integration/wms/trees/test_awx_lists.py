"""Ways to objects in the dialect "awx": names in paths, relations in filters, nodes of all trees, first answers."""

import pytest

from tests.integration.wms.trees.test_awx_routes import V2, AwxWorld, Client, awx
from wms.gateway.awx.resources import jobs as job_routes

__all__ = ["awx"]

TREES = "/workflow_job_templates/"


async def test_k1_4_k3_11_a_caller_without_a_token_is_asked_for_one(awx: AwxWorld) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp5"}):
        answer = await awx.world.http.get(f"{V2}{TREES}", headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="EWMS"')
        assert answer.json()["detail"]
    # Our own dialect keeps to its contract.
    assert (await awx.world.http.get("/v1/workflows/x")).status_code == 403


async def test_k1_5_k1_6_k1_7_k1_8_no_password_opens_a_way_in(awx: AwxWorld) -> None:
    """1.12 rules: passwords are for issuers that have them. Clients take 404 for a server without log-in."""
    password = {"Authorization": "Basic YWRhOmFkYQ=="}
    ways = ("/api/login/", f"{V2}/users/ada/personal_tokens/", "/api/gateway/v1/tokens/", f"{V2}/tokens/")
    for path in ways:
        answer = await awx.world.http.post(path, json={}, headers=password)
        assert (answer.status_code, answer.json()["detail"]) == (404, "Not Found"), path
    assert (await awx.world.http.get(f"{V2}/me/", headers=password)).status_code == 401


async def test_k3_14_a_get_without_the_slash_is_sent_on_with_its_query(awx: AwxWorld) -> None:
    answer = await awx.world.http.get(f"{V2}/unified_jobs?order_by=finished&name=a%20b", follow_redirects=False)
    assert answer.status_code == 301
    assert answer.headers["location"] == f"{V2}/unified_jobs/?order_by=finished&name=a%20b"
    made = await awx.ada.call(
        "POST", f"{V2}/workflow_job_templates", {"name": "x", "organization": "default"}, code=201
    )
    assert made["name"] == "x"


async def test_1_11_3_a_path_may_have_a_name_instead_of_an_id(awx: AwxWorld) -> None:
    tree = await awx.make_tree("release it")
    node = await awx.add_node(tree, identifier="first")
    for name in ("release it++default", "release%20it"):
        assert (await awx.ada.get(f"{TREES}{name}/"))["id"] == tree
    assert (await awx.ada.get("/workflow_job_template_nodes/first++release it++default/"))["id"] == node
    assert (await awx.ada.get("/organizations/default/"))["name"] == "default"
    patched = await awx.ada.call("PATCH", f"{V2}{TREES}release it++default/", {"name": "other"})
    assert (patched["id"], patched["name"]) == (tree, "other")
    for name in ("release it++default", "other++north", "other++", "other++default++x", "++"):
        await awx.ada.get(f"{TREES}{name}/", code=404)
    await awx.bob.get(f"{TREES}other++default/", code=404)


async def test_1_11_3_filters_lead_over_relations(awx: AwxWorld) -> None:
    ada = awx.ada
    build = await awx.make_job("build")
    tree, empty = await awx.make_tree("release"), await awx.make_tree("empty")
    node = await awx.add_node(tree, identifier="b", unified_job_template=build)
    await awx.add_node(empty, identifier="e")
    job = (await ada.post(f"{TREES}{empty}/launch/"))["id"]

    async def find(path: str) -> list[int]:
        return [row["id"] for row in (await ada.get(path))["results"]]

    nodes = "/workflow_job_template_nodes/"
    assert await find(f"{nodes}?workflow_job_template__name=release") == [node]
    assert await find(f"{nodes}?unified_job_template__name__icontains=UIL") == [node]
    assert await find(f"{nodes}?workflow_job_template__organization__name=default&unified_job_template__isnull=0") == [
        node
    ]
    assert await find(f"{nodes}?not__workflow_job_template__name=empty") == [node]
    assert await find(f"{nodes}?or__workflow_job_template__name=empty&or__id={node}") != [node]
    assert await find(f"{nodes}?related__search=relea") == [node]
    assert await find(f"{nodes}?workflow_job_template__name=absent") == []
    assert await find(f"{nodes}?order_by=-workflow_job_template__name&workflow_job_template__id={tree}") == [node]
    assert await find("/workflow_jobs/?workflow_job_template__name=empty") == [job]
    assert await find("/workflow_jobs/?chain__unified_job_template__search=emp&created_by__username=ada") == [job]
    assert await find("/workflow_jobs/?organization__name__in=default,north&order_by=organization__name") == [job]
    assert await find("/workflow_jobs/?workflow_job_template__name=release") == []
    assert await find(f"{TREES}?organization__name=default&order_by=-name") == [tree, empty]
    assert await find(f"{TREES}?organization__search=def&created_by__username=ada&name__startswith=rel") == [tree]
    for wrong in ("workflow_job_template__colour=red", "colour__name=x", "order_by=workflow_job_template__colour"):
        refused = await ada.get(f"{nodes}?{wrong}", code=400)
        assert "colour" in refused["detail"]


async def test_1_3_nodes_of_all_trees_are_listed_and_paged(awx: AwxWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = awx.ada
    tree = await awx.make_tree("release", allow_simultaneous=True)
    for identifier in ("a", "b", "c"):
        await awx.add_node(tree, identifier=identifier)
    jobs = [(await ada.post(f"{TREES}{tree}/launch/"))["id"] for _ in range(2)]
    first = await ada.get("/workflow_job_nodes/?page_size=4")
    assert (first["count"], len(first["results"])) == (6, 4)
    second = await ada.call("GET", first["next"])
    rows = [*first["results"], *second["results"]]
    assert [(row["workflow_job"], row["identifier"]) for row in rows] == [(job, name) for job in jobs for name in "abc"]
    found = await ada.get("/workflow_job_nodes/?identifier=b&order_by=-id")
    assert [row["workflow_job"] for row in found["results"]] == jobs[::-1]
    assert (await ada.get(f"/workflow_job_nodes/?workflow_job={jobs[0]}"))["count"] == 3
    assert (await ada.get("/workflow_job_nodes/?workflow_job__status=running,x", code=400))["detail"]
    assert (await awx.bob.get("/workflow_job_nodes/"))["count"] == 0
    await ada.get("/workflow_job_nodes/?page=3&page_size=4", code=404)
    monkeypatch.setattr(job_routes, "MAX_COUNTED_TREES", 1)
    assert "more than 1 trees" in (await ada.get("/workflow_job_nodes/", code=400))["detail"]
    assert (await ada.get(f"/workflow_job_nodes/?workflow_job={jobs[0]}"))["count"] == 3


async def test_k4_8_an_approval_template_can_be_changed(awx: AwxWorld) -> None:
    tree = await awx.make_tree()
    node = await awx.add_node(tree)
    path = f"/workflow_job_template_nodes/{node}/create_approval_template/"
    made = await awx.ada.post(path, {"name": "sign", "timeout": 5, "bars_starter": 1})
    one = f"{V2}/workflow_approval_templates/{made['id']}/"
    patched = await awx.ada.call("PATCH", one, {"timeout": 7, "organization": 99})
    assert (patched["name"], patched["timeout"], patched["bars_starter"]) == ("sign", 7, True)
    assert "timeout" in await awx.ada.call("PATCH", one, {"timeout": -1}, code=400)
    await awx.eve.call("PATCH", one, {"timeout": 9}, code=403)
    await awx.ada.call("DELETE", one, code=204)
    assert (await awx.ada.get(f"/workflow_job_template_nodes/{node}/"))["unified_job_template"] is None


async def test_k4_1_a_superuser_makes_changes_and_deletes_organizations(awx: AwxWorld) -> None:
    root = Client(awx.world, "root", "superuser")
    made = await root.post("/organizations/", {"name": "north", "description": "N"})
    assert (made["name"], made["description"], made["type"]) == ("north", "N", "organization")
    one = f"{V2}/organizations/{made['id']}/"
    assert (await root.call("PATCH", one, {"description": "M"}))["description"] == "M"
    assert (await root.call("PUT", one, {"name": "north", "description": ""}))["description"] == ""
    assert "already exists" in (await root.post("/organizations/", {"name": "north"}, code=400))["name"][0]
    for body in ({}, {"name": "no spaces"}, {"name": 7}):
        assert "letters" in (await root.post("/organizations/", body, code=400))["name"][0]
    assert "never changes" in (await root.call("PATCH", one, {"name": "south"}, code=400))["name"][0]
    await awx.ada.post("/organizations/", {"name": "east"}, code=403)
    tree = (await root.post(TREES, {"name": "t", "organization": "north"}))["id"]
    assert "the template 't'" in (await root.call("DELETE", one, code=409))["detail"]
    await root.call("DELETE", f"{V2}{TREES}{tree}/", code=204)
    await root.call("DELETE", one, code=204)
    await root.call("GET", one, code=404)
    await root.call("DELETE", f"{V2}/organizations/default/", code=404)


async def test_1_11_2_edges_can_be_made_with_the_node(awx: AwxWorld) -> None:
    tree = await awx.make_tree(topology="dag")
    one, two = await awx.add_node(tree), await awx.add_node(tree)
    three = await awx.ada.post(f"{TREES}{tree}/workflow_nodes/", {"add_success_nodes": [one, str(two)]})
    assert (three["success_nodes"], "add_success_nodes" in three) == ([one, two], False)
    path = f"{V2}/workflow_job_template_nodes/{one}/"
    assert (await awx.ada.call("PATCH", path, {"add_failure_nodes": [two]}))["failure_nodes"] == [two]
    refused = await awx.ada.call("PATCH", path, {"identifier": "x", "add_always_nodes": [three["id"]]}, code=400)
    assert refused["Error"].startswith("cycle detected")
    assert (await awx.ada.call("GET", path))["identifier"] != "x"


@pytest.mark.parametrize("format_", ["txt_download", "json"])
async def test_k4_14_k4_15_what_happened_to_a_job_can_be_read(awx: AwxWorld, format_: str) -> None:
    build = await awx.make_job("build")
    job = await awx.ada.post(f"/job_templates/{build}/launch/")
    assert job["event_processing_finished"] is False
    await awx.trees.end("build")
    run = await awx.trees.until_over(job["id"])
    assert (await awx.ada.get(f"/jobs/{run.id}/"))["event_processing_finished"] is True
    rows = (await awx.ada.get(f"/jobs/{run.id}/job_events/?order_by=start_line&start_line__gte=0"))["results"]
    assert [row["start_line"] for row in rows] == list(range(len(rows)))
    assert "launch" in rows[0]["stdout"]
    assert rows[-1]["stdout"].endswith(" successful")
    read = await awx.ada.get(f"/jobs/{run.id}/stdout/?format={format_}")
    if format_ == "json":
        assert read["range"] == {"start": 0, "end": len(rows), "absolute_end": len(rows)}
    else:
        assert read == "".join(f"{row['stdout']}\n" for row in rows)


async def test_a_filter_leads_over_five_relations_at_most(awx: AwxWorld) -> None:
    assert (await awx.ada.get(f"/jobs/?{'relaunch_of__' * 5}name=x"))["count"] == 0
    for n in (6, 400):
        refused = await awx.ada.get(f"/jobs/?{'relaunch_of__' * n}name=x", code=400)
        assert "at most 5 relations" in refused["detail"]


async def test_an_id_that_no_object_can_have_is_refused(awx: AwxWorld) -> None:
    tree, digits = await awx.make_tree(), "9" * 5000
    await awx.ada.get(f"/job_templates/{digits}/", code=404)
    for wrapped in (digits, True, 10**16):
        fields = {"unified_job_template": wrapped}
        refused = await awx.ada.post(f"{TREES}{tree}/workflow_nodes/", fields, code=400)
        assert "unified_job_template" in refused
        schedule = {**fields, "name": "s", "rrule": "DTSTART:20300101T000000Z RRULE:FREQ=DAILY;INTERVAL=1"}
        assert "unified_job_template" in await awx.ada.post("/schedules/", schedule, code=400)
