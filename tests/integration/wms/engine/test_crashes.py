"""WMS is killed between any two acts of the engine: nothing is lost, and no step runs again after it cleared."""

import asyncio
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from deploy.local.servers.rabbitmq import RabbitMQ
from runtime.kernel.store import Store
from schemas.events import NodeRun
from schemas.graph import Node
from schemas.ids import RunId, RunUuid
from schemas.run_documents import RunDocument
from tests.integration.wms.engine.conftest import define
from tests.integration.wms.engine.peers import Worker
from wms.engine import repository

WAIT = Node.model_validate(
    {"key": "w", "name": "w", "kind": "wait", "wait": {"kind": "event", "name": "up", "correlation_key": "key"}}
)
CHAIN = define("chain", "a", WAIT, "b", "c")
UUID = RunUuid("33333333-3333-3333-3333-333333333333")

#: Where WMS is killed, and at which pass.
POINTS = [
    *(f"engine.decided:kill:{n}" for n in (1, 2, 3, 4)),
    *(f"engine.committed:kill:{n}" for n in (1, 2, 3, 4)),
    *(f"engine.sent:kill:{n}" for n in (1, 2)),
    *(f"bus.handled:kill:{n}" for n in (1, 3, 4)),
    "engine.launched:kill:1",
    "engine.input_kept:kill:1",
]


class Process:
    """WMS in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def read(self) -> str:
        """Return the next line; "" if the process has died."""
        assert self.process.stdout is not None
        while line := (await self.process.stdout.readline()).decode().strip():
            if re.match(r"up|launched|kept", line):
                return line
        return ""

    async def command(self, *words: str) -> str:
        """Give a command; return what became of it, "" if the process died of it."""
        assert self.process.stdin is not None
        self.process.stdin.write((" ".join(words) + "\n").encode())
        return await self.read()


@pytest.fixture
async def start_wms(
    rabbitmq: RabbitMQ, control_vhost: str, mongo_url: str, mongo_database: str
) -> AsyncIterator[Callable[[str], Awaitable[Process]]]:
    """Starts WMS, with a failpoint or without."""
    started: list[asyncio.subprocess.Process] = []

    async def start(failpoint: str = "") -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.integration.wms.engine.wms_process",
            env={
                **os.environ,
                "TEST_MONGO_URL": mongo_url,
                "TEST_DATABASE": mongo_database,
                "TEST_AMQP_URL": rabbitmq.amqp_url("wms", control_vhost),
                "EWMS_FAILPOINT": failpoint,
            },
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        started.append(process)
        wms = Process(process)
        assert await wms.read() == "up"
        return wms

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def find_run(store: Store) -> RunDocument | None:
    """Return the test's run, if it was launched."""
    run_id = await repository.find_run_id(store, UUID)
    return None if run_id is None else await repository.load_run(store, run_id)


@pytest.mark.parametrize("point", POINTS)
async def test_a_run_survives_a_kill_of_wms(
    point: str,
    start_wms: Callable[[str], Awaitable[Process]],
    connect_worker: Callable[[str, str], Awaitable[Worker]],
    mongo_url: str,
    mongo_database: str,
) -> None:
    wms = await start_wms(point)
    worker = await connect_worker("w1", "default")
    calls: Counter[str] = Counter()
    cleared: set[str] = set()
    called_after_clearing: list[str] = []
    store = await Store.connect(mongo_url, database=mongo_database, source="ewms/test")

    async def call(order: NodeRun) -> None:
        run = await find_run(store)
        cleared.update(state.key for state in run.nodes if state.status == "successful") if run else None
        called_after_clearing.extend([order.node] if order.node in cleared else [])
        calls[order.node] += 1
        await worker.take(order)
        await worker.end(order, delta={"key": "c", order.node: calls[order.node]})

    worker.react = call
    await worker.register(CHAIN)
    async with asyncio.timeout(20):
        while await repository.find_definition(store, "chain") is None:
            await asyncio.sleep(0.02)
    has_died = False
    async with asyncio.timeout(60):
        launched, given = False, False
        while (run := await find_run(store)) is None or run.status != "successful":
            if not has_died and wms.process.returncode is not None:
                assert wms.process.returncode == -signal.SIGKILL
                has_died = True
                wms = await start_wms("")
            elif not launched:
                launched = bool(await wms.command("launch", "chain", UUID))
            elif not given and run is not None and run.nodes[1].status == "waiting":
                given = bool(await wms.command("event", "up", "event-1"))
            if wms.process.returncode is None:
                await asyncio.sleep(0.05)
    if not has_died:
        # The last pass may lie behind the end of the run.
        assert await asyncio.wait_for(wms.process.wait(), 5) == -signal.SIGKILL
    assert called_after_clearing == []
    assert set(calls) == {"a", "b", "c"}
    rows = await repository.load_log(store, RunId(run.id))
    assert [row.number for row in rows] == list(range(1, run.n_rows + 1)), "the audit is complete"
    assert [row.node for row in rows if row.act == "ended"] == ["a", "w", "b", "c", None]
    assert run.state["x"] == 1
    await store.close()
