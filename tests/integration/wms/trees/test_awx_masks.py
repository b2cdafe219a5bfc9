"""Passwords of surveys over REST: a node of a template keeps them, and shows them to nobody."""

from schemas.rules.secret_names import MASK
from tests.integration.wms.trees.test_awx_routes import V2, AwxWorld, awx

__all__ = ["awx"]


async def test_a_node_keeps_its_password_through_every_way_of_reading_and_writing_it(awx: AwxWorld) -> None:
    ada = awx.ada
    build = await awx.make_job("build", survey_enabled=True)
    question = {"variable": "pw", "question_name": "Password?", "type": "password", "required": True}
    await ada.post(
        f"/job_templates/{build}/survey_spec/", {"name": "s", "description": "", "spec": [question]}, code=200
    )
    tree = await awx.make_tree()
    node = await awx.add_node(tree, unified_job_template=build, extra_data={"pw": "hush"})
    path = f"/workflow_job_template_nodes/{node}/"
    assert (await ada.get(path))["extra_data"] == {"pw": MASK}
    graph = f"/workflow_job_templates/{tree}/graph/"
    source = await ada.get(f"{graph}source/")
    assert source["nodes"][0]["extra_data"] == {"pw": MASK}
    assert await ada.call("PUT", f"{V2}{graph}", source) == source
    await ada.call("PATCH", f"{V2}{path}", {"extra_data": {"pw": MASK}})
    run = (await ada.post(f"/workflow_job_templates/{tree}/launch/"))["id"]
    [shown] = (await ada.get(f"/workflow_jobs/{run}/workflow_nodes/"))["results"]
    assert shown["extra_data"] == {"pw": MASK}
    job = await awx.trees.until_job(run, 0)
    keys = awx.world.settings.make_secret_keys()
    assert keys.unseal_values(job.params, job.masked) == {"pw": "hush"}
    assert (await ada.get(f"/jobs/{job.id}/"))["extra_vars"] == f'{{"pw": "{MASK}"}}'
    # Another template would show it.
    other = await awx.make_job("test", ask_variables_on_launch=True)
    assert (await ada.call("PATCH", f"{V2}{path}", {"unified_job_template": other}))["extra_data"] == {}
