"""What fails is tried again later and later, and at the end lies with its own workflow, with the reason."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import aio_pika
import httpx2
import pytest

from deploy.local.servers.rabbitmq import RabbitMQ
from schemas.broker.topology import MAX_ATTEMPTS, dead_exchange, dead_queue, event_exchange
from schemas.ids import Mqid
from schemas.questions.queues import DepthsAnswer, GrantAnswer
from tests.integration.mqs.conftest import Peer, Plan, RunMqs, logged_in


@pytest.fixture
async def two(run_mqs: RunMqs, wms: Peer) -> AsyncIterator[tuple[Plan, Plan]]:
    """Two workflows with their queues."""
    async with run_mqs():
        mine, theirs = Plan(), Plan()
        for plan in (mine, theirs):
            await wms.say(plan.requested)
            await wms.next()
        yield mine, theirs


@asynccontextmanager
async def pilot(tms: Peer, plan: Plan) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    """A channel with the rights of the workflow's pilots."""
    answer = await tms.bus.ask(plan.grant_query())
    assert isinstance(answer, GrantAnswer)
    async with logged_in(answer.broker_address, answer.token.get_secret_value()) as connection:
        yield await connection.channel(on_return_raises=True)


async def publish(
    connection: aio_pika.abc.AbstractConnection, mqid: Mqid, body: bytes, headers: dict[str, Any] | None = None
) -> None:
    async with connection.channel() as channel:
        exchange = await channel.get_exchange(event_exchange(mqid))
        await exchange.publish(
            aio_pika.Message(body, delivery_mode=2, message_id=body.decode(), headers=headers or {}), mqid
        )


async def one_of(connection: aio_pika.abc.AbstractConnection, queue: str) -> aio_pika.abc.AbstractIncomingMessage:
    async with asyncio.timeout(60):
        channel = await connection.channel()
        taken: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
        await (await channel.get_queue(queue)).consume(taken.put)
        message = await taken.get()
        await message.ack()
        await channel.close()
        return message


async def depth(connection: aio_pika.abc.AbstractConnection, queue: str) -> int:
    async with connection.channel() as channel:
        return (await channel.get_queue(queue)).declaration_result.message_count or 0


