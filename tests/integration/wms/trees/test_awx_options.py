"""OPTIONS over HTTP, as the `awx` command asks before each command. Tests name the contract's rows they prove."""

from tests.integration.wms.trees.test_awx_routes import V2, AwxWorld, awx

__all__ = ["awx"]


async def test_k2_1_k2_6_options_answer_without_an_object_and_name_the_methods(awx: AwxWorld) -> None:
    headers = awx.world.as_user("ada", groups=["/organizations/default/admin"])
    listed = await awx.world.http.request("OPTIONS", f"{V2}/workflow_job_templates/", headers=headers)
    assert (listed.status_code, listed.headers["allow"]) == (200, "GET, POST, HEAD, OPTIONS")
    assert set(listed.json()["actions"]) == {"GET", "POST"}
    one = await awx.world.http.request("OPTIONS", f"{V2}/workflow_job_templates/1/", headers=headers)
    assert (one.status_code, one.headers["allow"]) == (200, "GET, PUT, PATCH, DELETE, HEAD, OPTIONS")
    launch = await awx.world.http.request("OPTIONS", f"{V2}/workflow_job_templates/1/launch/", headers=headers)
    assert launch.json()["actions"]["POST"]["extra_vars"]["type"] == "json"
    eve = await awx.eve.call("OPTIONS", f"{V2}/workflow_job_templates/")
    assert set(eve["actions"]) == {"GET"}
    await awx.bob.call("OPTIONS", f"{V2}/users/")
