"""The broker's key is replaced five times: what a user sees of it through the gateway, and what the broker believes."""

import asyncio
import shutil
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aio_pika
import httpx2
import jwt
from jwt import PyJWK
from pydantic import SecretStr

from deploy.local.files.secret_files import MadeKeyFiles, make_key_pair
from deploy.local.servers.rabbitmq import RabbitMQ
from mqs.app import run_mqs
from mqs.settings import MqsSettings
from runtime.amqp import broker_url
from tests.integration.wms.conftest import request
from tests.integration.wms.peers import Issuer
from wms.app import run_wms
from wms.settings import WmsSettings

N_ROTATIONS = 5


async def opens(address: str, token: str) -> bool:
    connection = await aio_pika.connect(broker_url(address, token=token))
    async with connection, connection.channel():
        return True


async def test_every_token_that_lives_stays_verifiable_and_new_ones_are_of_the_new_key(
    wms_settings: WmsSettings,
    mongo_admin_url: str,
    mongo_database: str,
    rabbitmq: RabbitMQ,
    control_vhost: str,
    issuer: Issuer,
    tmp_path: Path,
) -> None:
    private, public = tmp_path / "key.pem", tmp_path / "key.pub.pem"
    shutil.copy(rabbitmq.key_files.private, private)
    shutil.copy(rabbitmq.key_files.public, public)
    mqs_settings = MqsSettings(
        # A service's own account has rights on the database of WMS only.
        mongo_url=SecretStr(mongo_admin_url),
        mongo_database=f"{mongo_database}_mqs",
        control_amqp_url=SecretStr(rabbitmq.amqp_url("mqs", control_vhost)),
        data_amqp_url=SecretStr(rabbitmq.data_url),
        rabbitmq_api_url=SecretStr(rabbitmq.api_url),
        EWMS_BROKER_ADDRESS=rabbitmq.address,
        EWMS_BROKER_KEY_FILE=private,
        EWMS_BROKER_PUBLIC_KEY_FILE=public,
        # Where the broker looks for keys that it does not know.
        EWMS_HTTP_PORT=rabbitmq.jwks_port,
    )

    def rotate(n: int) -> MadeKeyFiles:
        fresh = make_key_pair(tmp_path, f"next-{n}")
        shutil.copy(fresh.private, tmp_path / "incoming")
        (tmp_path / "incoming").replace(private)
        shutil.copy(fresh.public, tmp_path / "incoming")
        (tmp_path / "incoming").replace(public)
        return fresh

    async with AsyncExitStack() as stack:
        queues = await stack.enter_async_context(run_mqs(mqs_settings))
        running = await stack.enter_async_context(run_wms(wms_settings.model_copy(update={"mqs_url": queues.url})))
        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=running.gateway_url, timeout=60))
        ada = {"Authorization": f"Bearer {issuer.token()}"}
        made = (await http.post("/v1/workflows", json=request(), headers=ada)).raise_for_status().json()
        path = f"/v1/mqs/workflows/{made['workflow']['workflow_id']}/mq-profiles/public"

        async def profile() -> dict[str, Any]:
            async with asyncio.timeout(60):
                while True:
                    first: dict[str, Any] = (await http.get(path, headers=ada)).json()["mqprofiles"][0]
                    if first["auth_token"]:
                        return first
                    await asyncio.sleep(0.05)

        async def listed() -> dict[str, Any]:
            answer = (await http.get("/mqbroker-issuer/.well-known/jwks.json")).raise_for_status()
            return {key["kid"]: key for key in answer.json()["keys"]}

        kids = [rabbitmq.key_files.kid]
        tokens = [(await profile())["auth_token"]]
        for n in range(N_ROTATIONS):
            kids.append(rotate(n).kid)
            tokens.append((await profile())["auth_token"])
            assert [jwt.get_unverified_header(token)["kid"] for token in tokens] == kids, "of the newest key, each"
            keys = await listed()
            assert set(keys) == set(kids), "every key whose tokens live, from the first to the newest"
            for token in tokens:
                kid = jwt.get_unverified_header(token)["kid"]
                assert jwt.decode(token, PyJWK(keys[kid]), algorithms=["RS256"], audience="ewms")["sub"] == "user/ada"
        assert all([await opens(rabbitmq.address, token) for token in tokens]), "the broker believes each of them"
