"""Prompts other than variables reach the jobs of a tree, and their work, in the order of 1.6."""

from typing import Any

from schemas.ids import RunId
from tests.integration.wms.trees.test_awx_routes import V2, AwxWorld, awx

__all__ = ["awx"]

ASKING = {"ask_limit_on_launch": True, "ask_tags_on_launch": True}


async def test_1_6_prompts_of_the_tree_beat_those_of_its_node_and_these_the_templates(awx: AwxWorld) -> None:
    ada = awx.ada
    build = await awx.make_job("build", limit="own", job_tags="own", skip_tags="own", **ASKING)
    test = await awx.make_job("test", limit="own")
    tree = await awx.make_tree(ask_limit_on_launch=True, ask_labels_on_launch=True, limit="tree")
    label = (await ada.post("/labels/", {"name": "nightly", "organization": "default"}))["id"]
    path = f"/workflow_job_templates/{tree}/"
    first = await awx.add_node(tree, unified_job_template=build, limit="node", job_tags="node")
    second = await awx.add_node(tree, unified_job_template=test)
    await ada.post(f"/workflow_job_template_nodes/{first}/success_nodes/", {"id": second}, code=204)
    described = await ada.get(f"{path}launch/")
    assert (described["node_prompts_rejected"], described["defaults"]["limit"]) == ([], "tree")

    given = {"limit": "launch", "job_tags": "launch", "labels": [label], "inventory": 3, "extravars": {"a": "b"}}
    launched = await ada.post(f"{path}launch/", given)
    ignored = {"job_tags": "launch", "inventory": 3, "extravars": "$encrypted$"}
    assert launched["ignored_fields"] == ignored, "it does not ask for the first two, and nothing has the last name"
    order = await awx.trees.worker.hear("do-build")
    assert order.state["prompts"] == {"limit": "launch", "job_tags": "node", "skip_tags": "own"}
    await awx.trees.worker.end(order)
    other = await awx.trees.worker.hear("do-test")
    assert other.state["prompts"] == {"limit": "own"}, "this template asks for nothing"
    await awx.trees.worker.end(other)
    assert (await awx.trees.until_over(RunId(launched["id"]))).status == "successful"

    def pick(shown: dict[str, Any]) -> tuple[str, str]:
        return shown["limit"], shown["job_tags"]

    jobs = (await ada.get(f"/unified_jobs/?workflow_job={launched['id']}&order_by=id"))["results"]
    assert [pick(await ada.get(f"/jobs/{each['id']}/")) for each in jobs] == [("launch", "node"), ("own", "")]
    nodes = (await ada.get(f"/workflow_jobs/{launched['id']}/workflow_nodes/"))["results"]
    assert [pick(each) for each in nodes] == [("node", "node"), ("", "")]
    assert pick(await ada.get(f"/workflow_jobs/{launched['id']}/")) == ("launch", "")
    assert (await ada.get(f"/workflow_jobs/{launched['id']}/labels/"))["results"][0]["name"] == "nightly"
    assert (await ada.get(f"/jobs/{jobs[0]['id']}/labels/"))["count"] == 0, "labels of a tree are its own"

    again = await ada.post(f"/workflow_jobs/{launched['id']}/relaunch/")
    assert again["limit"] == "launch"
    repeated = await awx.trees.worker.hear("do-build", n=2)
    assert repeated.state["prompts"] == order.state["prompts"]
    await ada.call("PATCH", f"{V2}/job_templates/{build}/", {"ask_tags_on_launch": False})
    assert (await ada.get(f"{path}launch/"))["node_prompts_rejected"] == [first]


async def test_1_6_a_nested_tree_hands_on_what_its_own_jobs_ask_for(awx: AwxWorld) -> None:
    build = await awx.make_job("build", **ASKING)
    inner = await awx.make_tree("inner", ask_limit_on_launch=True)
    await awx.add_node(inner, unified_job_template=build)
    outer = await awx.make_tree("outer", **ASKING)
    await awx.add_node(outer, unified_job_template=inner)
    await awx.ada.post(f"/workflow_job_templates/{outer}/launch/", {"limit": "web", "job_tags": "fast"})
    order = await awx.trees.worker.hear("do-build")
    assert order.state["prompts"] == {"limit": "web"}, "the inner tree asks for no tags"
