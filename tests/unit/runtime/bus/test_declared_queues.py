"""The queues of questions and of step orders: which end with their node of the broker, and what replaces them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from unittest.mock import Mock

import pytest

from runtime.amqp import Connection, NotDeclared
from runtime.amqp.errors import DeclaredOtherwise
from runtime.amqp.link import Link
from runtime.bus.pools import declare_pool
from runtime.bus.question_queues import declare_answers, declare_requests
from schemas.broker.services import SERVICES
from schemas.broker.topology import is_answers_queue, pool_service

CLASSIC = {"x-queue-type": "classic"}
QUORUM = {"x-queue-type": "quorum"}


class FakeBroker:
    """A link to a broker that knows some queues, and the calls that it got."""

    def __init__(self, **queues: dict[str, Any]) -> None:
        self.queues = {name.replace("_", "."): {"durable": True, **declared} for name, declared in queues.items()}
        self.bindings: list[tuple[str, str, str]] = []
        self.deleted: list[str] = []
        #: Declared by another process between the refusal and the deletion.
        self.meanwhile: dict[str, dict[str, Any]] = {}

    @asynccontextmanager
    async def lend_channel(self) -> AsyncIterator["FakeBroker"]:
        yield self

    async def open_twin(self, *, timeout_s: float) -> "FakeBroker":
        return self

    async def close(self) -> None: ...

    async def exchange_declare(self, exchange: str, **_: Any) -> None: ...

    async def basic_get(self, queue: str) -> Any:
        return Mock(delivery_tag=None)

    async def queue_declare(self, queue: str, *, passive: bool = False, **declared: Any) -> Any:
        if passive:
            if queue not in self.queues:
                raise NotDeclared(queue)
            return Mock(message_count=0)
        if not queue.startswith("steps.net.seal.") and self.queues.setdefault(queue, declared) != declared:
            self.queues |= self.meanwhile
            raise DeclaredOtherwise(f"inequivalent arg for queue '{queue}'")
        return None

    async def queue_delete(self, queue: str) -> None:
        if queue.startswith("steps.net.seal."):
            return
        self.deleted.append(queue)
        del self.queues[queue]

    async def queue_bind(self, queue: str, exchange: str, routing_key: str) -> None:
        self.bindings.append((queue, exchange, routing_key))


async def declare_requests_of(broker: FakeBroker, service: str) -> str:
    return await declare_requests(cast(Link, broker), cast(Any, broker), service)


async def test_orders_of_a_pool_are_on_every_node_and_never_dropped() -> None:
    broker = FakeBroker()
    await declare_pool(cast(Connection, broker), "net")
    declared = broker.queues["steps.net"]
    assert declared["durable"]
    assert declared["arguments"].items() >= {**QUORUM, "x-delivery-limit": -1}.items()
    # The broker takes an order back after this time, by default after half an hour.
    assert declared["arguments"]["x-consumer-timeout"] >= 24 * 3600 * 1000
    # The guard comes first: a queue that its guard does not know has never received an order.
    assert broker.bindings == [
        ("steps.net", "steps.net.guard", "steps.net"),
        ("steps.net", "ewms.control", "steps.net.#"),
    ]


async def test_services_whose_processes_share_questions_have_one_queue_on_every_node() -> None:
    for name in (name for name, spec in SERVICES.items() if spec.shares_questions):
        broker = FakeBroker()
        assert {await declare_requests_of(broker, name) for _ in range(2)} == {f"{name}.requests"}
        assert broker.queues[f"{name}.requests"]["arguments"].items() >= QUORUM.items()
        assert broker.bindings[0] == (f"{name}.requests", "ewms.requests", name)


@pytest.mark.parametrize("service", ["mqs", "tms.access-1", f"{pool_service('net')}.worker-1"])
async def test_another_process_takes_questions_from_a_new_queue_of_its_own_on_its_node(service: str) -> None:
    broker = FakeBroker()
    first, second = [await declare_requests_of(broker, service) for _ in range(2)]
    assert first != second
    assert broker.queues[first] == {"exclusive": True, "auto_delete": True, "arguments": CLASSIC}
    assert broker.bindings == [(queue, "ewms.requests", service) for queue in (first, second)]


async def test_each_declaration_of_answers_has_a_new_queue_of_its_own() -> None:
    broker = FakeBroker()
    first, second = [await declare_answers(cast(Any, broker), "wms") for _ in range(2)]
    assert first != second
    assert is_answers_queue(first, "wms")
    assert broker.queues[first]["exclusive"]
    assert broker.bindings[0] == (first, "ewms.requests", first)


async def test_classic_queues_of_an_earlier_version_are_replaced() -> None:
    broker = FakeBroker(
        steps_net={"arguments": CLASSIC, "auto_delete": False},
        wms_requests={"arguments": CLASSIC, "auto_delete": True},
    )
    await declare_pool(cast(Connection, broker), "net")
    await declare_requests_of(broker, "wms")
    assert broker.deleted == ["steps.net", "wms.requests"]
    assert all(declared["arguments"].items() >= QUORUM.items() for declared in broker.queues.values())


async def test_a_queue_that_another_process_has_just_replaced_stays() -> None:
    other = FakeBroker()
    await declare_pool(cast(Connection, other), "net")
    broker = FakeBroker(steps_net={"arguments": CLASSIC, "auto_delete": False})
    broker.meanwhile = other.queues
    await declare_pool(cast(Connection, broker), "net")
    assert not broker.deleted
    assert broker.queues == other.queues


async def test_a_queue_that_somebody_declared_in_another_way_is_an_error_and_stays() -> None:
    broker = FakeBroker(steps_net={"arguments": {**QUORUM, "x-max-length": 3}})
    with pytest.raises(DeclaredOtherwise):
        await declare_pool(cast(Connection, broker), "net")
    assert not broker.deleted
