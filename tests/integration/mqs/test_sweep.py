"""What nobody tells MQS of: a database that was emptied, a queue that a client has made anew, an end that was lost."""

import asyncio
from collections.abc import Callable
from typing import Any

import aio_pika
import pytest
from pymongo import MongoClient

from mqs.groups.repository import INDEXES
from schemas.events import QueuesActivated
from tests.integration.mqs.conftest import Peer, Plan, RunMqs
from tests.integration.mqs.test_groups import exists
from tests.waiting import eventually

#: What earlier tests have left on the vhost goes as well.
SOON = {"sweep_s": 0.2, "orphan_grace_s": 0.2, "retire_look_s": 0.1, "retire_unused_s": 0.2}


@pytest.fixture
def emptied(mongo_admin_url: str, mongo_database: str) -> Callable[[], None]:
    """Return what a stranger does between the cases of a test-suite."""

    def drop() -> None:
        with MongoClient[dict[str, Any]](mongo_admin_url) as client:
            client.drop_database(mongo_database)

    return drop


async def gone(connection: aio_pika.abc.AbstractConnection, *queues: str) -> None:
    for queue in queues:
        await eventually(lambda queue=queue: exists(connection, queue), lambda is_left: not is_left)


async def test_a_database_that_is_dropped_leaves_no_queue_behind_and_has_its_indexes_again(
    run_mqs: RunMqs,
    wms: Peer,
    as_mqs: aio_pika.abc.AbstractConnection,
    emptied: Callable[[], None],
    mongo_url: str,
    mongo_database: str,
) -> None:
    before, after = Plan(), Plan()
    async with run_mqs(**SOON):
        await wms.say(before.requested)
        await wms.next()
        emptied()
        await gone(as_mqs, *before.mqids, f"dead.{before.workflow_id}")
        await wms.say(before.over)
        await wms.say(after.requested)
        assert await wms.next() == QueuesActivated(workflow_id=after.workflow_id)
        await asyncio.sleep(1)
        assert await exists(as_mqs, after.queue_in), "what has its documents stays"
        with MongoClient[dict[str, Any]](mongo_url) as client:
            for collection, wanted in INDEXES.items():
                there = client[mongo_database][collection].index_information().values()
                assert len(there) == len(wanted) + 1


async def test_a_queue_with_events_outlives_its_documents_for_the_retention_time(
    run_mqs: RunMqs, wms: Peer, as_mqs: aio_pika.abc.AbstractConnection, emptied: Callable[[], None]
) -> None:
    plan = Plan()
    async with run_mqs(**SOON, retire_retention_s=5):
        await wms.say(plan.requested)
        await wms.next()
        async with as_mqs.channel() as channel:
            exchange = await channel.get_exchange(f"x.{plan.queue_out}")
            await exchange.publish(aio_pika.Message(b"result", delivery_mode=2), plan.queue_out)
        emptied()
        await gone(as_mqs, plan.queue_in)
        assert await exists(as_mqs, plan.queue_out)
        await gone(as_mqs, plan.queue_out)


async def test_a_queue_that_a_client_declares_after_the_end_goes_again(
    run_mqs: RunMqs, wms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    plan = Plan()
    async with run_mqs(**SOON):
        await wms.say(plan.requested)
        await wms.next()
        await wms.say(plan.over)
        await gone(as_mqs, plan.queue_out)
        async with as_mqs.channel() as channel:
            await channel.declare_queue(plan.queue_out, durable=True, arguments={"x-queue-type": "quorum"})
        await gone(as_mqs, plan.queue_out)


async def test_wms_is_told_again_of_active_queues_until_it_says_that_they_are_over(
    run_mqs: RunMqs, wms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    plan = Plan()
    async with run_mqs(**SOON, remind_s=0.5):
        await wms.say(plan.requested)
        for _ in range(3):
            assert await wms.next() == QueuesActivated(workflow_id=plan.workflow_id)
        await wms.say(plan.over)
        await gone(as_mqs, *plan.mqids)
