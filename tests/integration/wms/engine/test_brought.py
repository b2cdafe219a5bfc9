"""What a step brings is stored with the commit of its run, or the step fails and says why; facts go out after it."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from deploy.local.servers.rabbitmq import RabbitMQ
from runtime.amqp import Connection, Delivery
from schemas.broker.topology import FACTS_EXCHANGE
from schemas.engine.run_documents import RunDocument
from schemas.engine.subscriptions import SUBSCRIPTIONS, SubscriptionDocument
from schemas.events import StepStatedFact
from schemas.wire import event_from_bytes
from tests.integration.wms.engine.conftest import EngineWorld, define
from tests.source_conformance import make_block, make_subscription
from wms.engine.life.stimuli import Resume

CHAIN = define("chain", "a", "b")


def as_models(*subscriptions: SubscriptionDocument) -> tuple[dict[str, Any], ...]:
    """Return subscriptions as `node.ended` carries them."""
    return tuple(one.model_dump(mode="json") for one in subscriptions)


async def read(world: EngineWorld, number: int = 1) -> SubscriptionDocument:
    """Return a stored subscription."""
    found = await world.wms.subscriptions.read_subscription(UUID(int=number))
    assert found is not None
    return found


async def test_a_stale_version_fails_the_step_and_a_retry_with_the_right_one_clears_it(
    engine_world: EngineWorld,
) -> None:
    worker = await engine_world.add_worker("w1", CHAIN)
    run = await engine_world.launch("chain", state={"x": 0, "subscription_id": str(UUID(int=1))})
    order = await worker.hear("a")
    assert order.subscriptions == ()
    await worker.end(order, models=as_models(make_subscription(1, insync=True)))
    order = await worker.hear("b")
    assert [one["version"] for one in order.subscriptions] == [1]

    await worker.end(order, delta={"x": 1}, models=as_models(make_subscription(2), make_subscription(1, version=7)))
    halted = await engine_world.until_status(run, "halted")
    error = halted.nodes[1].error
    assert error is not None
    assert error.error_class == "StaleVersion"
    assert error.message == (
        f"subscription {UUID(int=1)} is at version 1, and the step has read version 7: "
        "another process has changed it; retry the step"
    )
    assert halted.state["x"] == 0
    assert await engine_world.wms.store.count(SUBSCRIPTIONS, {}) == 1
    assert (await read(engine_world)).version == 1

    await engine_world.wms.engine.apply_stimulus(run, Resume(who="ada"))
    again = await worker.hear("b", 2)
    brought = as_models(make_subscription(2), make_subscription(1, version=1, description="new"))
    await worker.end(again, delta={"x": 1}, models=brought)
    await worker.end(again, delta={"x": 2}, models=brought)
    ended = await engine_world.until_status(run, "successful")
    assert ended.state["x"] == 1
    assert ((await read(engine_world)).version, (await read(engine_world)).description) == (2, "new")


@pytest.mark.parametrize(
    ("changes", "error_class", "part"),
    [
        ({"status": "bogus"}, "InvalidSubscription", "status"),
        ({"values": {"speed": 2**70}}, "NotStorable", "speed is an integer of more than 64 bits"),
        ({"values": {"big": "x" * 1_100_000}}, "SubscriptionTooLarge", "the field 'big' alone"),
        ({"values": {"p": make_block(11, 2)}}, "InvalidSubscription", "refers to the block"),
    ],
)
async def test_what_cannot_be_stored_fails_the_step_and_names_the_thing(
    engine_world: EngineWorld, changes: dict[str, Any], error_class: str, part: str
) -> None:
    worker = await engine_world.add_worker("w1", CHAIN)
    run = await engine_world.launch("chain", state={"x": 0})
    model = as_models(make_subscription(1))[0] | changes
    related = (str(UUID(int=1)),)
    await worker.end(await worker.hear("a"), delta={"x": 1}, models=(model,), subscriptions=related)

    halted = await engine_world.until_status(run, "halted")
    assert (halted.state, halted.subscriptions) == ({"x": 0}, ())
    error = halted.nodes[0].error
    assert error is not None
    assert error.error_class == error_class
    assert part in error.message
    assert str(UUID(int=1)) in error.message


async def test_of_two_runs_that_bring_one_subscription_at_once_exactly_one_stores_it(engine_world: EngineWorld) -> None:
    worker = await engine_world.add_worker("w1", CHAIN)
    runs = [await engine_world.launch("chain") for _ in range(8)]
    async with asyncio.timeout(60):
        while len(worker.orders) < len(runs):
            await asyncio.sleep(0.01)
    models = [as_models(make_subscription(1, description=f"of run {order.run}")) for order in worker.orders]
    await asyncio.gather(
        *(worker.end(order, models=brought) for order, brought in zip(list(worker.orders), models, strict=True))
    )

    def has_ended(run: RunDocument) -> bool:
        return run.nodes[0].status in ("successful", "halted")

    ended = [await engine_world.until(run, has_ended) for run in runs]
    winners = [run.id for run in ended if run.nodes[0].status == "successful"]
    assert len(winners) == 1
    stored = await read(engine_world)
    assert (stored.version, stored.description) == (1, f"of run {winners[0]}")
    assert {run.nodes[0].error.error_class for run in ended if run.nodes[0].error} == {"StaleVersion"}


async def test_events_of_a_step_are_facts_on_the_bus_once_it_has_cleared(
    engine_world: EngineWorld, rabbitmq: RabbitMQ, control_vhost: str
) -> None:
    heard: list[Any] = []
    connection = await Connection.connect(rabbitmq.amqp_url("mqs", control_vhost), name="listener")

    async def prepare(channel: Any) -> None:
        await channel.queue_declare("mqs.listener", exclusive=True)
        await channel.queue_bind("mqs.listener", FACTS_EXCHANGE, routing_key="fact.step.stated")

    def take(delivery: Delivery) -> None:
        heard.append(event_from_bytes(delivery.body).data)

    await connection.consume("mqs.listener", take, prefetch=0, no_ack=True, prepare=prepare)
    worker = await engine_world.add_worker("w1", CHAIN)
    run = await engine_world.launch("chain")
    bad = await worker.hear("a")
    await worker.end(bad, events=({"name": "node.up"}, {"no": "name"}))
    halted = await engine_world.until_status(run, "halted")
    assert halted.nodes[0].error is not None
    assert halted.nodes[0].error.error_class == "InvalidEvent"
    await engine_world.wms.engine.apply_stimulus(run, Resume(who="ada"))
    await worker.end(await worker.hear("a", 2), events=({"name": "node.up", "correlation": "12", "body": {"x": 1}},))
    await worker.hear("b")

    async with asyncio.timeout(60):
        while not heard:
            await asyncio.sleep(0.01)
    [fact] = heard
    assert isinstance(fact, StepStatedFact)
    assert (fact.run, fact.node, fact.name, fact.correlation, fact.body) == (run, "a", "node.up", "12", {"x": 1})
    await connection.close()
