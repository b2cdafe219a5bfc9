"""An operator who says how often failed starts are tried again (`TMS_ACTION_RETRIES`)."""

import pytest

from tests.integration.wms.conftest import World
from tests.integration.wms.test_rest_tms import RestTms, pending
from wms.settings import WmsSettings


@pytest.fixture
def wms_settings(wms_settings: WmsSettings) -> WmsSettings:
    return wms_settings.model_copy(update={"tms_action_retries": 0})


async def test_without_retries_the_first_failure_hides_a_taskforce(world: World) -> None:
    tms = RestTms(world)
    workflow_id, uuid = await pending(world)
    assert (await tms.post(f"condor-submit/taskforces/{uuid}/failed", {"error": "no room"})).status_code == 200
    assert await tms.get("pending-starter") == {}
    assert (await world.get(f"/v1/taskforces/{uuid}?include=health")).json()["health"]["stuck"].endswith("no room")
    assert (await tms.submitted(uuid)).status_code == 200
    await world.post(f"/v1/workflows/{workflow_id}/actions/abort", {})
    assert (await tms.get("pending-stopper"))["taskforce_uuid"] == uuid
    await tms.post(f"condor-rm/taskforces/{uuid}/failed", {"error": "no schedd"})
    assert await tms.get("pending-stopper") == {}
