"""Services and step workers at queues without a leader; a broker of the test's own, whose queues can be silenced."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from typing import Any
from unittest import mock

import httpx2
import pytest
from aiormq.channel import Channel

from deploy.local.fetch.cache import Installed
from deploy.local.files.run_directory import run_directory
from deploy.local.servers.broker_admin import BrokerAdmin
from deploy.local.servers.rabbitmq import BrokerPlan
from runtime.amqp import Connection, Delivery, NoLeader
from runtime.amqp.leaders import has_leader
from runtime.bus.inbox import declare_inbox
from runtime.bus.pools import declare_pool
from runtime.bus.service_bus import Bus
from schemas.broker import topology
from schemas.broker.topology import dead_inbox, inbox_queue, mending_queue, parked_inbox, pool_service
from schemas.errors import Unavailable
from tests.alarms import SilentRabbitMQ, silent_broker
from tests.integration.runtime.conftest import SCHEDD, TMS
from tests.waiting import eventually

POOL = pool_service("default")
INBOXES = [queue(TMS) for queue in (inbox_queue, dead_inbox, parked_inbox)]


@pytest.fixture(scope="module")
def own_broker(installed: Installed) -> Iterator[SilentRabbitMQ]:
    """A broker that a test may kill, and whose queues it may silence."""
    with run_directory() as run, silent_broker(installed, run, BrokerPlan(schedds=(SCHEDD,))) as broker:
        yield broker


@pytest.fixture
def vhost(own_broker: SilentRabbitMQ) -> str:
    """A control vhost of the test's own."""
    return add_vhost(own_broker)


def add_vhost(broker: SilentRabbitMQ) -> str:
    """Return a new control vhost."""
    name = f"control-{random.getrandbits(32):x}"
    with BrokerAdmin(broker.management_url("admin")) as admin:
        admin.add_control_vhost(list(broker.users), name)
    return name


@pytest.fixture
async def wms(own_broker: SilentRabbitMQ, vhost: str) -> AsyncIterator[Bus]:
    """A WMS, which declares the shared exchanges."""
    bus = await bus_of(own_broker, vhost, "wms")
    yield bus
    await bus.close()


async def bus_of(broker: SilentRabbitMQ, vhost: str, service: str, *, wait_s: float = 30.0) -> Bus:
    return await Bus.connect(
        broker.amqp_url(service, vhost), service=service, source="ewms/test", wait_s=wait_s, backoff_cap_s=0.5
    )


@asynccontextmanager
async def connected(broker: SilentRabbitMQ, vhost: str, user: str) -> AsyncIterator[Connection]:
    connection = await Connection.connect(broker.amqp_url(user, vhost), name="test")
    try:
        yield connection
    finally:
        await connection.close()


async def declare_without_bindings(link: Connection, service: str) -> None:
    """Leave the queues as a broker does that dies before their seal."""
    with (
        mock.patch("runtime.bus.inbox.seal_queues", side_effect=Died),
        mock.patch("runtime.bus.pools.seal_queues", side_effect=Died),
        pytest.raises(Died),
    ):
        await declare_for(link, service)


class Died(Exception):
    pass


async def take_one(connection: Connection, queue: str) -> bytes:
    """Return the body of the next event of `queue`."""
    taken: asyncio.Queue[Delivery] = asyncio.Queue()
    consumer = await connection.consume(queue, taken.put_nowait, prefetch=1)
    async with asyncio.timeout(30):
        delivery = await taken.get()
    await delivery.ack()
    await consumer.close()
    return delivery.body


async def test_new_queues_of_a_service_without_a_leader_are_made_anew(
    own_broker: SilentRabbitMQ, vhost: str, wms: Bus
) -> None:
    async with connected(own_broker, vhost, TMS) as link:
        await declare_without_bindings(link, TMS)
        with own_broker.silence(vhost, *INBOXES):
            await (await bus_of(own_broker, vhost, TMS)).close()
            assert [await has_leader(link, queue) for queue in INBOXES] == [True] * 3
    async with connected(own_broker, vhost, "admin") as admin:
        await admin.publish(topology.CONTROL_EXCHANGE, f"{TMS}.x", b"1", message_id="1", timeout_s=10)
        assert await take_one(admin, INBOXES[0]) == b"1"


@pytest.mark.parametrize("place", range(3))
async def test_an_older_inbox_without_a_leader_is_named_and_keeps_its_events(
    own_broker: SilentRabbitMQ, vhost: str, wms: Bus, place: int
) -> None:
    queue = INBOXES[place]
    await (await bus_of(own_broker, vhost, TMS)).close()
    async with connected(own_broker, vhost, "admin") as admin:
        await admin.publish("", queue, b"kept", message_id="1", timeout_s=10)
        with (
            own_broker.silence(vhost, queue),
            pytest.raises(NoLeader, match=f"no leader for {re.escape(queue)},") as raised,
        ):
            await bus_of(own_broker, vhost, TMS, wait_s=0.1)
        assert "delete the queue" in raised.value.hint
        # The leader was only late. The next start takes the event, or leaves it where it is.
        await (await bus_of(own_broker, vhost, TMS)).close()
        assert await take_one(admin, queue) == b"kept"


async def test_a_process_does_not_delete_what_another_process_makes_anew(
    own_broker: SilentRabbitMQ, vhost: str, wms: Bus
) -> None:
    async with connected(own_broker, vhost, TMS) as link, connected(own_broker, vhost, TMS) as other:
        await declare_without_bindings(link, TMS)
        async with other.lend_channel() as channel:
            await channel.queue_declare(mending_queue(INBOXES[0]), exclusive=True)
        with own_broker.silence(vhost, INBOXES[0]), pytest.raises(NoLeader):
            await declare_inbox(link, TMS)
        await declare_inbox(link, TMS)


