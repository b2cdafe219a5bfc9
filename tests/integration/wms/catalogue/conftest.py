"""A WMS on real services behind its gateway, and a real step worker of the pool `ewms-builder` with small lists."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import fields
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from deploy.local.servers.rabbitmq import RabbitMQ
from ewms.steps.testing import keep_definitions, keep_registrations
from ewms.worker.app import run_worker
from ewms.worker.settings import WorkerSettings
from schemas.automation.builds import BUILD_POOL
from schemas.broker.topology import pool_service
from schemas.engine.run_documents import RUNS
from schemas.engine.runs import RUN_OVER
from tests.integration.wms.catalogue import building
from tests.integration.wms.peers import Issuer
from tests.waiting import PATIENCE_S, eventually
from wms.app import Wms, run_wms
from wms.settings import WmsSettings

GIT = "https://github.com/sulochan/craton_tasks"


class TaskWorld:
    """The running WMS, as the users of its catalogue see it."""

    def __init__(self, wms: Wms, http: httpx2.AsyncClient, issuer: Issuer) -> None:
        self.wms = wms
        self.http = http
        self.issuer = issuer
        self.build = building.WORLD

    def sign_in(self, caller: str) -> dict[str, str]:
        """Return the headers of `<subject>` or `<subject>/<organization>/<role>`; root is a superuser."""
        subject, _, place = caller.partition("/")
        claims: dict[str, Any] = {"groups": [f"/organizations/{each}" for each in place.split(",") if each]}
        claims["ewms_role"] = {"root": "superuser", "watch": "system-auditor"}.get(subject)
        return {"Authorization": f"Bearer {self.issuer.token(subject, **claims)}"}

    async def send(
        self, method: str, path: str, body: Any = None, *, caller: str = "ada/north/admin", **headers: str
    ) -> httpx2.Response:
        """Send a request below /v1."""
        return await self.http.request(method, f"/v1{path}", json=body, headers={**self.sign_in(caller), **headers})

    async def create(self, *, caller: str = "ada/north/admin", **changes: Any) -> dict[str, Any]:
        """Create a task; return it."""
        answer = await self.send("POST", "/tasks", describe_task(**changes), caller=caller)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def act(self, task: int, action: str, *, caller: str = "ada/north/admin", **body: Any) -> dict[str, Any]:
        """Do an action; return the task."""
        answer = await self.send("POST", f"/tasks/{task}/actions/{action}", body, caller=caller)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def get(self, task: int, *, caller: str = "root") -> dict[str, Any]:
        """Return a task."""
        answer = await self.send("GET", f"/tasks/{task}", caller=caller)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def until(self, task: int, holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Return a task once `holds` is true of it."""
        found: dict[str, Any] = await eventually(lambda: self.get(task), holds)
        return found

    async def until_status(self, task: int, status: str) -> dict[str, Any]:
        """Return a task once its latest version has this status."""
        return await self.until(task, lambda found: found["versions"][0]["status"] == status)

    async def until_looked(self, task: int) -> dict[str, Any]:
        """Return a task once its latest version has a commit."""
        return await self.until(task, lambda found: found["versions"][0]["commit"] and not found["is_looking"])

    async def count_open_runs(self) -> int:
        """Return how many runs of builders are not over."""
        return await self.wms.store.count(RUNS, {"status": {"$nin": sorted(RUN_OVER)}})

    async def make_ready(self, *, caller: str = "ada/north/admin", **changes: Any) -> dict[str, Any]:
        """Create a task, approve it, and return it once it is Ready."""
        made = await self.create(caller=caller, **changes)
        looked = await self.until_looked(made["id"])
        await self.act(made["id"], "approve", caller="root", commit=looked["versions"][0]["commit"])
        return await self.until_status(made["id"], "Ready")


def describe_task(**changes: Any) -> dict[str, Any]:
    """Return the body of a request for a task."""
    return {
        "name": "task1",
        "organization": "north",
        "location": {"git": GIT},
        "command": ["python", "/craton/task1.py"],
        "cluster_locations": ["osg"],
        **changes,
    }


@pytest.fixture
def task_settings(wms_settings: WmsSettings) -> WmsSettings:
    """Settings of WMS that allow a directory for tasks."""
    return wms_settings.model_copy(update={"task_roots": ("/srv/tasks",)})


@pytest.fixture
async def bare_world(task_settings: WmsSettings, issuer: Issuer) -> AsyncIterator[TaskWorld]:
    """WMS without a builder."""
    fresh = building.BuildWorld()
    for each in fields(fresh):
        setattr(building.WORLD, each.name, getattr(fresh, each.name))
    building.WORLD.may_build.set()
    async with AsyncExitStack() as stack:
        wms = await stack.enter_async_context(run_wms(task_settings))
        building.WORLD.gateway = wms.gateway_url
        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=wms.gateway_url, timeout=60))
        yield TaskWorld(wms, http, issuer)
        # A step that waits would keep the worker from ending.
        building.WORLD.may_build.set()


StartBuilder = Callable[[], Any]


@pytest.fixture
async def start_builder(rabbitmq: RabbitMQ, control_vhost: str) -> AsyncIterator[StartBuilder]:
    """Starts a builder in this process."""
    settings = WorkerSettings(
        control_amqp_url=SecretStr(rabbitmq.amqp_url(pool_service(BUILD_POOL), control_vhost)),
        worker_modules=(building.__name__,),
        worker_pool=BUILD_POOL,
        worker_name="builder1",
    )
    async with AsyncExitStack() as stack:
        stack.enter_context(keep_definitions(without_others=True))
        stack.enter_context(keep_registrations())

        async def start() -> None:
            building.register_lists()
            presence = await stack.enter_async_context(run_worker(settings))
            async with asyncio.timeout(PATIENCE_S):
                await presence.wait_until_registered()

        yield start


@pytest.fixture
async def task_world(bare_world: TaskWorld, start_builder: StartBuilder) -> TaskWorld:
    """WMS with a builder."""
    await start_builder()
    return bare_world


def versions(task: dict[str, Any]) -> Sequence[tuple[int, str]]:
    """Return number and status of each version, the latest first."""
    return [(each["number"], each["status"]) for each in task["versions"]]
