"""Facts on a real broker: a service that did not exist yesterday hears of what happens, once per event."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from deploy.local.servers.broker_definitions import BrokerUser, broker_definitions
from deploy.local.servers.rabbitmq import RabbitMQ
from runtime.amqp import AccessRefused, Connection
from runtime.bus.service_bus import Bus, DispatchTable
from runtime.kernel.carriers import DataCarrier
from runtime.kernel.decision import Decision, EventToPublish, Insert
from runtime.kernel.outbox import OUTBOX, EffectKind
from runtime.kernel.relay import Relay
from runtime.kernel.store import Store, Transaction
from schemas.broker import topology
from schemas.broker.services import SERVICES, ServiceSpec
from schemas.events import ControlEvent, Payload, TaskforceCompletedFact, WorkflowOverFact
from schemas.fleet.phases import Deactivated
from schemas.ids import Mqid, TaskforceUuid
from schemas.wire import event_to_bytes
from tests.integration.runtime.conftest import BusOf, PlainDataVhost
from tests.integration.runtime.events import OVER, WORKFLOW, event
from tests.integration.runtime.test_relay import record, started, until_empty
from tests.waiting import eventually

AT = datetime(2026, 11, 28, tzinfo=UTC)
FACT = WorkflowOverFact(workflow_id=WORKFLOW, deactivated=Deactivated.FINISHED, over_at=AT)
TREES = ServiceSpec(name="trees", is_single_active=True, hears=("fact.workflow.over",))


@pytest.fixture
def trees_url(
    rabbitmq: RabbitMQ, control_vhost: str, data_vhost: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A made-up service: one spec, and the definitions that follow from it on the broker."""
    monkeypatch.setitem(SERVICES, TREES.name, TREES)
    user = BrokerUser(TREES.name, "secret", b"salt")
    names = [BrokerUser(name, "", b"salt") for name in rabbitmq.users]
    whole = broker_definitions([*names, user], control_vhost=control_vhost, data_vhost=data_vhost)
    whole["users"] = [one for one in whole["users"] if one["name"] == TREES.name]
    with httpx2.Client(base_url=rabbitmq.management_url("admin"), timeout=60, trust_env=False) as api:
        api.post("/api/definitions", json=whole).raise_for_status()
        yield f"amqp://{user.name}:{user.password}@127.0.0.1:{rabbitmq.ports['amqp']}/{control_vhost}"
        api.delete(f"/api/users/{user.name}").raise_for_status()


@pytest.fixture
async def trees(trees_url: str, bus_of: BusOf, stack: AsyncExitStack) -> Bus:
    """The made-up service on the bus."""
    bus = await Bus.connect(trees_url, service="trees", source="ewms/trees", wait_s=10.0)
    stack.push_async_callback(bus.close)
    stack.push_async_callback(bus.drain)
    return bus


async def test_a_new_service_hears_of_a_fact_and_it_takes_effect_once_per_event(
    store: Store, bus_of: BusOf, trees: Bus, stack: AsyncExitStack
) -> None:
    n_calls = 0

    async def note(fact: WorkflowOverFact, each: ControlEvent) -> None:
        nonlocal n_calls
        n_calls += 1

        async def step(_: Transaction) -> Decision:
            return Decision((Insert("things", {"_id": each.id, "name": each.id, "workflow": fact.workflow_id}),))

        await store.transact(step, inbox_id=f"trees:{each.id}")

    table = DispatchTable()
    table.add_handler(WorkflowOverFact, note)
    await trees.consume(table)
    await bus_of("mqs")
    wms = await bus_of("wms")
    started(Relay(store, wms), stack)
    await record(store, OVER, FACT)
    await until_empty(store)
    await eventually(lambda: n_calls == 1)
    # The relay may send a row twice, if a crash came between the confirm and the deletion.
    (thing,) = await store.find("things", {})
    again = event(FACT, thing["_id"])
    await wms.state_fact(again.id, again.routing_key, event_to_bytes(again))
    await eventually(lambda: n_calls == 2)
    await trees.drain()
    assert await store.find("things", {}) == [{"_id": thing["_id"], "name": thing["_id"], "workflow": WORKFLOW}]


