"""MQS on the real broker and MongoDB: a control vhost and a database of its own, the one data vhost of the tokens."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import aio_pika
import httpx2
import pytest

from deploy.local.choices.launch_options import SCHEDD
from deploy.local.servers.rabbitmq import RabbitMQ
from mqs.app import Mqs, run_mqs
from mqs.settings import MqsSettings
from runtime.amqp import Unroutable, broker_url
from runtime.bus.service_bus import Bus
from schemas import ids
from schemas.broker.topology import tms_service
from schemas.errors import Unavailable
from schemas.events import ControlEvent, Payload, QueuesActivated, WorkflowOver, WorkflowRequested, build_event
from schemas.fleet.documents import QueuePlan
from schemas.ids import Alias, EventId, Mqid, TaskforceUuid, WorkflowId
from schemas.questions.queues import DepthsQuery, GrantQuery, ProfilesQuery
from tests.waiting import wait_until


@dataclass(frozen=True)
class Plan:
    """A workflow of two tasks: in (public) -> mid (private) -> out (public)."""

    workflow_id: WorkflowId = field(default_factory=lambda: ids.workflow_id(0x6B00E09F, random.getrandbits(32)))
    mqids: tuple[Mqid, ...] = field(
        default_factory=lambda: tuple(ids.mqid(random.getrandbits(80), for_results=n == 2) for n in range(3))
    )
    schedds: tuple[str, ...] = (SCHEDD,)

    @property
    def queue_in(self) -> Mqid:
        return self.mqids[0]

    @property
    def queue_mid(self) -> Mqid:
        return self.mqids[1]

    @property
    def queue_out(self) -> Mqid:
        return self.mqids[2]

    @property
    def taskforce(self) -> TaskforceUuid:
        return TaskforceUuid(f"TF-{self.workflow_id.removeprefix('WF-')}-00000001-00000002")

    @property
    def requested(self) -> WorkflowRequested:
        def queue(n: int, alias: str, *, is_public: bool, is_input: bool, is_output: bool) -> QueuePlan:
            return QueuePlan(
                mqid=self.mqids[n], alias=Alias(alias), is_public=is_public, is_input=is_input, is_output=is_output
            )

        return WorkflowRequested(
            workflow_id=self.workflow_id,
            priority=50,
            owner="ada",
            projects=[],
            queues=[
                queue(0, "in", is_public=True, is_input=True, is_output=False),
                queue(1, "mid", is_public=False, is_input=True, is_output=True),
                queue(2, "out", is_public=True, is_input=False, is_output=True),
            ],
            schedds=list(self.schedds),
            requested_at=datetime.now(UTC),
        )

    @property
    def over(self) -> WorkflowOver:
        return WorkflowOver(workflow_id=self.workflow_id)

    @property
    def profiles_query(self) -> ProfilesQuery:
        return ProfilesQuery(workflow_id=self.workflow_id, subject="ada")

    @property
    def depths_query(self) -> DepthsQuery:
        return DepthsQuery(workflow_id=self.workflow_id)

    def grant_query(self) -> GrantQuery:
        """What the TMS of the first task asks."""
        return GrantQuery(
            workflow_id=self.workflow_id,
            taskforce_uuid=self.taskforce,
            inputs=[self.queue_in],
            outputs=[self.queue_mid],
            n_workers=3,
        )


class Peer:
    """Another service on the bus: says events, keeps those it gets, asks."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.got: asyncio.Queue[ControlEvent] = asyncio.Queue()

    async def say(self, payload: Payload, *, event_id: str | None = None, traceparent: str | None = None) -> EventId:
        """Send an event to MQS, once it has an inbox."""
        name = EventId(event_id or f"test-{random.getrandbits(64):x}")
        event = build_event(payload, event_id=name, source="ewms/test", time=datetime.now(UTC), traceparent=traceparent)
        async with asyncio.timeout(60):
            while True:
                try:
                    await self.bus.publish(event)
                except Unroutable:
                    await asyncio.sleep(0.05)
                else:
                    return name

    async def next(self, timeout_s: float = 5.0) -> Payload:
        """Return the next event that arrives. Queues that it reports as active are open when this returns."""
        async with asyncio.timeout(timeout_s):
            payload = (await self.got.get()).data
            if isinstance(payload, QueuesActivated):
                await self.wait_until_open(payload.workflow_id)
            return payload

    async def wait_until_open(self, workflow_id: WorkflowId) -> None:
        """Return when MQS gives out tokens for the queues of a workflow."""
        while True:
            with suppress(Unavailable):
                await self.bus.ask(ProfilesQuery(workflow_id=workflow_id, subject="observer"), timeout_s=30)
                return
            await asyncio.sleep(0.1)

    async def nothing_more(self, timeout_s: float = 0.3) -> None:
        """Return if no further event arrives within the time."""
        with pytest.raises(TimeoutError):
            await self.next(timeout_s)


