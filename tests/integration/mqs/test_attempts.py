"""Failed attempts reach MQS from the pilots' own exchange, are stored once, and can be asked for."""

import asyncio
import itertools
import uuid
from dataclasses import replace

import aio_pika
from aio_pika.abc import AbstractConnection

from mqs.groups import repository
from runtime.clock import utc_now
from runtime.telemetry.span_export import start_export, stop_export
from schemas.attempts.documents import DONE_ATTEMPTS, FAILED_ATTEMPTS
from schemas.attempts.done_history import TracedFamiliesAnswer, TracedFamiliesQuery, TracedFamily
from schemas.attempts.done_reports import DONE_REPORT_TYPE, DoneReport, done_report_to_bytes
from schemas.attempts.failed_history import (
    Attempt,
    AttemptsAnswer,
    AttemptsQuery,
    ErrorGroup,
    ErrorGroupsAnswer,
    ErrorGroupsQuery,
)
from schemas.attempts.failed_reports import ATTEMPTS_KEY, ATTEMPTS_QUEUE, FailedAttempt, attempt_to_bytes
from schemas.broker.topology import dead_exchange
from schemas.questions.queues import GrantAnswer
from tests.integration.mqs.conftest import Peer, Plan, RunMqs, logged_in
from tests.span_collector import collector, list_spans
from tests.waiting import eventually

REPORT = FailedAttempt(
    "e0", 1, "p", "task-failed", "ValueError: bad 17", parent="root", task_id="TK", machine="m1", excerpt=b"\xff"
)


def done_report(**members: str) -> bytes:
    at = utc_now().isoformat()
    times = {"taken_at": at, "started_at": at, "ended_at": at, "acknowledged_at": at}
    return done_report_to_bytes(DoneReport(**{"attempt": 1, "pilot": "p", **times, **members}))  # type: ignore[arg-type]


async def report(tms: Peer, plan: Plan, *bodies: bytes, content_type: str = "application/json") -> None:
    """Publish reports as the workflow's pilots may."""
    answer = await tms.bus.ask(plan.grant_query())
    assert isinstance(answer, GrantAnswer)
    async with logged_in(answer.broker_address, answer.token.get_secret_value()) as connection:
        channel = await connection.channel(on_return_raises=True)
        exchange = await channel.get_exchange(dead_exchange(plan.workflow_id), ensure=False)
        for body in bodies:
            message = aio_pika.Message(body, message_id=uuid.uuid4().hex, delivery_mode=2, content_type=content_type)
            await exchange.publish(message, ATTEMPTS_KEY)


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
        assert await repository.trim_attempts(running.store, FAILED_ATTEMPTS, mine.workflow_id, n_kept=1) == 2
        assert [a.attempt for a in await attempts(wms, mine, n=1)] == [2]

        # Traced events that are done come the same way, and are no failures.
        root, child = done_report(event_id="r0", root="r0", key="k"), done_report(event_id="c0", root="r0", parent="r0")
        other_root = done_report(event_id="r1", root="r1")
        await report(tms, mine, root, root, child, other_root, b"{}", content_type=DONE_REPORT_TYPE)

        async def ask_for_families() -> list[TracedFamily]:
            answer = await wms.bus.ask(TracedFamiliesQuery(workflow_id=mine.workflow_id))
            assert isinstance(answer, TracedFamiliesAnswer)
            return answer.families

        families = await eventually(ask_for_families, lambda found: sum(each.n_events for each in found) == 3)
        assert {(each.root, each.key, each.n_events) for each in families} == {("r0", "k", 2), ("r1", "", 1)}
        asked = AttemptsQuery(workflow_id=mine.workflow_id, event_ids=["e1", "r0", "c0"], with_done=True)
        of_three = await wms.bus.ask(asked)
        assert isinstance(of_three, AttemptsAnswer)
        assert [a.event_id for a in of_three.attempts] == ["e1"]
        assert {(a.event_id, a.parent, a.attempt) for a in of_three.done} == {("r0", "", 1), ("c0", "r0", 1)}
        without = await wms.bus.ask(asked.model_copy(update={"with_done": False}))
        assert isinstance(without, AttemptsAnswer)
        assert without.done == []
        assert await repository.trim_attempts(running.store, DONE_ATTEMPTS, mine.workflow_id, n_kept=1) == 2
        assert len(await attempts(wms, mine, n=1)) == 1, "failures have a limit of their own"


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


async def test_what_is_stored_reaches_a_collector_and_a_collector_that_is_away_costs_no_report(
    run_mqs: RunMqs, wms: Peer, tms: Peer
) -> None:
    plan, trace = Plan(), f"00-{'a' * 32}-{'b' * 16}-01"
    async with run_mqs():
        await wms.say(plan.requested)
        await wms.next()
        try:
            start_export("mqs", "http://127.0.0.1:9")
            await report(tms, plan, attempt_to_bytes(replace(REPORT, event_id="away")))
            assert len(await attempts(wms, plan, n=1)) == 1
        finally:
            await asyncio.to_thread(stop_export)
        with collector() as (endpoint, received):
            try:
                start_export("mqs", endpoint)
                await report(tms, plan, attempt_to_bytes(replace(REPORT, traceparent=trace, parent="", gave_up=True)))
                assert len(await attempts(wms, plan, n=2)) == 2
                # The SDK sends what it has every five seconds.
                await eventually(lambda: any(span.trace_id.hex() == "a" * 32 for span in list_spans(received)))
            finally:
                await asyncio.to_thread(stop_export)
    spans = {span.name: span for span in list_spans(received) if span.trace_id.hex() == "a" * 32}
    event, attempt = spans["event TK"], spans["attempt 1"]
    assert (attempt.status.code, attempt.status.message) == (2, "ValueError: bad 17")  # 2: an error
    assert (event.parent_span_id.hex(), attempt.parent_span_id) == ("b" * 16, event.span_id)
