"""The relay: what was recorded reaches the broker, whatever was away in between."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest

from deploy.local.servers.rabbitmq import RabbitMQ
from runtime.kernel.decision import Decision
from runtime.kernel.outbox import OUTBOX
from runtime.kernel.relay import Relay
from runtime.kernel.store import Store, Transaction
from schemas.events import Payload
from tests.integration.runtime.conftest import SCHEDD, TMS, BusOf
from tests.integration.runtime.events import OVER, Recorder, stop
from tests.waiting import eventually


async def record(store: Store, *events: Payload) -> None:
    """Commit `events`."""

    async def step(_: Transaction) -> Decision:
        return Decision(events=events)

    await store.transact(step)


async def until_empty(store: Store) -> None:
    """Return once nothing is left to send."""
    await eventually(lambda: store.count(OUTBOX, {}), lambda left: not left)


def started(relay: Relay, stack: AsyncExitStack) -> Relay:
    """Start `relay` for the test."""
    relay.start()
    stack.push_async_callback(relay.stop)
    return relay


async def test_what_is_committed_is_sent_at_once_and_forgotten(
    store: Store, bus_of: BusOf, stack: AsyncExitStack
) -> None:
    mqs, wms = await bus_of("mqs"), await bus_of("wms")
    recorder = Recorder()
    await mqs.consume(recorder)
    # No sweep comes in time: it was sent from memory.
    started(Relay(store, wms, sweep_s=1000), stack)
    await record(store, OVER)
    await eventually(lambda: recorder.ids)
    await record(store, *[OVER] * 300)
    await eventually(lambda: len(recorder.ids) == 301)
    assert len(set(recorder.ids)) == 301
    await until_empty(store)


async def test_rows_that_a_crash_left_are_sent_at_the_start_by_one_of_the_replicas(
    store: Store, bus_of: BusOf, stack: AsyncExitStack
) -> None:
    mqs = await bus_of("mqs")
    recorder = Recorder()
    await mqs.consume(recorder)
    await record(store, *[OVER] * 250)
    earlier = datetime.now(UTC) - timedelta(seconds=1)
    ids = [row["_id"] for row in await store.find(OUTBOX, {})]
    await store.bulk_update(OUTBOX, [({"_id": each}, {"$set": {"next_at": earlier}}) for each in ids])
    for _ in range(2):
        started(Relay(store, await bus_of("wms")), stack)
    await until_empty(store)
    await eventually(lambda: len(set(recorder.ids)) == 250)
    # Claims are what keeps two replicas from doing the same work.
    assert len(recorder.ids) == 250


async def test_a_fresh_row_is_left_to_its_writer(
    mongo_url: str, mongo_database: str, bus_of: BusOf, stack: AsyncExitStack
) -> None:
    grace = timedelta(seconds=1.5)
    store = await Store.connect(mongo_url, database=mongo_database, source="ewms/test", outbox_grace=grace)
    stack.push_async_callback(store.close)
    await bus_of("mqs")
    await record(store, OVER)
    (row,) = await store.find(OUTBOX, {})
    # It sweeps at once, and then every tenth of a second; no writer's relay is there.
    started(Relay(store, await bus_of("wms"), sweep_s=0.1), stack)
    await until_empty(store)
    assert datetime.now(UTC) >= row["at"] + grace


async def test_an_event_without_a_queue_stays_says_so_and_holds_up_no_other(
    store: Store, bus_of: BusOf, stack: AsyncExitStack
) -> None:
    mqs, wms = await bus_of("mqs"), await bus_of("wms")
    recorder = Recorder()
    await mqs.consume(recorder)
    started(Relay(store, wms), stack)
    await record(store, stop(SCHEDD), OVER)
    await record(store, OVER)
    await eventually(lambda: len(recorder.ids) == 2)
    rows = await eventually(lambda: store.find(OUTBOX, {"n_failures": {"$gte": 1}}))
    assert rows[0]["key"].endswith("taskforce.stop")
    assert "no queue" in rows[0]["last_error"]
    tms = await bus_of(TMS)
    late = Recorder()
    await tms.consume(late)
    await eventually(lambda: late.ids)
    await until_empty(store)


async def test_what_is_committed_while_the_broker_is_away_is_sent_when_it_is_back(
    store: Store, bus_of: BusOf, rabbitmq: RabbitMQ, stack: AsyncExitStack
) -> None:
    mqs, wms = await bus_of("mqs"), await bus_of("wms")
    recorder = Recorder()
    await mqs.consume(recorder)
    started(Relay(store, wms), stack)
    await asyncio.to_thread(rabbitmq.stop)
    try:
        await eventually(lambda: not wms.is_connected)
        for _ in range(20):
            await record(store, OVER)
    finally:
        await asyncio.to_thread(rabbitmq.restart)
    await eventually(lambda: len(set(recorder.ids)) == 20)
    await until_empty(store)


async def test_stopping_finishes_what_is_on_its_way(store: Store, bus_of: BusOf) -> None:
    await bus_of("mqs")
    relay = Relay(store, await bus_of("wms"))
    relay.start()
    await record(store, *[OVER] * 100)
    await relay.stop()
    assert await store.count(OUTBOX, {}) == 0


@pytest.mark.parametrize("key", ["x" * 300, ""])
async def test_a_row_that_cannot_be_sent_stays_and_holds_up_no_other(
    store: Store, bus_of: BusOf, stack: AsyncExitStack, key: str
) -> None:
    mqs, wms = await bus_of("mqs"), await bus_of("wms")
    recorder = Recorder()
    await mqs.consume(recorder)
    await record(store, OVER, OVER)
    bad, good = await store.find(OUTBOX, {})
    earlier = datetime.now(UTC) - timedelta(seconds=1)
    await store.bulk_update(
        OUTBOX,
        [
            ({"_id": bad["_id"]}, {"$set": {"key": key, "next_at": earlier}}),
            ({"_id": good["_id"]}, {"$set": {"next_at": earlier}}),
        ],
    )
    started(Relay(store, wms), stack)
    await eventually(lambda: recorder.ids == [good["_id"]])
    await eventually(lambda: store.find(OUTBOX, {"_id": bad["_id"], "n_failures": {"$gte": 1}}))