async def test_a_fact_that_nobody_wants_is_gone_and_a_service_gets_only_those_it_binds(
    store: Store, bus_of: BusOf, trees: Bus, stack: AsyncExitStack
) -> None:
    heard: list[Payload] = []

    async def hear(each: ControlEvent) -> None:
        heard.append(each.data)

    await trees.consume(hear)
    started(Relay(store, await bus_of("wms")), stack)
    other = TaskforceCompletedFact(
        taskforce_uuid=TaskforceUuid("TF-1-00000002-00000003-00000004"),
        workflow_id=WORKFLOW,
        schedd="s",
        cluster_id=1,
        completed_at=AT,
    )
    await record(store, other, FACT)
    await until_empty(store)
    await eventually(lambda: heard == [FACT])


async def test_a_fact_is_refused_from_whoever_does_not_own_it(trees: Bus, bus_of: BusOf) -> None:
    forged = event(FACT, "forged")
    for bus in (trees, await bus_of("mqs")):
        with pytest.raises(AccessRefused):
            await bus.state_fact(forged.id, forged.routing_key, event_to_bytes(forged))


async def test_a_fact_that_came_in_by_another_way_than_its_owner_is_buried(
    rabbitmq: RabbitMQ, control_vhost: str, trees: Bus, bus_of: BusOf
) -> None:
    heard: list[ControlEvent] = []

    async def hear(each: ControlEvent) -> None:
        heard.append(each)

    await trees.consume(hear)
    mqs = await bus_of("mqs")
    forged = event(FACT, "forged")
    await mqs.send_serialised(forged.id, "trees.workflow.over", event_to_bytes(forged))
    connection = await Connection.connect(rabbitmq.amqp_url("admin", control_vhost))
    async with asyncio.timeout(60):
        while True:
            async with connection.lend_channel() as channel:
                if (await channel.queue_declare(topology.dead_inbox("trees"), passive=True)).message_count:
                    break
            await asyncio.sleep(0.05)
    await connection.close()
    assert heard == []


async def test_an_event_for_a_task_goes_out_with_the_commit_and_keeps_its_id(
    store: Store, bus_of: BusOf, data: PlainDataVhost, stack: AsyncExitStack
) -> None:
    mqid = Mqid("a72475165e05b4f83a948")
    await data.add_queue(mqid)
    connection = await Connection.connect(data.url)
    stack.push_async_callback(connection.close)
    carrier = DataCarrier(connection.open_publisher(window=10))
    wms = await bus_of("wms")
    wanted = EventToPublish(mqid, b"[1]", content_type="application/json", headers={"x-ewms-attempt": 1})
    await record(store, wanted)
    (row,) = await store.find(OUTBOX, {})
    await store.bulk_update(OUTBOX, [({"_id": row["_id"]}, {"$set": {"next_at": AT - timedelta(days=1)}})])
    started(Relay(store, wms, carriers={EffectKind.PUBLISH: carrier}), stack)
    await until_empty(store)
    got: asyncio.Queue[object] = asyncio.Queue()
    await connection.consume(mqid, got.put_nowait, prefetch=1)
    delivery = await asyncio.wait_for(got.get(), 10)
    assert (delivery.id, delivery.body, delivery.content_type) == (row["_id"], b"[1]", "application/json")  # type: ignore[attr-defined]  # a delivery


async def test_an_effect_without_a_carrier_stays_and_says_so(
    store: Store, bus_of: BusOf, stack: AsyncExitStack
) -> None:
    started(Relay(store, await bus_of("wms")), stack)
    await record(store, EventToPublish(Mqid("a72475165e05b4f83a948"), b"1"))
    async with asyncio.timeout(60):
        while not (rows := await store.find(OUTBOX, {"n_failures": {"$gte": 1}})):
            await asyncio.sleep(0.05)
    assert "no carrier" in rows[0]["last_error"]


async def test_a_row_of_an_older_version_is_an_order(store: Store, bus_of: BusOf, stack: AsyncExitStack) -> None:
    heard: list[str] = []

    async def hear(each: ControlEvent) -> None:
        heard.append(each.id)

    await (await bus_of("mqs")).consume(hear)
    await record(store, OVER)
    (row,) = await store.find(OUTBOX, {})
    old = {"$unset": {"kind": ""}, "$set": {"next_at": AT - timedelta(days=1)}}
    await store.bulk_update(OUTBOX, [({"_id": row["_id"]}, old)])
    started(Relay(store, await bus_of("wms")), stack)
    await eventually(lambda: heard == [row["_id"]])
