"""Processes over REST on the real engine: a WMS, and a real step worker in the process of the test."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import httpx2
from pydantic import SecretStr

from deploy.local.servers.rabbitmq import RabbitMQ
from ewms.worker.app import run_worker
from ewms.worker.settings import WorkerSettings
from schemas.broker.topology import pool_service
from tests.integration.wms.engine.conftest import EngineWorld
from tests.integration.wms.peers import Issuer


class RestStory:
    """A WMS with a step worker, as its REST clients see it."""

    def __init__(self, world: EngineWorld, http: httpx2.AsyncClient, issuer: Issuer, worker: AsyncExitStack) -> None:
        self.world = world
        self.worker = worker
        self.http = http
        self._issuer = issuer

    async def send(
        self, method: str, path: str, body: Any = None, *, subject: str = "ada", groups: Sequence[str] = ()
    ) -> httpx2.Response:
        """Send a request as a superuser with this name, or as a member of `groups` alone."""
        claims: dict[str, Any] = {"groups": list(groups)} if groups else {"ewms_role": "superuser"}
        headers = {"Authorization": f"Bearer {self._issuer.token(subject, **claims)}"}
        return await self.http.request(method, f"/api{path}", json=body, headers=headers)

    async def start(self, workflow: str, pages: Any) -> str:
        answer = await self.send("POST", f"/processes/{workflow}", pages)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def until(self, process_id: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the process once `holds` is true of it."""
        async with asyncio.timeout(60):
            while not holds(found := (await self.send("GET", f"/processes/{process_id}")).json()):
                await asyncio.sleep(0.05)
        return dict(found)

    async def until_status(self, process_id: str, status: str) -> dict[str, Any]:
        return await self.until(process_id, lambda process: bool(process["status"] == status))


Story = TypeVar("Story", bound=RestStory)


@asynccontextmanager
async def open_story(
    world: EngineWorld,
    rabbitmq: RabbitMQ,
    control_vhost: str,
    issuer: Issuer,
    modules: Sequence[str],
    *,
    kind: type[Story],
) -> AsyncIterator[Story]:
    """Run a step worker with `modules` beside WMS during the block."""
    settings = WorkerSettings(
        control_amqp_url=SecretStr(rabbitmq.amqp_url(pool_service("default"), control_vhost)),
        worker_modules=tuple(modules),
        worker_name="w1",
        worker_form_s=1.0,
    )
    async with AsyncExitStack() as worker, AsyncExitStack() as stack:
        presence = await worker.enter_async_context(run_worker(settings))
        async with asyncio.timeout(60):
            await presence.wait_until_registered()
        http = httpx2.AsyncClient(base_url=world.wms.gateway_url, timeout=60)
        await stack.enter_async_context(http)
        yield kind(world, http, issuer, worker)
