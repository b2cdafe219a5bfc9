"""WMS while MongoDB or the broker is away, and afterwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from pydantic import SecretStr

from deploy.local.servers.rabbitmq import RabbitMQ
from schemas.broker.topology import tms_service
from schemas.events import WorkflowRequested
from schemas.fleet.documents import WORKFLOWS
from tests.integration.wms.conftest import SCHEDD, World, request
from tests.integration.wms.peers import Issuer, Mqs, Tms
from tests.integration.wms.proxy import Proxy
from tests.waiting import eventually
from wms.app import run_wms
from wms.settings import WmsSettings


@pytest.fixture
async def cuttable(
    wms_settings: WmsSettings, rabbitmq: RabbitMQ, control_vhost: str, issuer: Issuer
) -> AsyncIterator[tuple[World, Proxy, Proxy]]:
    """A world whose WMS reaches MongoDB and the broker through proxies; its peers do not."""
    mongo = urlsplit(wms_settings.mongo_url.get_secret_value())
    broker = urlsplit(wms_settings.control_amqp_url.get_secret_value())
    async with AsyncExitStack() as stack:
        to_mongo = await stack.enter_async_context(Proxy(mongo.hostname or "", mongo.port or 0).running())
        to_broker = await stack.enter_async_context(Proxy(broker.hostname or "", broker.port or 0).running())
        settings = wms_settings.model_copy(
            update={
                "mongo_url": SecretStr(
                    # The replica set's own idea of its address would lead past the proxy.
                    mongo._replace(netloc=_through(mongo.netloc, to_mongo))
                    .geturl()
                    .replace("replicaSet=rs0", "directConnection=true")
                ),
                "control_amqp_url": SecretStr(broker._replace(netloc=_through(broker.netloc, to_broker)).geturl()),
            }
        )
        running = await stack.enter_async_context(run_wms(settings))
        mqs = await Mqs.connect(rabbitmq.amqp_url("mqs", control_vhost), "mqs")
        stack.push_async_callback(mqs.close)
        service = tms_service(SCHEDD)
        tms = await Tms.connect(rabbitmq.amqp_url(service, control_vhost), service)
        stack.push_async_callback(tms.close)
        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=running.gateway_url, timeout=60))
        yield World(running, (mqs, tms), issuer, settings, http), to_mongo, to_broker
        to_mongo.mend()
        to_broker.mend()


def _through(netloc: str, proxy: Proxy) -> str:
    return f"{netloc.rsplit('@', 1)[0]}@127.0.0.1:{proxy.port}"


async def ready(world: World) -> dict[str, Any]:
    words: dict[str, Any] = (await world.http.get("/readyz")).json()
    return words


async def until_ready(world: World) -> None:
    await eventually(lambda: ready(world), lambda words: set(words.values()) == {"ok"})


async def test_without_mongodb_every_answer_is_503_and_nothing_is_half_made(
    cuttable: tuple[World, Proxy, Proxy],
) -> None:
    world, to_mongo, _ = cuttable
    made = await world.submit()
    await world.in_phase(made["taskforces"][0]["taskforce_uuid"], "condor-submit")
    to_mongo.cut()
    answers = await asyncio.gather(
        world.post("/v1/workflows", request()),
        world.get(f"/v1/workflows/{made['workflow']['workflow_id']}"),
        world.post("/v1/query/workflows", {"query": {}}),
        world.post(f"/v1/workflows/{made['workflow']['workflow_id']}/actions/abort"),
    )
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, 503), answer.text
        assert answer.headers["retry-after"]
    assert (await ready(world))["mongodb"] != "ok"
    assert (await world.http.get("/healthz")).status_code == 200
    to_mongo.mend()
    await until_ready(world)
    again = await world.submit()
    await world.in_phase(again["taskforces"][0]["taskforce_uuid"], "condor-submit")
    assert await world.wms.store.count(WORKFLOWS, {}) == 2


async def test_without_the_broker_requests_are_taken_and_their_events_sent_once_it_is_back(
    cuttable: tuple[World, Proxy, Proxy],
) -> None:
    world, _, to_broker = cuttable
    to_broker.cut()
    made = await world.submit()
    assert (await ready(world))["control"] != "ok"
    assert not world.mqs.heard
    profiles = await world.get(f"/v1/mqs/workflows/{made['workflow']['workflow_id']}/mq-profiles/public")
    assert [p["is_activated"] for p in profiles.json()["mqprofiles"]] == [False, False]
    to_broker.mend()
    await world.mqs.hear(WorkflowRequested)
    await world.in_phase(made["taskforces"][0]["taskforce_uuid"], "condor-submit")
