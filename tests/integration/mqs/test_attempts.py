"""Failed attempts reach MQS from the pilots' own exchange, are stored once, and can be asked for."""

import asyncio
import itertools
import uuid
from dataclasses import replace

import aio_pika
from aio_pika.abc import AbstractConnection

from mqs.groups import repository
from schemas.failures.attempts import ATTEMPTS_KEY, ATTEMPTS_QUEUE, FailedAttempt, attempt_to_bytes
from schemas.failures.history import (
    Attempt,
    AttemptsAnswer,
    AttemptsQuery,
    ErrorGroup,
    ErrorGroupsAnswer,
    ErrorGroupsQuery,
)
from schemas.mqs_documents import FAILED_ATTEMPTS
from schemas.requests import GrantAnswer
from schemas.topology import dead_exchange
from tests.integration.mqs.conftest import Peer, Plan, RunMqs, logged_in
from tests.waiting import eventually

REPORT = FailedAttempt(
    "e0", 1, "p", "task-failed", "ValueError: bad 17", parent="root", task_id="TK", machine="m1", excerpt=b"\xff"
)


async def report(tms: Peer, plan: Plan, *bodies: bytes) -> None:
    """Publish reports as the workflow's pilots may."""
    answer = await tms.bus.ask(plan.grant_query())
    assert isinstance(answer, GrantAnswer)
    async with logged_in(answer.broker_address, answer.token.get_secret_value()) as connection:
        channel = await connection.channel(on_return_raises=True)
        exchange = await channel.get_exchange(dead_exchange(plan.workflow_id), ensure=False)
        for body in bodies:
            await exchange.publish(aio_pika.Message(body, message_id=uuid.uuid4().hex, delivery_mode=2), ATTEMPTS_KEY)


async def attempts(wms: Peer, plan: Plan, *, n: int, **which: str) -> list[Attempt]:
    """Return all failed attempts of a workflow once there are `n` of them."""
    query = AttemptsQuery(workflow_id=plan.workflow_id, **which)  # type: ignore[arg-type] # texts
    answer = await eventually(lambda: wms.bus.ask(query), lambda answer: len(answer.attempts) >= n)
    assert isinstance(answer, AttemptsAnswer)
    return answer.attempts


async def groups(wms: Peer, plan: Plan) -> list[ErrorGroup]:
    answer = await wms.bus.ask(ErrorGroupsQuery(workflow_id=plan.workflow_id))
    assert isinstance(answer, ErrorGroupsAnswer)
    return answer.groups


async def test_what_pilots_report_is_stored_once_asked_for_by_event_and_grouped_by_error(
    run_mqs: RunMqs, wms: Peer, tms: Peer, as_mqs: AbstractConnection
) -> None:
    async with run_mqs() as running:
        mine, theirs = Plan(), Plan()
        for plan in (mine, theirs):
            await wms.say(plan.requested)
            await wms.next()
        other = replace(REPORT, event_id="e1", error="ValueError: bad 18", machine="m2")
        last = replace(REPORT, event_id="e1", attempt=2, error="KeyError: 'x'", counts=False)
        # A stranger's: it came over no workflow's exchange.
        channel = await as_mqs.channel()
        await channel.default_exchange.publish(aio_pika.Message(attempt_to_bytes(REPORT)), ATTEMPTS_QUEUE)
        await report(tms, mine, b"rubbish", *map(attempt_to_bytes, (REPORT, REPORT, other)))
        # Reports that are stored in the same millisecond have no order.
        assert len(await attempts(wms, mine, n=2)) == 2
        await report(tms, mine, attempt_to_bytes(last))

        newest, *_ = await attempts(wms, mine, n=3)
        assert (newest.event_id, newest.attempt, newest.excerpt) == ("e1", 2, b"\xff")
        assert [a.attempt for a in await attempts(wms, mine, n=2, event_id="e1")] == [2, 1]
        assert len(await attempts(wms, mine, n=3)) == 3
        of_two = await wms.bus.ask(AttemptsQuery(workflow_id=mine.workflow_id, event_ids=["e0", "e2"]))
        assert isinstance(of_two, AttemptsAnswer)
        assert [(a.event_id, a.parent) for a in of_two.attempts] == [("e0", "root")]
        assert await attempts(wms, theirs, n=0) == []
        common, rare = await groups(wms, mine)
        assert (common.text, common.n_attempts, common.n_events, common.n_machines) == ("ValueError: bad #", 2, 2, 2)
        assert (rare.example, rare.n_attempts, rare.event_id) == ("KeyError: 'x'", 1, "e1")
        assert (common.n_uncounted, rare.n_uncounted) == (0, 1)
        assert [a.error for a in await attempts(wms, mine, n=1, signature=rare.signature)] == ["KeyError: 'x'"]

        # Page by page, and only the newest are kept.
        first = await wms.bus.ask(AttemptsQuery(workflow_id=mine.workflow_id, limit=2))
        assert isinstance(first, AttemptsAnswer)
        rest = await attempts(wms, mine, n=1, before=first.next_before or "")
        assert [a.event_id for a in (*first.attempts, *rest)] == ["e1", "e1", "e0"]
        assert await repository.trim_attempts(running.store, mine.workflow_id, n_kept=1) == 2
        assert [a.attempt for a in await attempts(wms, mine, n=1)] == [2]


async def test_reports_of_workflows_from_before_there_were_any_are_heard_and_wait_while_mqs_is_away(
    run_mqs: RunMqs, wms: Peer, tms: Peer, as_mqs: AbstractConnection
) -> None:
    plan = Plan()
    async with run_mqs():
        await wms.say(plan.requested)
        await wms.next()
    channel = await as_mqs.channel()
    queue = await channel.get_queue(ATTEMPTS_QUEUE)
    await queue.unbind(dead_exchange(plan.workflow_id), ATTEMPTS_KEY)
    async with run_mqs():
        for n in itertools.count():
            try:
                await report(tms, plan, attempt_to_bytes(replace(REPORT, event_id=f"e{n}")))
            except aio_pika.exceptions.DeliveryError:
                await asyncio.sleep(0.05)
            else:
                break
        assert await attempts(wms, plan, n=1)
        answer = await tms.bus.ask(plan.grant_query())
    assert isinstance(answer, GrantAnswer)
    async with logged_in(answer.broker_address, answer.token.get_secret_value()) as connection:
        exchange = await (await connection.channel()).get_exchange(dead_exchange(plan.workflow_id), ensure=False)
        for n in range(300):
            body = attempt_to_bytes(replace(REPORT, event_id=f"later {n}"))
            await exchange.publish(aio_pika.Message(body, delivery_mode=2), ATTEMPTS_KEY)
    async with run_mqs() as running:
        of_it = {"workflow_id": plan.workflow_id}
        await eventually(lambda: running.store.count(FAILED_ATTEMPTS, of_it), lambda n: n >= 301)
