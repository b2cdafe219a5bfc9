"""What each user of the broker can and cannot do, tried on the real broker with the definitions of a real system."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aio_pika
import httpx2
import pytest
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import AMQPError
from aiormq.exceptions import ChannelAccessRefused

from deploy.local.choices.launch_options import SCHEDD
from deploy.local.servers.broker_admin import BrokerAdmin
from deploy.local.servers.rabbitmq import RabbitMQ
from schemas.broker import topology

TMS = topology.tms_service(SCHEDD)
FOREIGN_TMS = topology.tms_service("another.example.org")
#: Where WMS has asked for an answer; its real name is random.
ANSWERS = topology.answers_queue("wms", "0123456789abcdef")
QUORUM: dict[str, Any] = {"x-queue-type": "quorum"}

Act = Callable[[AbstractChannel], Awaitable[Any]]


def declares(queue: str) -> Act:
    return lambda channel: channel.declare_queue(queue, durable=True, arguments=QUORUM)


def consumes(queue: str) -> Act:
    async def act(channel: AbstractChannel) -> None:
        found = await channel.get_queue(queue, ensure=False)
        await found.consume(_ignore, no_ack=queue == topology.DIRECT_REPLY_TO)

    return act


async def _ignore(_: object) -> None: ...


def deletes(exchange: str) -> Act:
    return lambda channel: channel.exchange_delete(exchange)


def binds(queue: str, key: str, exchange: str = topology.CONTROL_EXCHANGE) -> Act:
    async def act(channel: AbstractChannel) -> None:
        found = await channel.get_queue(queue, ensure=False)
        await found.bind(exchange, key)

    return act


def publishes(exchange: str, key: str) -> Act:
    async def act(channel: AbstractChannel) -> None:
        target = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
        # Not mandatory: what is asked here is whether the broker lets it pass, not whether somebody listens.
        await target.publish(aio_pika.Message(b"{}"), key, mandatory=False)

    return act


@pytest.fixture(scope="module")
def used_vhost(rabbitmq: RabbitMQ, broker_admin: BrokerAdmin) -> Iterator[str]:
    """A control vhost with the inboxes of a running system, so that a refusal is about rights and not about absence."""
    vhost = f"control-{secrets.token_hex(6)}"
    broker_admin.add_control_vhost(list(rabbitmq.users), vhost)
    asyncio.run(_declare_inboxes(rabbitmq.amqp_url("admin", vhost)))
    yield vhost
    broker_admin.remove_vhost(vhost)


async def _declare_inboxes(url: str) -> None:
    connection = await aio_pika.connect(url)
    async with connection, connection.channel() as channel:
        for service in ("wms", "mqs", TMS, FOREIGN_TMS):
            await declares(topology.inbox_queue(service))(channel)
        await declares(ANSWERS)(channel)


async def _is_let(rabbitmq: RabbitMQ, user: str, vhost: str, act: Act) -> bool:
    connection = await aio_pika.connect(rabbitmq.amqp_url(user, vhost))
    async with connection, connection.channel() as channel:
        try:
            await act(channel)
        except ChannelAccessRefused:
            return False
        return True


ALLOWED: list[tuple[str, str, Act]] = [
    ("wms", "own inbox", declares("wms.inbox")),
    ("wms", "own parked queue", declares("wms.inbox.parked")),
    ("wms", "own events in", binds("wms.inbox", "wms.#")),
    ("wms", "events in", consumes("wms.inbox")),
    ("wms", "orders to a TMS", publishes("ewms.control", f"{TMS}.taskforce.start")),
    ("wms", "orders to MQS", publishes("ewms.control", "mqs.workflow.requested")),
    ("wms", "requests to MQS", publishes("ewms.requests", "mqs.requests")),
    ("wms", "answers to requests", consumes("amq.rabbitmq.reply-to")),
    ("wms", "own queue for answers", declares(ANSWERS)),
    ("wms", "answers from a TMS", consumes(ANSWERS)),
    ("mqs", "events in", consumes("mqs.inbox")),
    ("mqs", "word to WMS", publishes("ewms.control", "wms.queues.activated")),
    ("mqs", "answers, by the default exchange", publishes("", "amq.rabbitmq.reply-to.nobody")),
    (TMS, "own inbox", declares(f"{TMS}.inbox")),
    (TMS, "own events in", binds(f"{TMS}.inbox", f"{TMS}.#")),
    (TMS, "events in", consumes(f"{TMS}.inbox")),
    (TMS, "word to WMS", publishes("ewms.control", "wms.taskforce.submitted")),
    (TMS, "requests to MQS", publishes("ewms.requests", "mqs.requests")),
    (TMS, "answers to requests", consumes("amq.rabbitmq.reply-to")),
    (TMS, "answers to WMS", publishes("ewms.requests", ANSWERS)),
    ("wms", "a fact of its own", publishes("ewms.facts", "fact.workflow.over")),
    ("mqs", "a fact of its own", publishes("ewms.facts", "fact.queues.activated")),
    (TMS, "a fact in", binds(f"{TMS}.inbox", "fact.workflow.over", "ewms.facts")),
    ("mqs", "all facts in", binds("mqs.inbox", "fact.#", "ewms.facts")),
]

REFUSED: list[tuple[str, str, Act]] = [
    ("wms", "MQS's events", consumes("mqs.inbox")),
    ("wms", "any queue, by the default exchange", publishes("", "mqs.inbox")),
    ("wms", "queues of no service", declares("anything")),
    ("mqs", "WMS's events", consumes("wms.inbox")),
    ("mqs", "what a TMS answers WMS", consumes(ANSWERS)),
    ("mqs", "WMS's events, by a binding", binds("mqs.inbox", "wms.#")),
    (TMS, "WMS's events", consumes("wms.inbox")),
    (TMS, "another TMS's events", consumes(f"{FOREIGN_TMS}.inbox")),
    (TMS, "another TMS's events, by a binding", binds(f"{TMS}.inbox", f"{FOREIGN_TMS}.#")),
    (TMS, "everything, by a binding", binds(f"{TMS}.inbox", "#")),
    (TMS, "orders to another TMS", publishes("ewms.control", f"{FOREIGN_TMS}.taskforce.stop")),
    (TMS, "orders to MQS", publishes("ewms.control", "mqs.workflow.over")),
    (TMS, "any queue, by the default exchange", publishes("", "wms.inbox")),
    (TMS, "another service's queue", declares("wms.inbox")),
    (TMS, "what another TMS answers WMS", consumes(ANSWERS)),
    (TMS, "another queue for WMS's answers", declares(topology.answers_queue("wms", "of-my-own"))),
    (TMS, "more into WMS's answers, by a binding", binds(ANSWERS, "wms.#")),
    (TMS, "answers past the exchange for them", publishes("", ANSWERS)),
    (TMS, "the end of the shared exchange", deletes("ewms.control")),
    (TMS, "the end of the exchange of facts", deletes("ewms.facts")),
    ("wms", "a fact of MQS's", publishes("ewms.facts", "fact.queues.activated")),
    ("mqs", "a fact of WMS's", publishes("ewms.facts", "fact.workflow.over")),
    (TMS, "a fact of WMS's", publishes("ewms.facts", "fact.taskforce.completed")),
    (TMS, "a fact into another's inbox", binds("wms.inbox", "fact.workflow.over", "ewms.facts")),
]


@pytest.mark.parametrize(("user", "act"), [(u, a) for u, _, a in ALLOWED], ids=[f"{u}: {w}" for u, w, _ in ALLOWED])
async def test_a_service_may(rabbitmq: RabbitMQ, used_vhost: str, user: str, act: Act) -> None:
    assert await _is_let(rabbitmq, user, used_vhost, act)


@pytest.mark.parametrize(("user", "act"), [(u, a) for u, _, a in REFUSED], ids=[f"{u}: {w}" for u, w, _ in REFUSED])
async def test_a_service_may_not(rabbitmq: RabbitMQ, used_vhost: str, user: str, act: Act) -> None:
    assert not await _is_let(rabbitmq, user, used_vhost, act)


@pytest.mark.parametrize("user", ["wms", TMS])
async def test_only_mqs_enters_the_data_vhost(rabbitmq: RabbitMQ, data_vhost: str, user: str) -> None:
    with pytest.raises((AMQPError, ConnectionError)):
        await aio_pika.connect(rabbitmq.amqp_url(user, data_vhost))
    await (await aio_pika.connect(rabbitmq.amqp_url("mqs", data_vhost))).close()


async def test_a_wrong_password_lets_nobody_in(rabbitmq: RabbitMQ, used_vhost: str) -> None:
    url = rabbitmq.amqp_url("wms", used_vhost).replace(rabbitmq.users["wms"].password, "guess")
    with pytest.raises((AMQPError, ConnectionError)):
        await aio_pika.connect(url)


def test_nobody_but_our_services_has_a_password_not_even_the_brokers_own_default_user(rabbitmq: RabbitMQ) -> None:
    answer = httpx2.get(f"{rabbitmq.management_url('admin')}/api/users").raise_for_status()
    # MQS makes a user without a password for each bearer of a token, to limit it.
    assert {user["name"] for user in answer.json() if user["password_hash"]} == set(rabbitmq.users)


def test_mqs_sets_its_policy_and_reads_depths_over_the_management_api(rabbitmq: RabbitMQ, data_vhost: str) -> None:
    with httpx2.Client(base_url=rabbitmq.management_url("mqs")) as api:
        policy = {"pattern": "^a", "definition": {"max-length": 10}, "apply-to": "quorum_queues"}
        api.put(f"/api/policies/{data_vhost}/p", json=policy).raise_for_status()
        api.put(f"/api/queues/{data_vhost}/a1", json={"durable": True, "arguments": QUORUM}).raise_for_status()
        assert api.get(f"/api/policies/{data_vhost}/p").raise_for_status().json()["definition"] == {"max-length": 10}
        assert [queue["name"] for queue in api.get(f"/api/queues/{data_vhost}").raise_for_status().json()] == ["a1"]


@pytest.mark.parametrize("user", ["wms", TMS])
def test_wms_and_tms_have_no_business_at_the_management_api(rabbitmq: RabbitMQ, user: str) -> None:
    assert httpx2.get(f"{rabbitmq.management_url(user)}/api/overview").status_code == 401


def test_mqs_cannot_make_users(rabbitmq: RabbitMQ) -> None:
    answer = httpx2.put(
        f"{rabbitmq.management_url('mqs')}/api/users/eve", json={"password": "x", "tags": "administrator"}
    )
    assert answer.status_code in {401, 403}
