"""A WMS on real services, and step workers that the test plays."""

import asyncio
import json
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from deploy.local.servers.rabbitmq import RabbitMQ
from schemas.broker.topology import pool_service
from schemas.engine.graph import Definition, Graph, Node, make_chain
from schemas.engine.run_documents import RunDocument
from schemas.ids import RunId
from tests.campaigns.fork_server import Fork, ForkServer
from tests.integration.wms.engine.peers import Worker
from tests.waiting import PATIENCE_S, PAUSE_S
from wms.app import Wms, run_wms
from wms.engine import repository
from wms.engine.life.launching import LaunchWish
from wms.settings import WmsSettings


class EngineWorld:
    """The running WMS, and ways in."""

    def __init__(self, wms: Wms, connect: Callable[[str, str], Awaitable[Worker]]) -> None:
        self.wms = wms
        self.connect = connect

    async def add_worker(self, name: str = "w1", *definitions: Definition, pool: str = "default") -> Worker:
        """Return a step worker that has registered these definitions."""
        worker = await self.connect(name, pool)
        for definition in definitions:
            await worker.register(definition)
        await worker.be_alive(*definitions)
        async with asyncio.timeout(PATIENCE_S):
            for definition in definitions:
                while await repository.find_definition(self.wms.store, definition.name) is None:
                    await asyncio.sleep(PAUSE_S)
            while name not in {worker.name for worker in self.wms.engine.workers.list_alive()}:
                await asyncio.sleep(PAUSE_S)
        return worker

    async def launch(self, name: str, **wish: Any) -> RunId:
        """Launch a definition; return the run's id."""
        return (await self.wms.engine.launch_run(name, LaunchWish(who="ada", **wish))).id

    async def load(self, run: RunId) -> RunDocument:
        """Return a run as it is stored."""
        document = await repository.load_run(self.wms.store, run)
        assert document is not None
        return document

    async def until(self, run: RunId, holds: Callable[[RunDocument], bool], *, seconds: float = 20) -> RunDocument:
        """Return a run once `holds` is true of it."""
        async with asyncio.timeout(seconds):
            while not holds(document := await self.load(run)):
                await asyncio.sleep(PAUSE_S)
        return document

    async def until_status(self, run: RunId, status: str, *, seconds: float = 20) -> RunDocument:
        """Return a run once it stands at `status`."""
        return await self.until(run, lambda document: document.status == status, seconds=seconds)


def step(key: str, **fields: Any) -> Node:
    """Return a step."""
    return Node.model_validate({"key": key, "name": key, "function": f"do_{key}", **fields})


def define(name: str, *nodes: Node | str, graph: Graph | None = None) -> Definition:
    """Return a definition: a chain, unless a graph is given."""
    chain = make_chain(tuple(step(node) if isinstance(node, str) else node for node in nodes))
    return Definition(name=name, graph=graph or chain)


@pytest.fixture
async def connect_worker(
    rabbitmq: RabbitMQ, control_vhost: str
) -> AsyncIterator[Callable[[str, str], Awaitable[Worker]]]:
    """Connects a step worker."""
    async with AsyncExitStack() as stack:

        async def connect(name: str, pool: str) -> Worker:
            worker = await Worker.connect(rabbitmq.amqp_url(pool_service(pool), control_vhost), name, pool)
            stack.push_async_callback(worker.close)
            return worker

        yield connect


@pytest.fixture
async def engine_world(
    wms_settings: WmsSettings, connect_worker: Callable[[str, str], Awaitable[Worker]]
) -> AsyncIterator[EngineWorld]:
    """WMS, ready for runs."""
    async with run_wms(wms_settings) as wms:
        yield EngineWorld(wms, connect_worker)


class WmsProcess:
    """WMS in a process of its own."""

    def __init__(self, process: Fork, answers: asyncio.StreamReader, commands: asyncio.StreamWriter) -> None:
        self.process = process
        self._answers, self._commands = answers, commands

    async def read(self) -> str:
        """Return the next line; "" if the process has died."""
        # A process that dies with a command unread resets the connection.
        with suppress(ConnectionResetError):
            while line := (await self._answers.readline()).decode().strip():
                if found := re.match(r"(?:answer \d+: )?((?:up|launched|kept).*)", line):
                    return found[1]
        return ""

    async def command(self, do: str, **fields: Any) -> str:
        """Give a command of `tests.campaigns.engine_wms`; return what became of it, "" if the process died of it."""
        self._commands.write((json.dumps({"number": 1, "do": do, **fields}) + "\n").encode())
        return await self.read()

    async def close(self) -> None:
        """Kill the process, if it has not ended, and wait until it has."""
        self.process.send_signal(signal.SIGKILL)
        await self.process.await_end()
        self.process.close()
        self._commands.close()


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServer]:
    """What launches WMS as a process: it has imported WMS already."""
    with ForkServer("wms.app") as server:
        yield server


@pytest.fixture
async def start_wms(
    forks: ForkServer,
    rabbitmq: RabbitMQ,
    control_vhost: str,
    mongo_url: str,
    wms_settings: WmsSettings,
    tmp_path: Path,
) -> AsyncIterator[Callable[[str], Awaitable[WmsProcess]]]:
    """Starts WMS, with a failpoint or without."""
    async with AsyncExitStack() as stack:

        async def start(failpoint: str = "") -> WmsProcess:
            environment = {
                **os.environ,
                "TEST_MONGO_URL": mongo_url,
                "TEST_DATABASE": wms_settings.mongo_database,
                "TEST_AMQP_URL": rabbitmq.amqp_url("wms", control_vhost),
                "EWMS_SECRET_KEYS": json.dumps([key.get_secret_value() for key in wms_settings.secret_keys]),
                "EWMS_FAILPOINT": failpoint,
            }
            ours, words = socket.socketpair()
            with words, (tmp_path / "wms.log").open("ab") as log:
                process = forks.launch("tests.campaigns.engine_wms", environment, words=words, log=log)
            wms = WmsProcess(process, *await asyncio.open_connection(sock=ours))
            stack.push_async_callback(wms.close)
            # A failpoint may kill it before.
            assert await wms.read() == "up" or failpoint
            return wms

        yield start