async def test_five_attempts_at_a_failing_event_are_spaced_wider_and_wider(
    two: tuple[Plan, Plan], tms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    mine, _ = two
    await publish(as_mqs, mine.queue_in, b"poison")
    seen: list[tuple[float, int]] = []
    done = asyncio.Event()

    async with pilot(tms, mine) as channel:
        dead = await channel.get_exchange(dead_exchange(mine.workflow_id), ensure=False)

        async def fail(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            seen.append((time.monotonic(), int(str(message.headers.get("x-delivery-count", 0)))))
            if len(seen) < MAX_ATTEMPTS:
                await message.reject(requeue=True)
                return
            reasons: dict[str, Any] = {"x-ewms-dead-reason": "task-failed"}
            await dead.publish(aio_pika.Message(message.body, delivery_mode=2, headers=reasons), mine.workflow_id)
            await message.ack()
            done.set()

        await (await channel.get_queue(mine.queue_in, ensure=False)).consume(fail)
        async with asyncio.timeout(60):
            await done.wait()
    assert [count for _, count in seen] == [0, 1, 2, 3, 4]
    waits = [after - before for (before, _), (after, _) in pairwise(seen)]
    assert waits == pytest.approx([1, 2, 3, 4], abs=0.7)
    letter = await one_of(as_mqs, dead_queue(mine.workflow_id))
    assert (letter.body, letter.headers["x-ewms-dead-reason"]) == (b"poison", "task-failed")


async def test_what_is_only_returned_comes_back_at_once_and_is_not_counted(
    two: tuple[Plan, Plan], tms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    mine, _ = two
    await publish(as_mqs, mine.queue_in, b"prefetched")
    counts: list[Any] = []
    done = asyncio.Event()

    async def give_back(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        counts.append(message.headers.get("x-delivery-count", 0))
        if len(counts) == 25:
            await message.ack()
            done.set()
        else:
            await message.nack(requeue=True)

    async with pilot(tms, mine) as channel:
        await (await channel.get_queue(mine.queue_in, ensure=False)).consume(give_back)
        async with asyncio.timeout(60):
            await done.wait()
    assert set(counts) == {0}


async def test_an_event_rejected_for_good_lies_with_its_own_workflow_with_reason_and_bytes(
    two: tuple[Plan, Plan], tms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    mine, theirs = two
    await publish(as_mqs, mine.queue_in, b"unreadable")
    async with pilot(tms, mine) as channel:
        message = await (await channel.get_queue(mine.queue_in, ensure=False)).get()
        assert message is not None
        await message.reject(requeue=False)
        letter = await one_of(as_mqs, dead_queue(mine.workflow_id))
    assert letter.body == b"unreadable"
    assert letter.message_id == "unreadable"
    assert letter.headers["x-first-death-reason"] == "rejected"
    assert letter.headers["x-first-death-queue"] == mine.queue_in
    assert await depth(as_mqs, dead_queue(theirs.workflow_id)) == 0


async def test_no_header_of_a_publisher_carries_a_dead_letter_into_another_workflow(
    two: tuple[Plan, Plan], tms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    mine, theirs = two
    foreign = theirs.queue_in
    tricks: dict[bytes, dict[str, Any]] = {
        b"cc": {"CC": [foreign, dead_queue(theirs.workflow_id), dead_exchange(theirs.workflow_id), theirs.workflow_id]},
        b"bcc": {"BCC": [foreign, dead_queue(theirs.workflow_id)]},
        b"first-death": {"x-first-death-queue": foreign, "x-first-death-reason": "rejected"},
        b"all-deaths": {
            "x-first-death-queue": foreign,
            "x-last-death-queue": foreign,
            "x-first-death-exchange": event_exchange(foreign),
            "x-death": [
                {"queue": foreign, "reason": "rejected", "count": 1, "exchange": "", "routing-keys": [foreign]}
            ],
        },
    }
    for body, headers in tricks.items():
        await publish(as_mqs, mine.queue_in, body, headers)
    async with pilot(tms, mine) as channel:
        for _ in tricks:
            message = await (await channel.get_queue(mine.queue_in, ensure=False)).get()
            assert message is not None
            await message.reject(requeue=False)
        letters = {(await one_of(as_mqs, dead_queue(mine.workflow_id))).body for _ in tricks}
    assert letters == set(tricks)
    for queue in (dead_queue(theirs.workflow_id), *theirs.mqids):
        assert await depth(as_mqs, queue) == 0, queue


async def test_an_event_that_expires_by_its_publishers_wish_is_a_dead_letter_not_a_loss(
    two: tuple[Plan, Plan], as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    mine, _ = two
    async with as_mqs.channel() as channel:
        exchange = await channel.get_exchange(event_exchange(mine.queue_in))
        await exchange.publish(aio_pika.Message(b"late", delivery_mode=2, expiration=0.05), mine.queue_in)
    letter = await one_of(as_mqs, dead_queue(mine.workflow_id))
    assert letter.headers["x-first-death-reason"] == "expired"


async def test_an_event_that_is_not_even_rejected_is_a_dead_letter_after_the_policys_limit(
    two: tuple[Plan, Plan], as_mqs: aio_pika.abc.AbstractConnection, rabbitmq: RabbitMQ
) -> None:
    """The backstop for events that take their pilot down: each closed channel counts, and is spaced as a failure."""
    mine, _ = two
    await publish(as_mqs, mine.queue_in, b"crasher")
    async with httpx2.AsyncClient(base_url=rabbitmq.api_url) as api:
        effective: dict[str, Any] = {}
        async with asyncio.timeout(60):
            while not effective:
                shown = (await api.get(f"/api/queues/ewms/{mine.queue_in}")).json()
                effective = shown.get("effective_policy_definition") or {}
                await asyncio.sleep(0.1)
    assert effective["delivery-limit"] == 15
    counts: list[Any] = []
    async with asyncio.timeout(60):
        while len(counts) < 3:
            channel = await as_mqs.channel()
            message = await (await channel.get_queue(mine.queue_in)).get(fail=False)
            if message is not None:
                counts.append(message.headers.get("x-delivery-count", 0))
            await channel.close()
            await asyncio.sleep(0.05)
    assert counts == [0, 1, 2]


async def test_an_event_that_waits_for_its_next_attempt_is_counted(
    two: tuple[Plan, Plan], wms: Peer, as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    mine, _ = two
    await publish(as_mqs, mine.queue_in, b"failing")
    async with as_mqs.channel() as channel:
        queue = await channel.get_queue(mine.queue_in)
        counted: tuple[int, int] | None = None
        async with asyncio.timeout(60):
            # What is ready is counted at once and what is delayed a sample ago: an event that has just come back is in
            # both for a moment, so the pair is waited for.
            while counted != (0, 1):
                # Fails whenever it comes; each time it is away for longer than the broker needs to count it.
                message = await queue.get(fail=False)
                if message is not None:
                    await message.reject(requeue=True)
                await asyncio.sleep(0.1)
                answer = await wms.bus.ask(mine.depths_query)
                assert isinstance(answer, DepthsAnswer)
                counted = (answer.queues[0].n_ready, answer.queues[0].n_delayed)


async def test_results_outlive_any_number_of_lost_connections_and_come_again_at_once(
    two: tuple[Plan, Plan], as_mqs: aio_pika.abc.AbstractConnection
) -> None:
    mine, _ = two
    for n in range(3):
        await publish(as_mqs, mine.queue_out, f"result {n}".encode())
    for _ in range(18):
        channel = await as_mqs.channel()
        lent: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
        await (await channel.get_queue(mine.queue_out)).consume(lent.put)
        async with asyncio.timeout(60):
            first = [await lent.get() for _ in range(3)]
        # A channel that closes is what a lost connection is to the broker: what was lent on it counts as delivered.
        await channel.close()
    assert {message.headers["x-delivery-count"] for message in first} == {17}
    assert await depth(as_mqs, dead_queue(mine.workflow_id)) == 0
    assert {(await one_of(as_mqs, mine.queue_out)).body for _ in range(3)} == {b"result 0", b"result 1", b"result 2"}


async def test_a_full_queue_of_results_keeps_having_no_limit_of_deliveries(
    run_mqs: RunMqs, wms: Peer, rabbitmq: RabbitMQ
) -> None:
    async with run_mqs() as running:
        plan = Plan()
        await wms.say(plan.requested)
        await wms.next()
        limits: dict[str, Any] = {}
        await running.broker.fill_queues(plan.mqids)
        try:
            async with httpx2.AsyncClient(base_url=rabbitmq.management_url("admin")) as api:
                async with asyncio.timeout(60):
                    # The broker applies policies to queues one after the other, and tells of it a little later.
                    while set(limits.values()) != {-1, 15} or len(limits) < 3:
                        for mqid in plan.mqids:
                            queue = (await api.get(f"/api/queues/ewms/{mqid}")).json()
                            definition = queue.get("effective_policy_definition") or {}
                            if definition.get("max-length-bytes") == 1:
                                limits[mqid] = definition["delivery-limit"]
                        await asyncio.sleep(0.1)
        finally:
            await running.broker.fill_queues([])
    assert limits == {plan.queue_in: 15, plan.queue_mid: 15, plan.queue_out: -1}
