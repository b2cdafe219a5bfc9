"""A worker's source of subscriptions, over a real broker, is like a test's memory; who may not ask is refused."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import pytest

from deploy.local.servers.rabbitmq import RabbitMQ
from ewms.worker.subscription_source import WmsQuestions, WmsSubscriptions
from runtime.amqp import Connection
from runtime.bus.questions import Asker
from runtime.clock import stored_now, utc_now
from runtime.kernel.store import Decision, Transaction
from schemas.broker.services import Service
from schemas.broker.topology import pool_service
from schemas.engine.run_documents import RUNS
from schemas.engine.runs import Outcome
from schemas.engine.subscriptions import SubscriptionDocument
from schemas.errors import Forbidden, Unavailable
from schemas.events import NodeEnded
from schemas.ids import NodeKey, RunId
from schemas.questions.subscriptions import ProductsQuery, SubscriptionsAnswer, SubscriptionsQuery
from tests.integration.wms.engine.conftest import EngineWorld, define
from tests.source_conformance import CHECKS, PRODUCTS, WORKFLOW, SourceWorld, make_subscription
from wms.engine import repository

#: Returns what asks as a service.
Connect = Callable[[str], Awaitable[Asker]]


@pytest.fixture
async def asker(rabbitmq: RabbitMQ, control_vhost: str) -> AsyncIterator[Connect]:
    """Returns what asks as a service."""
    connections: list[Connection] = []

    async def connect(service: str) -> Asker:
        connection = await Connection.connect(rabbitmq.amqp_url(service, control_vhost), name="test")
        connections.append(connection)
        return Asker(connection, service=service, user=service)

    yield connect
    for connection in connections:
        await connection.close()


async def commit(world: EngineWorld, documents: list[SubscriptionDocument]) -> None:
    """Store subscriptions as the commit of a step does."""
    [run] = await world.wms.store.find(RUNS, {}, limit=1)
    now = utc_now()
    ended = NodeEnded(
        run=RunId(run["_id"]),
        node=NodeKey("a"),
        attempt=1,
        outcome=Outcome.SUCCESSFUL,
        worker="w",
        models=tuple(one.model_dump(mode="json") for one in documents),
        started_at=now,
        ended_at=now,
    )

    async def step(tx: Transaction) -> Decision:
        brought = await world.wms.subscriptions.plan_commit(repository.parse_run(run), ended, tx)
        return Decision(changes=brought.changes)

    await world.wms.store.transact(step)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_what_a_worker_reads_conforms(
    check: Callable[[SourceWorld], None], engine_world: EngineWorld, asker: Connect
) -> None:
    wms, loop = engine_world.wms, asyncio.get_running_loop()
    for product in PRODUCTS:
        await wms.products.register_product(product)
    definition = define(WORKFLOW, "a").model_copy(update={"tag": "Node", "search_phrase": "Node Enrollment%"})
    await repository.store_definition(wms.store, definition, definition.hash, stored_now())
    await engine_world.launch(WORKFLOW)
    source = WmsSubscriptions(WmsQuestions(await asker(pool_service("default")), loop))

    def commit_here(documents: Iterable[SubscriptionDocument]) -> None:
        asyncio.run_coroutine_threadsafe(commit(engine_world, list(documents)), loop).result()

    await asyncio.to_thread(check, SourceWorld(source, commit_here))


async def test_many_subscriptions_come_in_pages(engine_world: EngineWorld, asker: Connect) -> None:
    definition = define("chain", "a")
    await repository.store_definition(engine_world.wms.store, definition, definition.hash, stored_now())
    await engine_world.launch("chain")
    for first in range(1, 1201, 400):
        made = [make_subscription(first + n, values={"n": n % 7, "big": "x" * 5000}) for n in range(400)]
        await commit(engine_world, made)
    pool = await asker(pool_service("default"))
    page = await pool.ask(SubscriptionsQuery(), 5.0, to=Service.WMS)
    assert isinstance(page, SubscriptionsAnswer)
    assert (len(page.subscriptions), page.has_more) == (500, True)

    source = WmsSubscriptions(WmsQuestions(pool, asyncio.get_running_loop()))
    wanted = SubscriptionsQuery().wanted
    found = await asyncio.to_thread(source.find_subscriptions, wanted)
    assert [one.subscription_id.int for one in found] == list(range(1, 1201))
    some = await asyncio.to_thread(source.find_subscriptions, wanted.model_copy(update={"field": "n", "value": 6}))
    assert len(some) == 3 * 57


async def test_only_the_user_of_a_pool_may_ask(engine_world: EngineWorld, asker: Connect) -> None:
    mqs = await asker(Service.MQS.value)
    with pytest.raises(Forbidden, match="mqs is no step worker"):
        await mqs.ask(ProductsQuery(), 5.0, to=Service.WMS)


async def test_without_wms_a_question_is_given_up_in_time_and_none_is_asked_on_the_loop(
    asker: Connect,
) -> None:
    pool, loop = await asker(pool_service("default")), asyncio.get_running_loop()
    with pytest.raises(RuntimeError, match="to_thread"):
        WmsSubscriptions(WmsQuestions(pool, loop)).find_products()
    hasty = WmsSubscriptions(WmsQuestions(pool, loop, patience_s=0.5))
    begun = loop.time()
    with pytest.raises(Unavailable):
        await asyncio.to_thread(hasty.find_products)
    assert 0.5 <= loop.time() - begun < 10
