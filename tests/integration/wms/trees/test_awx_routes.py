"""The dialect "awx" over HTTP. Tests name the contract's rows they prove."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from tests.integration.wms.conftest import World
from tests.integration.wms.engine.conftest import EngineWorld
from tests.integration.wms.engine.peers import Worker
from tests.integration.wms.trees.conftest import NAMES, TreeWorld, define_process

V2 = "/api/v2"


class Client:
    """Calls as one user with a role in the organization "default"."""

    def __init__(self, world: World, subject: str, role: str) -> None:
        self._world = world
        claims = {"groups": [f"/organizations/default/{role}"]} if role != "superuser" else {"ewms_role": role}
        self._headers = world.as_user(subject, **claims)

    async def call(self, method: str, path: str, body: Any = None, *, code: int = 200) -> Any:
        """Return the body of an answer that must have this status."""
        more = {} if body is None else {"json": body}
        answer: httpx2.Response = await self._world.http.request(method, path, headers=self._headers, **more)
        assert answer.status_code == code, (method, path, answer.status_code, answer.text)
        if not answer.content:
            return None
        is_json = answer.headers["content-type"].startswith("application/json")
        return answer.json() if is_json else answer.text

    async def get(self, path: str, *, code: int = 200) -> Any:
        return await self.call("GET", f"{V2}{path}", code=code)

    async def post(self, path: str, body: Any = None, *, code: int = 201) -> Any:
        return await self.call("POST", f"{V2}{path}", {} if body is None else body, code=code)


class AwxWorld:
    """A running WMS with an admin, an auditor and a member of one organization."""

    def __init__(self, world: World, trees: TreeWorld) -> None:
        self.world = world
        self.trees = trees
        self.ada = Client(world, "ada", "admin")
        self.eve = Client(world, "eve", "auditor")
        self.bob = Client(world, "bob", "member")

    async def make_job(self, name: str, **fields: Any) -> int:
        raw = {"name": name, "organization": "default", "work": {"kind": "process", "definition": name}, **fields}
        return int((await self.ada.post("/job_templates/", raw))["id"])

    async def make_tree(self, name: str = "release", **fields: Any) -> int:
        raw = {"name": name, "organization": "default", **fields}
        return int((await self.ada.post("/workflow_job_templates/", raw))["id"])

    async def add_node(self, tree: int, **fields: Any) -> int:
        return int((await self.ada.post(f"/workflow_job_templates/{tree}/workflow_nodes/", fields))["id"])


@pytest.fixture
async def awx(world: World, connect_worker: Callable[[str, str], Awaitable[Worker]]) -> AwxWorld:
    engine = EngineWorld(world.wms, connect_worker)
    worker = await engine.add_worker("w1", *map(define_process, NAMES))
    return AwxWorld(world, TreeWorld(engine, worker))


async def test_k1_1_k1_2_k1_9_k1_10_clients_find_their_way_without_a_token(awx: AwxWorld) -> None:
    http = awx.world.http
    versions = (await http.get("/api/")).json()
    assert (versions["current_version"], versions["available_versions"]) == ("/api/v2/", {"v2": "/api/v2/"})
    names = (await http.get("/api/v2/")).json()
    assert all(path.startswith("/api/v2/") for path in names.values())
    assert names["inventory"] == "/api/v2/inventories/"
    for path in names.values():
        assert (await awx.ada.call("GET", path)) is not None
    assert (await http.get("/api/v2/ping/")).json()["instances"] == []
    me = await awx.ada.get("/me/")
    assert (me["count"], me["results"][0]["username"]) == (1, "ada")


async def test_a8_a10_a16_a17_a21_templates_and_nodes_are_made_changed_and_deleted(awx: AwxWorld) -> None:
    ada = awx.ada
    build, test = await awx.make_job("build"), await awx.make_job("test")
    tree = await awx.make_tree(extra_vars="version: 1", ask_variables_on_launch=1)
    shown = await ada.get(f"/workflow_job_templates/{tree}/")
    assert (shown["type"], shown["url"]) == ("workflow_job_template", f"{V2}/workflow_job_templates/{tree}/")
    assert (shown["extra_vars"], shown["ask_variables_on_launch"], shown["topology"]) == ("version: 1", True, "tree")
    first = await awx.add_node(tree, unified_job_template=build, identifier="b")
    direct = {"workflow_job_template": tree, "unified_job_template": "test", "state": "present"}
    second = (await ada.post("/workflow_job_template_nodes/", direct))["id"]
    edges = f"/workflow_job_template_nodes/{first}/success_nodes/"
    await ada.post(edges, {"id": second, "associate": True}, code=204)
    await ada.post(edges, {"id": second}, code=204)
    node = await ada.get(f"/workflow_job_template_nodes/{first}/")
    assert (node["success_nodes"], node["failure_nodes"], node["always_nodes"]) == ([second], [], [])
    assert node["unified_job_template"] == build
    assert (await ada.get(f"{edges}?id={second}"))["count"] == 1
    child = await ada.post(f"/workflow_job_template_nodes/{first}/failure_nodes/", {"unified_job_template": test})
    assert (await ada.get(f"/workflow_job_templates/{tree}/workflow_nodes/"))["count"] == 3
    await ada.call("DELETE", f"{V2}/workflow_job_template_nodes/{child['id']}/", code=204)
    await ada.post(edges, {"id": second, "disassociate": True}, code=204)
    changed = await ada.call("PATCH", f"{V2}/workflow_job_template_nodes/{first}/", {"identifier": "first"})
    assert (changed["identifier"], changed["success_nodes"]) == ("first", [])
    put = await ada.call("PUT", f"{V2}/workflow_job_templates/{tree}/", {"name": "released", "description": "x"})
    assert (put["name"], put["description"]) == ("released", "x")
    await ada.call("DELETE", f"{V2}/job_templates/{build}/", code=204)
    assert (await ada.get(f"/workflow_job_template_nodes/{first}/"))["unified_job_template"] is None
    await ada.call("DELETE", f"{V2}/workflow_job_templates/{tree}/", code=204)
    await ada.get(f"/workflow_job_templates/{tree}/", code=404)


async def test_a22_a23_a24_1_3_refusals_have_the_bodies_that_clients_know(awx: AwxWorld) -> None:
    ada = awx.ada
    tree = await awx.make_tree()
    one, two, three = [await awx.add_node(tree) for _ in range(3)]
    edges = "/workflow_job_template_nodes/{}/{}_nodes/"
    await ada.post(edges.format(one, "success"), {"id": two}, code=204)
    for kind, source, target, said in (
        ("always", one, three, "cannot associate always_nodes"),
        ("success", three, two, "multiple parents not allowed"),
        ("success", two, one, "cycle detected"),
    ):
        body = await ada.post(edges.format(source, kind), {"id": target}, code=400)
        assert body["Error"].startswith(said)
    assert "topology: dag" in (await ada.post(edges.format(three, "success"), {"id": two}, code=400))["Error"]
    assert "msg" in await ada.post(edges.format(one, "success"), {"id": "x"}, code=400)
    assert "msg" in await ada.post(edges.format(one, "success"), {"disassociate": True}, code=400)
    assert "detail" in await ada.post(edges.format(one, "success"), {"id": 99999}, code=400)
    before = (await ada.get(f"/workflow_job_templates/{tree}/workflow_nodes/"))["count"]
    wrong = {"unified_job_template": 99999}
    assert "unified_job_template" in await ada.post(edges.format(one, "failure"), wrong, code=400)
    assert (await ada.get(f"/workflow_job_templates/{tree}/workflow_nodes/"))["count"] == before
    other = await awx.make_tree("other")
    foreign = await awx.add_node(other)
    await ada.post(edges.format(one, "success"), {"id": foreign}, code=403)
    again = await ada.post("/workflow_job_templates/", {"name": "release", "organization": "default"}, code=400)
    assert "already exists" in again["__all__"][0]
    assert (await ada.post("/workflow_job_templates/", {"organization": "default"}, code=400))["name"]
    assert "error" in await ada.post(f"/workflow_job_templates/{tree}/survey_spec/", {"name": ""}, code=400)
    assert "name" in await ada.post(f"/workflow_job_template_nodes/{one}/create_approval_template/", {}, code=400)


async def test_a11_a12_a13_a14_who_may_what_over_rest(awx: AwxWorld) -> None:
    tree = await awx.make_tree()
    path = f"/workflow_job_templates/{tree}/"
    assert (await awx.eve.get(path))["name"] == "release"
    assert (await awx.eve.get("/workflow_job_templates/"))["count"] == 1
    assert (await awx.bob.get("/workflow_job_templates/"))["count"] == 0
    await awx.bob.get(path, code=403)
    for client in (awx.eve, awx.bob):
        await client.post("/workflow_job_templates/", {"name": "x", "organization": "default"}, code=403)
        await client.call("PATCH", f"{V2}{path}", {"name": "y"}, code=403)
        await client.call("DELETE", f"{V2}{path}", code=403)
        await client.post(f"{path}launch/", code=403)
    await awx.ada.post("/workflow_job_templates/", {"name": "x"}, code=403)
    root = Client(awx.world, "root", "superuser")
    await root.post("/workflow_job_templates/", {"name": "x"})


async def test_a1_a7_a20_a25_a34_a_tree_is_launched_watched_and_repeated(awx: AwxWorld) -> None:
    ada, trees = awx.ada, awx.trees
    build = await awx.make_job("build")
    rollback = await awx.make_job("rollback")
    tree = await awx.make_tree(ask_variables_on_launch=True)
    graph = {
        "nodes": [
            {"identifier": "b", "template": build, "failure": ["r"]},
            {"identifier": "r", "template": rollback},
        ]
    }
    await ada.call("PUT", f"{V2}/workflow_job_templates/{tree}/graph/", graph)
    source = await ada.get(f"/workflow_job_templates/{tree}/graph/source/")
    assert source["nodes"][0] == {"identifier": "b", "template": "build", "failure_nodes": ["r"]}
    assert await ada.call("PUT", f"{V2}/workflow_job_templates/{tree}/graph/", source) == source
    text = "- identifier: b\n  success: [nobody]\n"
    refused = await ada.call("PUT", f"{V2}/workflow_job_templates/{tree}/graph/", {"yaml": text}, code=400)
    assert refused["faults"] == ["line 1: success_nodes of 'b' names 'nobody', and no node is called so"]
    needs = await ada.get(f"/workflow_job_templates/{tree}/launch/")
    assert (needs["can_start_without_user_input"], needs["node_templates_missing"]) == (False, [])
    launched = await ada.post(
        f"/workflow_job_templates/{tree}/launch/", {"extra_vars": '{"version": "1.2"}', "limit": "web"}
    )
    run = launched["workflow_job"]
    assert (launched["id"], launched["type"], launched["ignored_fields"]) == (run, "workflow_job", {"limit": "web"})
    assert launched["extra_vars"] == '{"version": "1.2"}'
    nodes = (await ada.get(f"/workflow_jobs/{run}/workflow_nodes/"))["results"]
    assert [node["identifier"] for node in nodes] == ["b", "r"]
    assert nodes[0]["failure_nodes"] == [nodes[1]["id"]]
    assert (await ada.get(f"/workflow_job_nodes/{nodes[0]['id']}/"))["workflow_job"] == run
    assert (await ada.get(f"/workflow_job_nodes/{nodes[0]['id']}/failure_nodes/"))["count"] == 1
    assert (await ada.get(f"/workflow_jobs/{run}/cancel/")) == {"can_cancel": True}
    await trees.end("build", "failed")
    await trees.end("rollback")
    await trees.until_over(run)
    shown = await ada.get(f"/workflow_jobs/{run}/")
    assert (shown["status"], shown["failed"], shown["handled_failures"]) == ("successful", False, 1)
    assert shown["finished"].endswith("Z")
    jobs = await ada.get(f"/unified_jobs/?order_by=finished&unified_job_node__workflow_job={run}")
    assert [(job["name"], job["status"], job["type"]) for job in jobs["results"]] == [
        ("build", "failed", "job"),
        ("rollback", "successful", "job"),
    ]
    assert (await ada.get(f"/workflow_jobs/{run}/workflow_nodes/?job__name=build"))["count"] == 1
    drawing = await ada.get(f"/workflow_jobs/{run}/graph/")
    assert [node["why"] for node in drawing["nodes"]] == ["no", "after failure of build (failed)"]
    assert (await ada.get(f"/workflow_jobs/{run}/graph/mermaid/")).startswith("flowchart TD")
    assert (await ada.get(f"/workflow_job_templates/{tree}/graph/dot/")).startswith("digraph tree")
    await ada.post(f"/workflow_jobs/{run}/cancel/", code=405)
    again = await ada.post(f"/workflow_jobs/{run}/relaunch/", {"nodes": "failed"})
    assert (again["launch_type"], again["relaunch_of"]) == ("relaunch", run)
    await ada.post(f"/workflow_jobs/{again['id']}/cancel/", code=202)
    await ada.call("DELETE", f"{V2}/workflow_jobs/{run}/", code=204)
    await ada.get(f"/workflow_jobs/{run}/", code=404)


async def test_k4_8_k4_18_an_approval_is_made_listed_and_decided(awx: AwxWorld) -> None:
    ada = awx.ada
    tree = await awx.make_tree()
    node = await awx.add_node(tree)
    made = await ada.post(
        f"/workflow_job_template_nodes/{node}/create_approval_template/", {"name": "Sign", "timeout": 60}
    )
    shown = await ada.get(f"/workflow_job_template_nodes/{node}/")
    assert shown["summary_fields"]["unified_job_template"]["unified_job_type"] == "workflow_approval"
    assert (await ada.call("GET", shown["related"]["unified_job_template"]))["timeout"] == 60
    assert shown["unified_job_template"] == made["id"]
    run = (await ada.post(f"/workflow_job_templates/{tree}/launch/"))["workflow_job"]
    job = await awx.trees.until_job(run, 0)
    waiting = await ada.get("/workflow_approvals/?status=pending")
    assert [each["id"] for each in waiting["results"]] == [job.id]
    assert waiting["results"][0]["can_approve_or_deny"] is True
    assert waiting["results"][0]["approval_expiration"] is not None
    assert (await ada.get(f"/unified_jobs/?workflow_job={run}"))["count"] == 0
    await awx.eve.post(f"/workflow_approvals/{job.id}/approve/", code=403)
    await ada.post(f"/workflow_approvals/{job.id}/deny/", code=204)
    await ada.post(f"/workflow_approvals/{job.id}/approve/", code=400)
    await awx.trees.until_over(run)
    tree_job = await ada.get(f"/workflow_jobs/{run}/")
    assert (tree_job["status"], tree_job["failed"]) == ("failed", True)
    assert "'Sign' failed (ada denied the approval)" in tree_job["job_explanation"]


async def test_a_graph_that_comes_again_keeps_its_approvals_and_who_waits_for_them(awx: AwxWorld) -> None:
    ada, tree = awx.ada, await awx.make_tree()
    path = f"{V2}/workflow_job_templates/{tree}/graph/"

    def describe(**more: Any) -> dict[str, Any]:
        sign = {"identifier": "a", "approval": {"name": "Sign", **more}, "success": ["b"]}
        return {"nodes": [sign, {"identifier": "b", "approval": {"name": "Ship"}}]}

    async def list_approvals() -> list[int]:
        found = (await ada.get(f"/workflow_job_templates/{tree}/workflow_nodes/"))["results"]
        return [each["unified_job_template"] for each in found]

    await ada.call("PUT", path, describe(timeout=600))
    approvals = await list_approvals()
    run = (await ada.post(f"/workflow_job_templates/{tree}/launch/"))["workflow_job"]
    first = await awx.trees.until_job(run, 0)
    await ada.call("PUT", path, describe(timeout=600, description="again"))
    node = (await ada.get(f"/workflow_job_templates/{tree}/workflow_nodes/"))["results"][1]["id"]
    create = f"/workflow_job_template_nodes/{node}/create_approval_template/"
    assert (await ada.post(create, {"name": "Ship it", "timeout": 300}))["id"] == approvals[1]
    assert await list_approvals() == approvals
    changed = await ada.get(f"/workflow_approval_templates/{approvals[0]}/")
    assert (changed["description"], changed["timeout"]) == ("again", 600)
    await ada.post(f"/workflow_approvals/{first.id}/approve/", code=204)
    second = await awx.trees.until_job(run, 1)
    assert (await ada.get(f"/workflow_approvals/{second.id}/"))["name"] == "Ship it", "a node takes it as it is then"
    await ada.post(f"/workflow_approvals/{second.id}/approve/", code=204)
    assert (await awx.trees.until_over(run)).status == "successful"
    assert (await ada.get("/workflow_approval_templates/"))["count"] == 2


async def test_a_node_whose_template_goes_before_its_turn_says_so(awx: AwxWorld) -> None:
    tree, build, test = await awx.make_tree(), await awx.make_job("build"), await awx.make_job("test")
    nodes = [{"identifier": "a", "template": build, "success": ["b"]}, {"identifier": "b", "template": test}]
    await awx.ada.call("PUT", f"{V2}/workflow_job_templates/{tree}/graph/", {"nodes": nodes})
    run = (await awx.ada.post(f"/workflow_job_templates/{tree}/launch/"))["workflow_job"]
    await awx.trees.worker.hear("do-build")
    await awx.ada.call("DELETE", f"{V2}/job_templates/{test}/", code=204)
    await awx.trees.end("build")
    await awx.trees.until_over(run)
    shown = await awx.ada.get(f"/workflow_jobs/{run}/")
    assert (shown["status"], f"template #{test} has been deleted" in shown["job_explanation"]) == ("failed", True)


async def test_a_graph_that_comes_again_with_another_topology_has_it(awx: AwxWorld) -> None:
    tree = await awx.make_tree(topology="tree")
    path, nodes = f"{V2}/workflow_job_templates/{tree}/graph/", [{"identifier": "a"}]
    for topology in ("tree", "dag", "tree"):
        put = await awx.ada.call("PUT", path, {"topology": topology, "nodes": nodes})
        stored = await awx.ada.call("GET", f"{path}source/")
        assert put["topology"] == stored["topology"] == topology


async def test_k3_1_k3_2_k3_3_k3_14_lists_are_filtered_sorted_and_paged(awx: AwxWorld) -> None:
    ada = awx.ada
    ids = [await awx.make_tree(f"tree {number}") for number in range(5)]
    page = await ada.get("/workflow_job_templates/?page_size=2&order_by=-name&name__icontains=TREE")
    assert [each["name"] for each in page["results"]] == ["tree 4", "tree 3"]
    assert page["next"] == f"{V2}/workflow_job_templates/?page_size=2&order_by=-name&name__icontains=TREE&page=2"
    following = await ada.call("GET", page["next"])
    assert ([each["id"] for each in following["results"]], following["count"]) == ([ids[2], ids[1]], 5)
    assert following["previous"].endswith("page=1")
    await ada.get("/workflow_job_templates/?page=9", code=404)
    await ada.get("/workflow_job_templates/?colour=red", code=400)
    organization = (await ada.get("/organizations/?name=default"))["results"][0]["id"]
    assert (await ada.get(f"/workflow_job_templates/?organization={organization}&search=tree"))["count"] == 5
    assert (await ada.get("/workflow_job_templates/?organization=None"))["count"] == 0
    assert (await ada.get(f"/workflow_job_templates/?or__id={ids[0]}&or__name=tree+3"))["count"] == 2
    assert (await ada.get("/unified_job_templates/?not__name=tree+1&type=workflow_job_template"))["count"] == 4
    body = {"name": "by number", "organization": organization}
    assert (await ada.post("/workflow_job_templates/", body))["organization"] == organization


async def test_k4_9_k4_20_surveys_and_copies(awx: AwxWorld) -> None:
    ada = awx.ada
    tree = await awx.make_tree(survey_enabled="true")
    path = f"/workflow_job_templates/{tree}"
    assert await ada.get(f"{path}/survey_spec/") == {}
    question = {"variable": "v", "question_name": "Which?", "type": "text", "required": True}
    survey = {"name": "n", "description": "", "spec": [question]}
    await ada.post(f"{path}/survey_spec/", survey, code=200)
    assert (await ada.get(f"{path}/survey_spec/"))["spec"][0]["variable"] == "v"
    refused = await ada.post(f"{path}/launch/", {"extra_vars": {}}, code=400)
    assert refused == {"variables_needed_to_start": ["'v' is missing"]}
    can = await ada.get(f"{path}/copy/")
    assert can["can_copy"] is can["can_copy_without_user_input"] is True
    copied = await ada.post(f"{path}/copy/", {"name": "again"})
    assert (await ada.get(f"/workflow_job_templates/{copied['id']}/survey_spec/"))["name"] == "n"
    await ada.call("DELETE", f"{V2}{path}/survey_spec/")
    assert await ada.get(f"{path}/survey_spec/") == {}
