"""The tests that an author has written for a rehearsal run unchanged on a running system."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from deploy.local.servers.rabbitmq import RabbitMQ
from schemas.broker.topology import pool_service
from schemas.engine.subscriptions import SUBSCRIPTIONS
from tests.integration.wms.engine.conftest import EngineWorld
from tests.integration.wms.peers import Issuer
from wms.engine import repository

ROOT = Path(__file__).parents[4]
EXAMPLE = ROOT / "docs" / "examples" / "enrollment"


@pytest.fixture
async def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "FAKE_NETWORK": str(tmp_path / "network")}


@pytest.fixture
async def worker(
    engine_world: EngineWorld, rabbitmq: RabbitMQ, control_vhost: str, environment: dict[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A step worker that offers the example."""
    address = rabbitmq.amqp_url(pool_service("default"), control_vhost)
    command = ["-m", "ewms.cli.__main__", "worker", "--module", "enrollment"]
    async with AsyncExitStack() as stack:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, env={**environment, "EWMS_CONTROL_AMQP_URL": address}, cwd=EXAMPLE
        )
        stack.push_async_callback(process.wait)
        stack.callback(process.terminate)
        async with asyncio.timeout(60):
            # The definitions come in the order of their names.
            while await repository.find_definition(engine_world.wms.store, "validate_node_enrollment") is None:
                assert process.returncode is None
                await asyncio.sleep(0.05)
        yield process


@pytest.mark.usefixtures("worker")
async def test_the_examples_own_tests_run_on_the_real_engine_with_one_option(
    engine_world: EngineWorld, issuer: Issuer, environment: dict[str, str], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(issuer.token("ada", ewms_role="superuser"))
    options = ["--ewms-engine", engine_world.wms.gateway_url, "--ewms-token-file", str(token)]
    quiet = ["-q", "-rs", "-p", "no:cacheprovider", "-p", "no:schemathesis", "-p", "no:xdist"]
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "pytest", *quiet, ".", *options],
        env=environment,
        cwd=EXAMPLE,
        stdout=asyncio.subprocess.PIPE,
    )
    told = (await process.communicate())[0].decode()

    assert process.returncode == 0, told
    assert "3 passed, 1 skipped" in told
    assert "only in a rehearsal: the clock of a running system" in told
    # They really ran there.
    assert await engine_world.wms.store.count(SUBSCRIPTIONS, {"status": "terminated"}) == 1
