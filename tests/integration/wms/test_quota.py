"""How many workflows one user may have under way."""

import pytest

from schemas.events import QueuesActivated
from schemas.ids import WorkflowId
from tests.integration.wms.conftest import World, request
from tests.waiting import eventually
from wms.settings import WmsSettings


@pytest.fixture
def wms_settings(wms_settings: WmsSettings, request: pytest.FixtureRequest) -> WmsSettings:
    return wms_settings.model_copy(update=request.param)


@pytest.mark.parametrize("wms_settings", [{"caller_workflows": 2}], indirect=True)
async def test_a_user_at_the_quota_hears_so_until_a_workflow_is_over_and_others_do_not(world: World) -> None:
    key = {"Idempotency-Key": "second"}
    made = await world.submit()
    second = await world.post("/v1/workflows", request(), **key)
    refused = await world.post("/v1/workflows", request())
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert refused.json()["error"] == "you have as many workflows that are not over as one user may have: 2"
    assert "end workflows" in refused.headers["x-ewms-hint"]
    assert (await world.post("/v1/workflows", request(), **key)).json() == second.json(), (
        "a repetition is none too many"
    )
    assert (await world.post("/v1/workflows", request(), subject="ben")).status_code == 200
    await world.post(f"/v1/workflows/{made['workflow']['workflow_id']}/actions/abort", {})
    await eventually(
        lambda: world.post("/v1/workflows", request()), lambda answer: answer.status_code != 429, within_s=20
    )


@pytest.mark.parametrize("wms_settings", [{"caller_workflows_waiting": 1}], indirect=True)
async def test_a_user_whose_workflows_wait_for_queues_comes_again_when_these_are_there(world: World) -> None:
    world.mqs.activates = False
    made = await world.submit()
    refused = await world.post("/v1/workflows", request())
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
    assert refused.json()["error"] == "as many of your workflows wait for their queues as may wait at a time: 1"
    await world.mqs.say(QueuesActivated(workflow_id=WorkflowId(made["workflow"]["workflow_id"])))
    await eventually(
        lambda: world.post("/v1/workflows", request()), lambda answer: answer.status_code != 429, within_s=20
    )
