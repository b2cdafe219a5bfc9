"""What progress is computed from, on the real broker: results, replays, failures, and how a run fell short."""

import asyncio
from contextlib import suppress
from typing import Any

import aio_pika
import httpx2
from aio_pika.abc import AbstractConnection

from deploy.local.servers.rabbitmq import RabbitMQ
from schemas.attempts.dead_letters import LetterAction
from schemas.errors import Unavailable
from schemas.events import QueuesDrained, ResultsArrived
from schemas.fleet.queue_documents import MQ_GROUPS
from schemas.questions.queues import DepthsAnswer
from tests.integration.mqs.conftest import Peer, Plan, RunMqs
from tests.integration.mqs.test_dead_letter_orders import ask, bury, letters, order
from tests.integration.mqs.test_endings import TICK, closing, publish, take
from tests.waiting import eventually

_LONG_LIFE_S = 30.0


async def test_replays_are_counted_once_and_discarded_letters_stay_failures(
    run_mqs: RunMqs, wms: Peer, as_mqs: AbstractConnection
) -> None:
    plan = Plan()
    async with run_mqs(**TICK), as_mqs.channel() as worker:
        await wms.say(plan.requested)
        await wms.next()
        await publish(as_mqs, plan.queue_in, 3)
        for _ in range(3):
            await (await take(worker, plan.queue_in)).ack()
        (again, gone, _) = await bury(as_mqs, plan, b"a", b"b", b"c")
        by_event = {letter.event_id: letter.letter for letter in await letters(wms, plan)}
        assert (await order(wms, plan, LetterAction.REPLAY, [by_event[again]])).n_done == 1
        assert (await order(wms, plan, LetterAction.DISCARD, [by_event[gone]])).n_done == 1

        async def depths() -> DepthsAnswer:
            return await ask(wms, plan.depths_query, DepthsAnswer)

        told = await eventually(depths, lambda told: told.queues[0].n_ready == 1)
        first = told.queues[0]
        assert (first.n_arrived, first.n_replayed, first.n_gone) == (4, 1, 3)
        assert (told.n_dead, told.n_failed) == (1, 2)


async def test_progress_never_steps_back_over_restarts_of_mqs_and_of_the_broker(
    run_mqs: RunMqs, wms: Peer, rabbitmq: RabbitMQ
) -> None:
    plan = Plan()

    async def depths() -> DepthsAnswer | None:
        with suppress(Unavailable):
            return await ask(wms, plan.depths_query, DepthsAnswer)
        return None

    async def outlast_a_start() -> None:
        """Wait until the broker has run for longer than its next life until MQS's first look at it.

        With the same process id, MQS knows a restart by the shorter life of the broker.
        """

        def read_life_s() -> float:
            (node,) = api.get("/api/nodes").raise_for_status().json()
            # A broker that has just started does not tell its life yet.
            return float(node.get("uptime", 0) / 1000)

        with httpx2.Client(base_url=rabbitmq.management_url("admin"), timeout=60, trust_env=False) as api:
            await eventually(lambda: asyncio.to_thread(read_life_s), lambda life_s: life_s > _LONG_LIFE_S, pause_s=1)

    async def work(n: int) -> None:
        """Publish events, and let a worker that leaves at once do them."""
        connection = await aio_pika.connect(rabbitmq.data_url)
        async with connection, connection.channel() as worker:
            await publish(connection, plan.queue_in, n)
            for _ in range(n):
                await (await take(worker, plan.queue_in)).ack()

    async def see(n_done: int) -> None:
        """Look until all events are done. No look on the way may show less than before, or too many in work.

        The broker's first report may be from the middle of the work.
        """
        n_least = 0

        def is_done(told: DepthsAnswer | None) -> bool:
            nonlocal n_least
            if told is None:
                return False
            queue = told.queues[0]
            assert queue.n_arrived is not None
            assert queue.n_gone is not None
            assert n_least <= queue.n_gone <= queue.n_arrived <= n_done
            assert queue.n_gone + queue.n_unacknowledged <= n_done
            n_least = queue.n_gone
            return queue.n_gone == n_done

        await eventually(depths, is_done)

    async def see_at_once(n_done: int) -> None:
        told = await eventually(depths, lambda told: told is not None)
        assert told is not None
        first = told.queues[0]
        assert (first.n_arrived, first.n_gone, first.n_ready, first.n_unacknowledged) == (n_done, n_done, 0, 0)

    async with run_mqs(**TICK) as mqs:
        await wms.say(plan.requested)
        await wms.next()
        await outlast_a_start()
        await work(6)
        await see(6)
        (before,) = await mqs.store.find("MQTrafficColl", {"_id": plan.queue_in})
        await see_at_once(6)
        assert await mqs.store.find("MQTrafficColl", {"_id": plan.queue_in}) == [before], "nothing new, and no write"
    async with run_mqs(**TICK):
        await see_at_once(6)
        await asyncio.to_thread(rabbitmq.restart)
        await see_at_once(6)
        await outlast_a_start()
        await work(3)
        await see(9)
    await asyncio.to_thread(rabbitmq.restart)
    async with run_mqs(**TICK):
        await see_at_once(9)
        # As many as before the restart: the counts alone do not show that the broker has restarted.
        await work(3)
        await see(12)


async def test_how_many_of_the_expected_results_came_is_told_with_the_end(
    run_mqs: RunMqs, wms: Peer, as_mqs: AbstractConnection
) -> None:
    short, full = Plan(), Plan()
    async with run_mqs(**TICK), as_mqs.channel() as user:
        for plan, n_results in ((short, 2), (full, 3)):
            await wms.say(plan.requested)
            await wms.next()
            await publish(as_mqs, plan.queue_out, n_results)
            # What was taken has come all the same.
            await (await take(user, plan.queue_out)).ack()
            await wms.say(closing(plan).model_copy(update={"n_expected": 3}))
        told = [await wms.next(40) for _ in range(3)]
    assert QueuesDrained(workflow_id=short.workflow_id, n_dead=0, n_results=2) in told
    assert QueuesDrained(workflow_id=full.workflow_id, n_dead=0, n_results=3) in told
    assert ResultsArrived(workflow_id=full.workflow_id, n_results=3, n_dead=0) in told


async def test_replays_that_nobody_saw_confirmed_hold_up_the_end_until_the_broker_was_asked(
    run_mqs: RunMqs, wms: Peer
) -> None:
    plan = Plan()
    async with run_mqs(**TICK) as mqs:
        await wms.say(plan.requested)
        await wms.next()
        # As an MQS leaves it that was killed in the middle of a replay.
        await mark(mqs.store, plan, has_unconfirmed_replays=True)
        await wms.say(closing(plan))
        assert await wms.next(30) == QueuesDrained(workflow_id=plan.workflow_id, n_dead=0)
        (group,) = await mqs.store.find(MQ_GROUPS, {"_id": plan.workflow_id})
        assert group["has_unconfirmed_replays"] is False


async def mark(store: Any, plan: Plan, **fields: Any) -> None:
    """Set fields of a group as an earlier process left them."""
    await store.transact(_writing(plan, fields))


def _writing(plan: Plan, fields: dict[str, Any]) -> Any:
    from runtime.kernel.store import Decision, Transaction, Update

    async def step(tx: Transaction) -> Decision:
        (group,) = await tx.find(MQ_GROUPS, {"_id": plan.workflow_id})
        return Decision((Update(MQ_GROUPS, plan.workflow_id, set=fields, rev=group["rev"]),))

    return step