RunMqs = Callable[..., AbstractAsyncContextManager[Mqs]]


@pytest.fixture
def keeps_vhost() -> bool:
    """The control vhosts of these tests have inboxes of tests before."""
    return True


@pytest.fixture
def database_of() -> str:
    """The service whose collections the databases of these tests have."""
    return "mqs"


@pytest.fixture
def settings(rabbitmq: RabbitMQ, mongo_url: str, mongo_database: str, control_vhost: str) -> Callable[..., MqsSettings]:
    """Return a maker of settings for a fresh MQS; arguments override."""

    def make(**overrides: Any) -> MqsSettings:
        environment = {
            "mongo_url": mongo_url,
            "mongo_database": mongo_database,
            "control_amqp_url": rabbitmq.amqp_url("mqs", control_vhost),
            "data_amqp_url": rabbitmq.data_url,
            "rabbitmq_api_url": rabbitmq.api_url,
            "EWMS_BROKER_ADDRESS": rabbitmq.address,
            "EWMS_BROKER_KEY_FILE": rabbitmq.key_files.private,
            "EWMS_BROKER_PUBLIC_KEY_FILE": rabbitmq.key_files.public,
            "http_port": 0,
            **overrides,
        }
        return MqsSettings(**environment)

    return make


@pytest.fixture(name="run_mqs")
def start_mqs(settings: Callable[..., MqsSettings]) -> RunMqs:
    """Return `async with run_mqs(**settings)`: an MQS in this process."""
    return lambda **overrides: run_mqs(settings(**overrides))


@asynccontextmanager
async def peer(rabbitmq: RabbitMQ, vhost: str, service: str) -> AsyncIterator[Peer]:
    bus = await Bus.connect(rabbitmq.amqp_url(service, vhost), service=service, source=f"ewms/{service}")
    self = Peer(bus)
    await bus.consume(self.got.put)
    try:
        yield self
    finally:
        await bus.drain()
        await bus.close()


@pytest.fixture
async def wms(rabbitmq: RabbitMQ, control_vhost: str) -> AsyncIterator[Peer]:
    """WMS's place on the bus."""
    async with peer(rabbitmq, control_vhost, "wms") as self:
        yield self


@pytest.fixture
async def tms(rabbitmq: RabbitMQ, control_vhost: str, wms: Peer) -> AsyncIterator[Peer]:
    """The TMS of the workflows' schedd."""
    async with peer(rabbitmq, control_vhost, tms_service(SCHEDD)) as self:
        yield self


@pytest.fixture
async def as_mqs(rabbitmq: RabbitMQ) -> AsyncIterator[aio_pika.abc.AbstractConnection]:
    """A connection with MQS's own rights on the data vhost, to see what is there."""
    connection = await aio_pika.connect(rabbitmq.data_url)
    yield connection
    await connection.close()


@asynccontextmanager
async def logged_in(address: str, token: str) -> AsyncIterator[aio_pika.abc.AbstractConnection]:
    """Open a connection as the bearer of `token`."""
    connection = await aio_pika.connect(broker_url(address, token=token))
    try:
        yield connection
    finally:
        await connection.close()


def drop_connections(rabbitmq: RabbitMQ, of: str = "dead letters") -> None:
    """Close the connections over which MQS reads dead letters, or those with another name."""
    with httpx2.Client(base_url=rabbitmq.management_url("admin")) as api:

        def list_names() -> list[str]:
            found = api.get("/api/connections").raise_for_status().json()
            return [c["name"] for c in found if of in c["client_properties"].get("connection_name", "")]

        # The broker lists a new connection some seconds late, and a list costs it a lot of CPU.
        for name in wait_until(list_names, pause_s=0.25):
            api.delete(f"/api/connections/{quote(name, safe='')}")
