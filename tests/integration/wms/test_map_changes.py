"""The map of clusters changes between two lives of a WMS."""

from contextlib import AsyncExitStack

import httpx2

from deploy.local.servers.rabbitmq import RabbitMQ
from schemas.broker.topology import tms_service
from schemas.events import TaskforceRelease, TaskforceStart, WorkflowRequested
from tests.integration.wms.conftest import SCHEDD, request
from tests.integration.wms.peers import Issuer, Mqs, Tms
from wms.app import run_wms
from wms.fleet.choices.locations import Location
from wms.settings import WmsSettings


async def test_what_waits_at_a_schedd_that_the_map_names_no_more_still_has_its_turn(
    wms_settings: WmsSettings, rabbitmq: RabbitMQ, control_vhost: str, issuer: Issuer
) -> None:
    async with AsyncExitStack() as peers:
        async with run_wms(wms_settings) as before:
            mqs = await Mqs.connect(rabbitmq.amqp_url("mqs", control_vhost), "mqs")
            peers.push_async_callback(mqs.close)
            service = tms_service(SCHEDD)
            tms = await Tms.connect(rabbitmq.amqp_url(service, control_vhost), service)
            peers.push_async_callback(tms.close)
            mqs.activates = False
            async with httpx2.AsyncClient(base_url=before.gateway_url, timeout=60) as http:
                bearer = {"Authorization": f"Bearer {issuer.token('ada')}"}
                assert (await http.post("/v1/workflows", json=request(), headers=bearer)).status_code == 200
            (wanted,) = await mqs.hear(WorkflowRequested)
        elsewhere = wms_settings.model_copy(update={"clusters": {"elsewhere": Location(schedd="other@schedd")}})
        async with run_wms(elsewhere):
            await mqs.react_to(wanted)
            (start,) = await tms.hear(TaskforceStart)
            (release,) = await tms.hear(TaskforceRelease)
            assert start.schedd == release.schedd == SCHEDD
