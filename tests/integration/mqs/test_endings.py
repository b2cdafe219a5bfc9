"""Workflows that end by themselves, on the real broker: WMS hears of it when all is settled, and never before."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import cast

import aio_pika

from deploy.local.servers.rabbitmq import RabbitMQ
from mqs.broker.data_vhost import DataVhost
from mqs.broker.traffic import BrokerLife, Counters, count_arrived
from mqs.broker.traffic_book import TrafficBook
from runtime.amqp import Connection, ConnectionLost, Unroutable
from schemas.broker.topology import dead_exchange, event_exchange
from schemas.events import QueuesActivated, QueuesDrained, ResultsArrived, WorkflowEnding
from schemas.ids import Mqid
from tests.integration.mqs.conftest import Peer, Plan, RunMqs, drop_connections
from tests.waiting import eventually

#: The tests' broker reports once a second.
TICK = {"broker_tick_s": 1}


def closing(plan: Plan, *, number: int = 1) -> WorkflowEnding:
    return WorkflowEnding(
        workflow_id=plan.workflow_id, number=number, is_closed=True, levels=[[plan.queue_in], [plan.queue_mid]]
    )


async def publish(connection: aio_pika.abc.AbstractConnection, mqid: Mqid, n: int) -> None:
    async with connection.channel() as channel:
        exchange = await channel.get_exchange(event_exchange(mqid), ensure=False)
        for i in range(n):
            await exchange.publish(aio_pika.Message(b"%d" % i, delivery_mode=2), mqid, mandatory=True)


async def is_taken(publisher: Connection, mqid: Mqid) -> bool:
    try:
        await publisher.publish(event_exchange(mqid), mqid, b"1", message_id="1")
    except Unroutable:
        return False
    return True


async def take(channel: aio_pika.abc.AbstractChannel, mqid: Mqid) -> aio_pika.abc.AbstractIncomingMessage:
    queue = await channel.get_queue(mqid, ensure=False)
    event: aio_pika.abc.AbstractIncomingMessage = await eventually(lambda: queue.get(fail=False))
    return event


async def test_drained_is_told_once_every_event_is_settled_and_not_while_one_is_in_work_or_put_off(
    run_mqs: RunMqs, wms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    plan = Plan()
    async with run_mqs(**TICK), as_mqs.channel() as pilots:
        await wms.say(plan.requested)
        assert await wms.next() == QueuesActivated(workflow_id=plan.workflow_id)
        await publish(as_mqs, plan.queue_in, 1)
        event = await take(pilots, plan.queue_in)
        await wms.say(closing(plan))
        # In work on the first level.
        await wms.nothing_more(4)
        # Put off: failed, and delayed by the broker.
        await event.reject(requeue=True)
        event = await take(pilots, plan.queue_in)
        await publish(as_mqs, plan.queue_mid, 1)
        await event.ack()
        # Ready on the second level, which tasks may publish onto until the first is empty for good.
        await wms.nothing_more(4)
        await (await take(pilots, plan.queue_mid)).ack()
        assert await wms.next(20) == QueuesDrained(workflow_id=plan.workflow_id, n_dead=0)
        # Who asks again is told again; what is drained stays so.
        await wms.say(closing(plan))
        assert await wms.next() == QueuesDrained(workflow_id=plan.workflow_id, n_dead=0)


async def test_closed_inputs_refuse_who_publishes_and_keep_what_was_confirmed(
    run_mqs: RunMqs, wms: Peer, as_mqs: aio_pika.abc.AbstractConnection, rabbitmq: RabbitMQ
) -> None:
    plan = Plan()
    async with run_mqs(**TICK) as mqs:
        await wms.say(plan.requested)
        assert await wms.next() == QueuesActivated(workflow_id=plan.workflow_id)
        publisher = await Connection.connect(rabbitmq.data_url, name="an open publisher")
        n_confirmed = 0
        await wms.say(closing(plan))
        async with asyncio.timeout(60):
            while await is_taken(publisher, plan.queue_in):
                n_confirmed += 1
        counts = await mqs.broker.count_queues([plan.queue_in])
        assert counts[plan.queue_in].n_ready == n_confirmed
        await publisher.close()
        # The tasks' own queue keeps its way in.
        await publish(as_mqs, plan.queue_mid, 1)


async def test_an_mqs_that_is_killed_between_looks_and_a_wish_that_is_repeated_change_nothing(
    run_mqs: RunMqs, wms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    plan = Plan()
    async with as_mqs.channel() as pilots:
        async with run_mqs(**TICK):
            await wms.say(plan.requested)
            assert await wms.next() == QueuesActivated(workflow_id=plan.workflow_id)
            await publish(as_mqs, plan.queue_in, 1)
            await wms.say(closing(plan))
        async with run_mqs(**TICK):
            await wms.nothing_more(3)
            event = await take(pilots, plan.queue_in)
            exchange = await pilots.get_exchange(dead_exchange(plan.workflow_id), ensure=False)
            await exchange.publish(aio_pika.Message(b"0", delivery_mode=2), plan.workflow_id)
            await event.ack()
        async with run_mqs(**TICK):
            assert await wms.next(20) == QueuesDrained(workflow_id=plan.workflow_id, n_dead=1)


async def test_results_are_counted_as_they_arrive_also_those_that_were_taken_already(
    run_mqs: RunMqs, wms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    plan = Plan()
    async with run_mqs(**TICK) as mqs, as_mqs.channel() as user:
        await wms.say(plan.requested)
        assert await wms.next() == QueuesActivated(workflow_id=plan.workflow_id)
        await wms.say(WorkflowEnding(workflow_id=plan.workflow_id, number=1, is_closed=False, levels=[], n_expected=3))
        await publish(as_mqs, plan.queue_out, 2)
        await (await take(user, plan.queue_out)).ack()
        await wms.nothing_more(3)
        await publish(as_mqs, plan.queue_out, 1)
        assert await wms.next(20) == ResultsArrived(workflow_id=plan.workflow_id, n_results=3, n_dead=0)
        # What the broker counts it tells late; a process that has seen nothing of it knows it then, too.
        await eventually(
            lambda: TrafficBook(mqs.store, mqs.broker).read_traffic([plan.queue_out]),
            lambda traffic: traffic[plan.queue_out].now.n_published >= 3,
        )


async def test_looks_over_two_connections_are_told_apart(run_mqs: RunMqs, rabbitmq: RabbitMQ) -> None:
    async with run_mqs(**TICK) as mqs:
        first, _ = await mqs.broker.count_in_one_life([])
        assert (await mqs.broker.count_in_one_life([]))[0] == first
        await asyncio.to_thread(drop_connections, rabbitmq, "ewms mqs")
        async with asyncio.timeout(60):
            while True:
                with suppress(ConnectionLost):
                    if (await mqs.broker.count_in_one_life([]))[0] != first:
                        break
                await asyncio.sleep(0.05)


class RestartedBroker:
    """A broker that has begun to count anew."""

    epoch = 0

    async def read_life(self) -> BrokerLife:
        return BrokerLife("another", 1.0)

    async def read_counters(self, queues: Sequence[str]) -> dict[str, Counters]:
        return dict.fromkeys(queues, Counters(1, 0))


async def test_what_was_counted_outlives_mqs_and_the_broker(run_mqs: RunMqs) -> None:
    (mqid, *_), dead = Plan().mqids, "dead.WF-6b00e09f-926a610b"
    async with run_mqs(**TICK) as mqs:
        counted = {mqid: Counters(300, 250), dead: Counters(7, 7)}
        await TrafficBook(mqs.store, mqs.broker).keep_counters(counted, began_s=asyncio.get_running_loop().time())
        traffic = await TrafficBook(mqs.store, cast(DataVhost, RestartedBroker())).read_traffic([mqid, dead])
        assert (count_arrived(traffic[mqid], 0), traffic[mqid].n_left) == (301, 250)
        assert count_arrived(traffic[dead], 0) == 1, "dead letters are not counted"
