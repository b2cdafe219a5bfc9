"""What progress is computed from, on the real broker: results, replays, failures, and how a run fell short."""

from typing import Any

from aio_pika.abc import AbstractConnection

from schemas.documents import MQ_GROUPS
from schemas.events import QueuesDrained, ResultsArrived
from schemas.failures.dead_letters import LetterAction
from schemas.requests import DepthsAnswer
from tests.integration.mqs.conftest import Peer, Plan, RunMqs
from tests.integration.mqs.test_dead_letter_orders import ask, bury, letters, order
from tests.integration.mqs.test_endings import TICK, closing, publish, take
from tests.waiting import eventually


async def test_replays_are_counted_once_and_discarded_letters_stay_failures(
    run_mqs: RunMqs, wms: Peer, as_mqs: AbstractConnection
) -> None:
    plan = Plan()
    async with run_mqs(**TICK):
        await wms.say(plan.requested)
        await wms.next()
        await publish(as_mqs, plan.queue_in, 3)
        (again, gone, _) = await bury(as_mqs, plan, b"a", b"b", b"c")
        by_event = {letter.event_id: letter.letter for letter in await letters(wms, plan)}
        assert (await order(wms, plan, LetterAction.REPLAY, [by_event[again]])).n_done == 1
        assert (await order(wms, plan, LetterAction.DISCARD, [by_event[gone]])).n_done == 1

        async def depths() -> DepthsAnswer:
            return await ask(wms, plan.depths_query, DepthsAnswer)

        told = await eventually(depths, lambda told: told.queues[0].n_ready == 4)
        first = told.queues[0]
        assert (first.n_arrived, first.n_replayed) == (4, 1)
        assert (told.n_dead, told.n_failed) == (1, 2)


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