async def test_a_service_whose_inbox_has_lost_its_leader_is_not_ready_until_it_has_one(
    own_broker: SilentRabbitMQ, vhost: str, wms: Bus
) -> None:
    got: list[str] = []

    async def note(event: object) -> None:
        got.append(repr(event))

    await wms.consume(note)
    await wms.ping()

    async def ping() -> str:
        try:
            await wms.ping()
        except Unavailable as error:
            return error.reason
        return ""

    url = own_broker.management_url("admin")
    # The broker lists a connection some seconds late.
    open_ones = await eventually(lambda: httpx2.get(f"{url}/api/vhosts/{vhost}/connections").json())
    with own_broker.silence(vhost, inbox_queue("wms")):
        for connection in open_ones:
            httpx2.delete(f"{url}/api/connections/{connection['name']}").raise_for_status()
        await eventually(ping, lambda reason: inbox_queue("wms") in reason)
    await eventually(ping, lambda reason: not reason)


async def test_a_new_queue_of_a_pool_without_a_leader_is_made_anew(
    own_broker: SilentRabbitMQ, vhost: str, wms: Bus
) -> None:
    async with connected(own_broker, vhost, POOL) as link, connected(own_broker, vhost, "admin") as admin:
        await declare_without_bindings(link, POOL)
        with own_broker.silence(vhost, POOL):
            await declare_pool(link, "default")
            assert await has_leader(link, POOL)
        await declare_pool(link, "default")
        await admin.publish(topology.CONTROL_EXCHANGE, f"{POOL}.node.run", b"1", message_id="1", timeout_s=10)
        assert await take_one(admin, POOL) == b"1"


@pytest.mark.parametrize("is_older", [False, True])
async def test_an_older_queue_of_a_pool_without_a_leader_is_named_and_keeps_its_orders(
    own_broker: SilentRabbitMQ, vhost: str, wms: Bus, is_older: bool
) -> None:
    """`is_older`: a version without guards has declared it."""
    async with connected(own_broker, vhost, POOL) as link, connected(own_broker, vhost, "admin") as admin:
        await declare_pool(link, "default")
        if is_older:
            async with admin.lend_channel() as channel:
                await channel.exchange_delete(topology.pool_guard("default"))
        await admin.publish(topology.CONTROL_EXCHANGE, f"{POOL}.node.run", b"kept", message_id="1", timeout_s=10)
        with own_broker.silence(vhost, POOL), pytest.raises(NoLeader, match=f"no leader for {re.escape(POOL)},"):
            await declare_pool(link, "default")
        await declare_pool(link, "default")
        assert await take_one(admin, POOL) == b"kept"


def declare_for(connection: Connection, user: str) -> Awaitable[None]:
    return declare_pool(connection, "default") if user == POOL else declare_inbox(connection, user)


async def test_after_a_kill_in_mid_declaration_every_service_gets_events(own_broker: SilentRabbitMQ) -> None:
    """On each of four vhosts another number of queues is declared at the kill.

    Which queues have no leader then differs from run to run, and at times all have one.
    """
    users = ("wms", "mqs", TMS, POOL)
    vhosts = {add_vhost(own_broker): n_at_kill for n_at_kill in (7, 5, 3, 1)}
    first = next(iter(vhosts))
    here: ContextVar[str] = ContextVar("here")
    n_declared: Counter[str] = Counter()
    news = asyncio.Condition()
    declare = Channel.queue_declare

    async def declare_and_count(channel: Channel, *args: Any, **named: Any) -> Any:
        answer = await declare(channel, *args, **named)
        async with news:
            n_declared[here.get()] += 1
            news.notify_all()
        return answer

    async def wait_until_declared(vhost: str, number: int) -> None:
        async with news:
            await news.wait_for(lambda: n_declared[vhost] >= number)

    async with AsyncExitStack() as stack:
        links = {
            vhost: [await stack.enter_async_context(connected(own_broker, vhost, user)) for user in users]
            for vhost in vhosts
        }
        for of_vhost in links.values():
            async with of_vhost[0].lend_channel() as channel:
                for exchange, kind in (("control", "topic"), ("facts", "topic"), ("requests", "direct")):
                    await channel.exchange_declare(f"ewms.{exchange}", exchange_type=kind, durable=True)
        with mock.patch.object(Channel, "queue_declare", declare_and_count):
            starts: list[asyncio.Future[None]] = []
            for vhost, n_at_kill in vhosts.items():
                # All vhosts declare at the same rate, so the later one begins, the fewer it has.
                await wait_until_declared(first, vhosts[first] - n_at_kill)
                here.set(vhost)
                pairs = zip(users, links[vhost], strict=True)
                starts += [asyncio.ensure_future(declare_for(link, user)) for user, link in pairs]
            for vhost, n_at_kill in vhosts.items():
                await wait_until_declared(vhost, n_at_kill)
            own_broker.kill()
            await asyncio.gather(*starts, return_exceptions=True)
    await asyncio.to_thread(own_broker.restart)
    for vhost in vhosts:
        async with connected(own_broker, vhost, "admin") as admin:
            for user in users:
                async with connected(own_broker, vhost, user) as link:
                    await declare_for(link, user)
                body = user.encode()
                await admin.publish(topology.CONTROL_EXCHANGE, f"{user}.x", body, message_id="1", timeout_s=30)
                assert await take_one(admin, user if user == POOL else inbox_queue(user)) == body
