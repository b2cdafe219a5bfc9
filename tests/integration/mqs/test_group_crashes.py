"""A crash of MQS while it makes or deletes queues is healed by the next start."""

import asyncio
import signal
from collections.abc import Callable

import aio_pika
import pytest

from mqs.settings import MqsSettings
from schemas.events import QueuesActivated
from schemas.fleet.queue_documents import GroupState
from tests.integration.mqs.conftest import Peer, Plan, RunMqs
from tests.integration.mqs.doomed_mqs import start_doomed_mqs
from tests.integration.mqs.test_groups import exists, group_of, until


async def request_until_killed(wms: Peer, plan: Plan, settings: MqsSettings, *, failpoint: str) -> None:
    """Request the queues of `plan` from an MQS that kills itself at `failpoint`. Return when it is dead."""
    process = await start_doomed_mqs(settings, failpoint=failpoint)
    try:
        await wms.say(plan.requested)
        async with asyncio.timeout(60):
            assert await process.wait() == -signal.SIGKILL
    finally:
        if process.returncode is None:
            process.kill()


#: The third and fourth transactions are the reservation and the activation; a start makes two.
@pytest.mark.parametrize(
    "point",
    [
        "store.before_commit:kill:3",
        "mqs.reserved:kill",
        "mqs.declared:kill",
        "store.before_commit:kill:4",
    ],
)
async def test_a_crash_on_the_way_to_activation_is_healed_by_the_next_start(
    point: str,
    settings: Callable[..., MqsSettings],
    run_mqs: RunMqs,
    wms: Peer,
) -> None:
    plan = Plan()
    await request_until_killed(wms, plan, settings(), failpoint=point)
    await wms.nothing_more()
    async with run_mqs() as mqs:
        # The transaction that the kill left open keeps the documents locked for some seconds.
        assert await wms.next(20) == QueuesActivated(workflow_id=plan.workflow_id)
        assert (await group_of(mqs.store, plan.workflow_id))["state"] == GroupState.ACTIVE


@pytest.mark.parametrize("point", ["mqs.sealed:kill", "store.before_commit:kill:5"])
async def test_after_a_crash_between_activation_and_opening_the_next_start_opens_the_queues(
    point: str, settings: Callable[..., MqsSettings], run_mqs: RunMqs, wms: Peer
) -> None:
    plan = Plan()
    await request_until_killed(wms, plan, settings(), failpoint=point)
    async with run_mqs(broker_retry_s=0.2) as mqs:
        assert await wms.next(20) == QueuesActivated(workflow_id=plan.workflow_id)
        assert (await group_of(mqs.store, plan.workflow_id))["is_open"]


async def test_a_crash_while_queues_are_shut_is_healed_by_the_next_start(
    settings: Callable[..., MqsSettings], run_mqs: RunMqs, wms: Peer
) -> None:
    plan = Plan()
    process = await start_doomed_mqs(settings(), failpoint="mqs.shut:kill")
    try:
        await wms.say(plan.requested)
        await wms.next(20)
        await wms.say(plan.over)
        async with asyncio.timeout(60):
            assert await process.wait() == -signal.SIGKILL
    finally:
        if process.returncode is None:
            process.kill()
    async with run_mqs(retire_look_s=0.1, retire_unused_s=0.2) as mqs:
        await until(mqs.store, plan.workflow_id, GroupState.RETIRED)


async def test_a_crash_while_queues_are_deleted_is_healed_by_the_next_start(
    settings: Callable[..., MqsSettings],
    run_mqs: RunMqs,
    wms: Peer,
    as_mqs: aio_pika.abc.AbstractConnection,
) -> None:
    plan = Plan()
    quick = {"retire_look_s": 0.1, "retire_unused_s": 0.2}
    process = await start_doomed_mqs(settings(**quick), failpoint="mqs.removed:kill:2")
    try:
        await wms.say(plan.requested)
        await wms.next(20)
        await wms.say(plan.over)
        async with asyncio.timeout(60):
            assert await process.wait() == -signal.SIGKILL
    finally:
        if process.returncode is None:
            process.kill()
    async with run_mqs(**quick) as mqs:
        await until(mqs.store, plan.workflow_id, GroupState.RETIRED)
        assert not await exists(as_mqs, plan.queue_out)
