"""The kernel's five steps, killed between any two of them: all of it happens, and once."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable

import pytest

from deploy.local.servers.rabbitmq import RabbitMQ
from runtime.kernel.outbox import OUTBOX
from runtime.kernel.store import INBOX, Store
from tests.forked_processes import ForkedProcess, start_module
from tests.integration.runtime.conftest import BusOf

Start = Callable[[str, str], Awaitable[ForkedProcess]]


@pytest.fixture
def start(rabbitmq: RabbitMQ, control_vhost: str, mongo_url: str, mongo_database: str) -> Start:
    """Starts the process of a role, with a failpoint or without."""

    async def started(role: str, failpoint: str = "") -> ForkedProcess:
        return await start_module(
            "tests.integration.runtime.kernel_process",
            role,
            environment={
                **os.environ,
                "TEST_MONGO_URL": mongo_url,
                "TEST_DATABASE": mongo_database,
                "TEST_AMQP_URL": rabbitmq.amqp_url("wms" if role == "decide" else "mqs", control_vhost),
                "EWMS_FAILPOINT": failpoint,
            },
            stdout=subprocess.PIPE,
        )

    return started


async def ended(process: ForkedProcess) -> tuple[int, str]:
    """Return how `process` ended, and what it said."""
    output, _ = await asyncio.wait_for(process.communicate(), 40)
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.parametrize("point", ["store.before_commit", "store.committed", "relay.committed", "relay.published"])
async def test_a_decision_and_its_event_survive_a_kill_at_any_step_of_the_sender(
    store: Store, bus_of: BusOf, start: Start, point: str
) -> None:
    mqs = await bus_of("mqs")  # so that the event has a queue
    code, _ = await ended(await start("decide", f"{point}:kill"))
    assert code == -signal.SIGKILL
    n_documents, n_rows = await store.count("things", {}), await store.count(OUTBOX, {})
    # Together or not at all: before the commit nothing is there, after it the event lies beside its document.
    assert (n_documents, n_rows) == ((0, 0) if point == "store.before_commit" else (1, 1))

    assert await ended(await start("decide", "")) == (0, "done\n")
    counting = await start("consume", "")
    assert counting.stdout is not None
    first = (await asyncio.wait_for(counting.stdout.readline(), 20)).strip()
    if point == "relay.published":
        # It was sent twice, since nobody could know of the first; the receiver's inbox is what it is for.
        assert (await asyncio.wait_for(counting.stdout.readline(), 20)).strip() == first
    counting.kill()
    await counting.wait()
    received = await store.find_one("things", {"_id": "received"})
    assert received is not None
    assert received["n"] == 1
    assert await store.count(OUTBOX, {}) == 0
    await mqs.drain()


@pytest.mark.parametrize("point", ["store.before_commit", "store.committed", "bus.handled"])
async def test_an_event_takes_effect_once_though_its_receiver_is_killed_at_any_step(
    store: Store, bus_of: BusOf, start: Start, point: str
) -> None:
    await bus_of("mqs")
    assert await ended(await start("decide", "")) == (0, "done\n")
    code, _ = await ended(await start("consume", f"{point}:kill"))
    assert code == -signal.SIGKILL
    took_effect = await store.count("things", {"_id": "received"})
    assert took_effect == (0 if point == "store.before_commit" else 1)
    again = await start("consume", "")
    assert again.stdout is not None
    assert await asyncio.wait_for(again.stdout.readline(), 20)
    again.kill()
    await again.wait()
    received = await store.find_one("things", {"_id": "received"})
    assert received is not None
    assert (received["n"], await store.count(INBOX, {})) == (1, 1)
