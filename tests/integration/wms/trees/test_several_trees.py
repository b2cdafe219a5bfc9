"""One template with several trees in it, and its two kinds of nodes. Tests name the rows that they prove."""

import pytest

from schemas.engine.runs import NODE_OPEN, RUN_OVER
from schemas.errors import Broken
from schemas.ids import TemplateId
from tests.integration.wms.trees.conftest import TreeWorld
from tests.integration.wms.trees.test_awx_routes import V2, AwxWorld, awx

__all__ = ["awx"]


async def test_a2_a27_two_trees_of_one_job_start_at_once_and_none_waits_for_the_other(tree_world: TreeWorld) -> None:
    for name in ("build", "test", "tell"):
        await tree_world.make_job(name)
    template = await tree_world.make_tree(
        [
            {"identifier": "fast", "template": "build", "success": ["next"]},
            {"identifier": "next", "template": "test"},
            {"identifier": "slow", "template": "tell"},
        ]
    )
    run = await tree_world.launch(template.id)
    await tree_world.worker.hear("do-build")
    await tree_world.worker.hear("do-tell")
    await tree_world.end("build")
    await tree_world.end("test")
    walked = await tree_world.engine.until(run, lambda document: document.nodes[1].status == "successful")
    assert (walked.status in RUN_OVER, walked.nodes[2].status in NODE_OPEN) == (False, True)
    await tree_world.end("tell")
    ended = await tree_world.until_over(run)
    assert (ended.status, await tree_world.show(run)) == ("successful", "sss")
    times = [state.ended_at for state in ended.nodes if state.ended_at is not None]
    assert times[1] < times[2]


async def test_a9_a15_a_template_lists_its_nodes_and_a_job_has_nodes_of_its_own_kind(awx: AwxWorld) -> None:
    ada, build = awx.ada, await awx.make_job("build")
    tree, other = await awx.make_tree(), await awx.make_tree("other")
    first = await awx.add_node(tree, unified_job_template=build, identifier="a")
    second = await awx.add_node(tree, identifier="b")
    await awx.add_node(other, identifier="c")
    path = f"/workflow_job_templates/{tree}/"
    assert (await ada.get(path))["related"]["workflow_nodes"] == f"{V2}{path}workflow_nodes/"
    listed = await ada.get(f"{path}workflow_nodes/")
    assert [each["id"] for each in listed["results"]] == [first, second]
    run = (await ada.post(f"{path}launch/"))["id"]
    nodes = (await ada.get(f"/workflow_jobs/{run}/workflow_nodes/"))["results"]
    assert [each["identifier"] for each in nodes] == ["a", "b"]
    kinds = {each["type"]: each for each in (*listed["results"], *nodes)}
    assert set(kinds) == {"workflow_job_template_node", "workflow_job_node"}
    template_node, job_node = kinds["workflow_job_template_node"], kinds["workflow_job_node"]
    assert ("job" in template_node, "job" in job_node) == (False, True)
    assert (template_node["workflow_job_template"], job_node["workflow_job"]) == (tree, run)
    await ada.get(f"/workflow_job_template_nodes/{job_node['id']}/", code=404)
    await ada.call("PATCH", f"{V2}/workflow_job_nodes/{job_node['id']}/", {"identifier": "x"}, code=405)
    await ada.call("DELETE", f"{V2}/workflow_job_nodes/{job_node['id']}/", code=405)
    await ada.post(f"/workflow_jobs/{run}/cancel/", code=202)


async def test_a_turn_that_cannot_be_given_does_not_keep_other_trees_waiting(
    tree_world: TreeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tree_world.make_job("build")
    nodes = [{"identifier": "b", "template": "build"}]
    first, second = [await tree_world.make_tree(nodes, name=name) for name in ("first", "second")]
    turns, refused = tree_world.trees.turns, {first.id, second.id}
    give_turn = turns.give_turn

    async def give_some(template: TemplateId) -> None:
        if template in refused:
            raise Broken("this turn cannot be given")
        await give_turn(template)

    monkeypatch.setattr(turns, "give_turn", give_some)
    runs = [await tree_world.launch(each.id) for each in (first, second)]
    assert [(await tree_world.engine.load(run)).status for run in runs] == ["created", "created"]
    refused.remove(second.id)
    await turns.sweep()
    assert [(await tree_world.engine.load(run)).status for run in runs] == ["created", "running"]
    refused.clear()
    await turns.sweep()
    assert (await tree_world.engine.load(runs[0])).status == "running"
