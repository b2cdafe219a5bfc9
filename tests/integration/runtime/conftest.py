"""The kernel on a real broker and a real database, each test in vhosts and a database of its own."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from urllib.parse import quote

import aio_pika
import httpx2
import jwt
import pytest
from pamqp.common import FieldTable

from deploy.local.servers.rabbitmq import RabbitMQ
from runtime.amqp import Connection
from runtime.bus.service_bus import Bus
from runtime.kernel.store import Index, Store
from schemas.broker import topology
from schemas.broker.topology import tms_service

SCHEDD = "ewms@localhost"
TMS = tms_service(SCHEDD)


@pytest.fixture
async def store(mongo_url: str, mongo_database: str) -> AsyncIterator[Store]:
    """A store in a fresh database, with the kernel's indexes."""
    store = await Store.connect(mongo_url, database=mongo_database, source="ewms/test")
    await store.ensure_indexes({"things": [Index(("name",), unique=True), Index(("wake_at",))]})
    yield store
    await store.close()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What a test opens, closed after it."""
    async with AsyncExitStack() as stack:
        yield stack


BusOf = Callable[[str], Awaitable[Bus]]


@pytest.fixture
async def bus_of(rabbitmq: RabbitMQ, control_vhost: str, stack: AsyncExitStack) -> BusOf:
    """Connects a service (`wms`, `mqs`, TMS) to the test's control vhost."""

    async def connect(service: str) -> Bus:
        bus = await Bus.connect(
            rabbitmq.amqp_url(service, control_vhost),
            service=service,
            source=f"ewms/{service}",
            wait_s=10.0,
            backoff_cap_s=0.5,
        )
        stack.push_async_callback(bus.close)
        stack.push_async_callback(bus.drain)
        return bus

    return connect


class PlainDataVhost:
    """The test's data vhost: queues as MQS makes them, tokens as it mints them."""

    def __init__(self, rabbitmq: RabbitMQ, vhost: str) -> None:
        self.rabbitmq = rabbitmq
        self.vhost = vhost
        self.url = rabbitmq.amqp_url("mqs", vhost)
        self.address = rabbitmq.address.rpartition("/")[0] + f"/{vhost}"

    async def add_queue(self, mqid: str, arguments: FieldTable | None = None) -> None:
        """Declare queue `mqid` behind its exchange `x.<mqid>`."""
        connection = await Connection.connect(self.url)
        async with connection.lend_channel() as channel:
            await channel.exchange_declare(f"x.{mqid}", durable=True)
            await channel.queue_declare(mqid, durable=True, arguments={"x-queue-type": "quorum", **(arguments or {})})
            await channel.queue_bind(mqid, f"x.{mqid}", routing_key=mqid)
        await connection.close()

    def token(self, *, read: str = "", write: str = "", life_s: float = 600.0, sub: str = "tester") -> str:
        """Return a token that may consume from queue `read` and publish to exchange `x.<write>`."""
        scopes = [f"ewms.read:{self.vhost}/{read}"] if read else []
        scopes += [f"ewms.write:{self.vhost}/x.{write}"] if write else []
        now = time.time()
        return jwt.encode(
            {
                "iss": "test",
                "sub": sub,
                "aud": [topology.RESOURCE_SERVER],
                "iat": int(now),
                "exp": now + life_s,
                "scope": " ".join(scopes),
            },
            self.rabbitmq.key_files.private.read_bytes(),
            algorithm="RS256",
            headers={"kid": self.rabbitmq.key_files.kid},
        )

    async def drop_connections(self) -> None:
        """Have the broker close every connection to the vhost; it lists them about a second late."""
        async with httpx2.AsyncClient(base_url=self.rabbitmq.management_url("admin")) as http, asyncio.timeout(60):
            while not (listed := (await http.get(f"/api/vhosts/{self.vhost}/connections")).json()):
                await asyncio.sleep(0.1)
            for connection in listed:
                await http.delete(f"/api/connections/{quote(connection['name'], safe='')}")

    async def n_messages(self, queue: str) -> int:
        """Return how many events the queue holds, taken or not, as the broker counts them now."""
        async with httpx2.AsyncClient(base_url=self.rabbitmq.management_url("admin")) as http:
            answer = await http.get(f"/api/queues/{self.vhost}/{queue}")
        n: int = answer.json().get("messages", -1)
        return n

    async def n_ready(self, queue: str) -> int:
        """Return how many events the queue would deliver; asked of the queue itself, not of statistics."""
        connection = await aio_pika.connect(self.rabbitmq.amqp_url("mqs", self.vhost))
        async with connection:
            declared = await (await connection.channel()).declare_queue(queue, passive=True)
            return declared.declaration_result.message_count or 0


@pytest.fixture
def data(rabbitmq: RabbitMQ, data_vhost: str) -> PlainDataVhost:
    """A fresh data vhost."""
    return PlainDataVhost(rabbitmq, data_vhost)
