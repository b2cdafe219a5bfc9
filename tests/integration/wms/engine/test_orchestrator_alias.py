"""A package written for orchestrator-core runs unchanged: `ewms worker --alias orchestrator` at a real WMS."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from deploy.local.servers.rabbitmq import RabbitMQ
from schemas.broker.topology import pool_service
from schemas.engine.run_documents import RunDocument
from tests.integration.wms.engine.conftest import EngineWorld
from wms.engine import repository
from wms.tenancy.rights import Principal, TenancyRole

ROOT = Path(__file__).parents[4]
PACKAGE = ROOT / "tests" / "data" / "leased_ports"
ADA = Principal("ada", frozenset({TenancyRole.SUPERUSER}))
PORT = {"customer_id": "3f6b2c1a-5b0e-4b5e-8c2e-0a1b2c3d4e5f", "node_name": "ams-1", "port_name": "0/1"}


@pytest.fixture
async def worker(rabbitmq: RabbitMQ, control_vhost: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command as an operator types it, where the package is."""
    address = rabbitmq.amqp_url(pool_service("default"), control_vhost)
    command = ["-m", "ewms.cli.__main__", "worker", "--alias", "orchestrator", "--module", "main", "--module"]
    async with AsyncExitStack() as stack:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            "registering",
            env={**os.environ, "EWMS_CONTROL_AMQP_URL": address, "PYTHONPATH": str(ROOT)},
            cwd=PACKAGE,
        )
        stack.push_async_callback(process.wait)
        stack.callback(process.terminate)
        yield process


async def test_a_package_for_orchestrator_core_runs_unchanged_on_a_worker(
    engine_world: EngineWorld, worker: asyncio.subprocess.Process
) -> None:
    wms = engine_world.wms

    async def start(name: str, *pages: dict[str, Any], until: str = "successful") -> RunDocument:
        run = await repository.find_run_id(wms.store, await wms.processes.starts.start_process(name, list(pages), ADA))
        assert run is not None
        return await engine_world.until(run, lambda one: one.status in (until, "halted"))

    async with asyncio.timeout(60):
        while await repository.find_definition(wms.store, "task_count_ports") is None:
            assert worker.returncode is None
            await asyncio.sleep(0.05)
    [product] = await wms.products.list_products("create_port")
    made = await start("create_port", {"product": str(product.product_id)}, PORT | {"node_name": "chi-1"}, {})
    assert (made.status, made.state["subscription"]["port"]["title"]) == ("successful", "chi-1 0/1")
    on = {"subscription_id": made.state["subscription_id"]}
    assert (await start("modify_port", on, {"vlan": 101})).status == "successful"
    assert (await start("terminate_port", on, on)).status == "successful"
    after = await wms.subscriptions.read_subscription(UUID(on["subscription_id"]))
    assert after is not None
    assert (after.status, after.insync, len(after.values["port"]["vlans"])) == ("terminated", True, 2)
