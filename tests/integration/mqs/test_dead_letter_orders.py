"""Dead letters are listed, shown, replayed to where they came from, and discarded; nothing else touches them."""

import asyncio
import contextlib
import signal
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import aio_pika
import pytest
from aio_pika.abc import AbstractConnection

from deploy.local.servers.rabbitmq import RabbitMQ
from mqs.letters.dead_readers import DeadReaders
from mqs.settings import MqsSettings
from runtime.amqp import Connection
from schemas.attempts.dead_letters import (
    DeadLetter,
    LetterAction,
    LetterAnswer,
    LetterAuditAnswer,
    LetterAuditQuery,
    LetterBodyAnswer,
    LetterBodyQuery,
    LetterFilter,
    LetterGroupsAnswer,
    LetterGroupsQuery,
    LetterQuery,
    LettersAnswer,
    LettersDone,
    LettersOrder,
    LettersQuery,
)
from schemas.broker.topology import dead_exchange, dead_queue
from schemas.errors import Conflict, EWMSError, NotFound, Unavailable
from schemas.events import QueuesDrained
from schemas.questions.bases import Answer, Question
from schemas.questions.queues import DepthsAnswer
from tests.integration.mqs.conftest import Peer, Plan, RunMqs, drop_connections
from tests.integration.mqs.doomed_mqs import start_doomed_mqs
from tests.integration.mqs.test_dead_letters import depth, one_of, publish
from tests.integration.mqs.test_endings import TICK, closing, take
from tests.waiting import eventually

Expected = TypeVar("Expected", bound=Answer)


async def bury(connection: AbstractConnection, plan: Plan, *bodies: bytes, **headers: Any) -> list[str]:
    """Publish dead letters as pilots do; return the events' ids."""
    ids = [str(uuid.uuid4()) for _ in bodies]
    async with connection.channel() as channel:
        exchange = await channel.get_exchange(dead_exchange(plan.workflow_id), ensure=False)
        said = {
            "x-ewms-dead-queue": plan.queue_in,
            "x-ewms-dead-task": "TK-1",
            "x-ewms-dead-error": "ValueError: bad 1",
            "x-ewms-dead-reason": "task-failed",
            "x-ewms-dead-attempts": 5,
            "x-ewms-dead-at": f"2026-11-28T12:00:00.{time.monotonic_ns() % 10**6:06d}+00:00",
            **{f"x-ewms-{name.replace('_', '-')}": value for name, value in headers.items()},
        }
        await asyncio.gather(
            *(
                exchange.publish(
                    aio_pika.Message(body, message_id=id_, delivery_mode=2, content_type="text/x", headers=said),
                    plan.workflow_id,
                )
                for body, id_ in zip(bodies, ids, strict=True)
            )
        )
    return ids


async def ask(wms: Peer, query: Question, kind: type[Expected]) -> Expected:
    answer = await wms.bus.ask(query, timeout_s=30)
    assert isinstance(answer, kind)
    return answer


async def letters(wms: Peer, plan: Plan, **which: Any) -> list[DeadLetter]:
    """Return all dead letters, page by page."""
    found: list[DeadLetter] = []
    after = None
    while True:
        page = await ask(wms, LettersQuery(workflow_id=plan.workflow_id, after=after, **which), LettersAnswer)
        found += page.letters
        if page.next_after is None:
            return found
        after = page.next_after


async def order(
    wms: Peer, plan: Plan, action: LetterAction, names: Sequence[str] | None = None, **which: str
) -> LettersDone:
    given = LettersOrder(
        workflow_id=plan.workflow_id,
        action=action,
        letters=None if names is None else list(names),
        which=LetterFilter(**which),
        subject="ada",
    )
    return await ask(wms, given, LettersDone)


async def replay_for_ever(wms: Peer, plan: Plan) -> None:
    """Replay nothing again and again, until that is refused."""
    async with asyncio.timeout(60):
        while True:
            await order(wms, plan, LetterAction.REPLAY, ["0" * 20])
            await asyncio.sleep(0.05)


async def n_dead(wms: Peer, plan: Plan) -> int:
    return (await ask(wms, plan.depths_query, DepthsAnswer)).n_dead


async def test_letters_are_listed_shown_and_grouped_and_stay_where_they_are(
    run_mqs: RunMqs, wms: Peer, as_mqs: AbstractConnection
) -> None:
    plan = Plan()
    async with run_mqs():
        await wms.say(plan.requested)
        await wms.next()
        assert await letters(wms, plan) == []
        big = b"\x00\xff" * 1_000_000
        (big_id,) = await bury(as_mqs, plan, big, dead_error="KeyError: 'x'")
        await bury(as_mqs, plan, *(b"event %d" % n for n in range(30)), key="k7")
        # The broker's own: no word of a pilot.
        async with as_mqs.channel() as channel:
            exchange = await channel.get_exchange(f"x.{plan.queue_in}", ensure=False)
            await exchange.publish(aio_pika.Message(b"late", delivery_mode=2, expiration=0.05), plan.queue_in)
        await eventually(lambda: n_dead(wms, plan), lambda n: n >= 32)

        found = await letters(wms, plan, limit=7)
        assert len({letter.letter for letter in found}) == 32
        # While they are on loan they are still counted, and as often as there are some.
        assert await n_dead(wms, plan) == 32
        by_error = await ask(wms, LetterGroupsQuery(workflow_id=plan.workflow_id), LetterGroupsAnswer)
        assert by_error.n_letters == 32
        assert [(group.n_letters, group.text) for group in by_error.groups[:1]] == [(30, "ValueError: bad #")]
        (brokers,) = [letter for letter in found if not letter.task_id]
        assert (brokers.reason, brokers.queue, brokers.attempts) == ("expired", plan.queue_in, None)
        assert brokers.dead_at is not None
        keyed = [letter for letter in found if letter.key == "k7"]
        assert len(keyed) == 30

        (shown,) = await letters(wms, plan, event_id=big_id)
        one = await ask(wms, LetterQuery(workflow_id=plan.workflow_id, letter=shown.letter), LetterAnswer)
        assert one.letter.headers is not None
        assert one.letter.headers["x-ewms-dead-task"] == "TK-1"
        body = b""
        while len(body) < len(big):
            query = LetterBodyQuery(workflow_id=plan.workflow_id, letter=shown.letter, offset=len(body))
            body += (await ask(wms, query, LetterBodyAnswer)).data
        assert body == big
        whole = await letters(wms, plan, with_bodies=True)
        assert {letter.body for letter in whole} == {None, b"late", *(b"event %d" % n for n in range(30))}
        with pytest.raises(NotFound):
            await ask(wms, LetterQuery(workflow_id=plan.workflow_id, letter="0" * 20), LetterAnswer)
    # MQS has left, and everything is there.
    assert await depth(as_mqs, dead_queue(plan.workflow_id)) == 32


async def test_all_letters_are_counted_at_every_moment_while_readers_begin_and_end(
    run_mqs: RunMqs, wms: Peer, as_mqs: AbstractConnection, rabbitmq: RabbitMQ
) -> None:
    plan = Plan()
    queue = dead_queue(plan.workflow_id)
    async with run_mqs() as mqs, AsyncExitStack() as stack:
        await wms.say(plan.requested)
        await wms.next()
        await bury(as_mqs, plan, *(b"event %d" % n for n in range(200)))
        connection = await Connection.connect(rabbitmq.data_url, name="readers of a test")
        stack.push_async_callback(connection.close)
        readers = DeadReaders(connection, linger_s=0)
        stack.push_async_callback(readers.close)
        mqs.broker.hold_loan = readers.hold_loan

        async def read_often() -> None:
            for _ in range(15):
                async with readers.lend_reader(plan.workflow_id) as reader:
                    assert reader.n_held == 200
                # It ends now, and the next one begins as soon as it has ended.
                await asyncio.sleep(0)

        reading = asyncio.create_task(read_often())
        counted: list[int] = []
        while not reading.done():
            counted.append((await mqs.broker.count_queues([queue]))[queue].n_events)
        await reading
        assert set(counted) == {200}


async def test_a_lost_connection_costs_a_reader_nothing_but_a_second_look(
    run_mqs: RunMqs, wms: Peer, as_mqs: AbstractConnection, rabbitmq: RabbitMQ
) -> None:
    plan = Plan()
    async with run_mqs():
        await wms.say(plan.requested)
        await wms.next()
        await bury(as_mqs, plan, *(b"event %d" % n for n in range(30)))
        before = {letter.letter for letter in await letters(wms, plan)}
        await asyncio.to_thread(drop_connections, rabbitmq)
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(Unavailable):
                    after = {letter.letter for letter in await letters(wms, plan)}
                    break
                await asyncio.sleep(0.1)
        assert before == after
        assert (await order(wms, plan, LetterAction.DISCARD)).n_done == 30


async def test_a_replay_goes_to_the_queue_of_origin_with_its_own_id_bytes_and_headers_once(
    run_mqs: RunMqs, wms: Peer, as_mqs: AbstractConnection
) -> None:
    plan = Plan()
    async with run_mqs():
        await wms.say(plan.requested)
        await wms.next()
        ids = await bury(as_mqs, plan, b"a", b"b", key="k")
        (other,) = await bury(as_mqs, plan, b"c", dead_error="KeyError", dead_queue=plan.queue_mid)
        (lost,) = await bury(as_mqs, plan, b"d", dead_error="TypeError", dead_queue="a" + "0" * 20)
        first, second = [letter for letter in await letters(wms, plan) if letter.event_id in ids]
        # A public input that is closed for everybody else.
        async with as_mqs.channel() as channel:
            queue = await channel.get_queue(plan.queue_in, ensure=False)
            await queue.unbind(f"x.{plan.queue_in}", plan.queue_in)

        done = await order(wms, plan, LetterAction.REPLAY, [first.letter, first.letter, "0" * 20])
        assert (done.n_done, done.n_missing, done.n_left) == (1, 1, 0)
        again = await order(wms, plan, LetterAction.REPLAY, [first.letter])
        assert (again.n_done, again.n_missing) == (0, 1)
        event = await one_of(as_mqs, plan.queue_in)
        assert (event.message_id, event.content_type) == (first.event_id, "text/x")
        assert event.headers == {"x-ewms-key": "k", "x-ewms-replays": 1}
        assert event.body in (b"a", b"b")

        by_error = await order(wms, plan, LetterAction.REPLAY, signature=second.signature)
        assert (by_error.n_done, by_error.n_left) == (1, 0)
        await one_of(as_mqs, plan.queue_in)
        assert await depth(as_mqs, plan.queue_in) == 0
        rest = await order(wms, plan, LetterAction.REPLAY)
        assert (rest.n_done, rest.n_left, rest.n_refused, rest.stopped) == (1, 0, 1, "")
        assert "queue of origin" in rest.refused
        assert (await one_of(as_mqs, plan.queue_mid)).message_id == other

        (left,) = await letters(wms, plan)
        assert left.event_id == lost
        assert (await order(wms, plan, LetterAction.DISCARD, [left.letter])).n_done == 1
        assert await letters(wms, plan) == []
        assert await n_dead(wms, plan) == 0
        audit = await ask(wms, LetterAuditQuery(workflow_id=plan.workflow_id), LetterAuditAnswer)
        assert [(entry.subject, entry.action, entry.n_letters) for entry in audit.orders] == [
            ("ada", "discard", 1),
            ("ada", "replay", 1),
            ("ada", "replay", 1),
            ("ada", "replay", 1),
        ]
    assert await depth(as_mqs, dead_queue(plan.workflow_id)) == 0


@pytest.mark.parametrize("point", ["mqs.replaying:kill", "mqs.replayed:kill"])
async def test_a_crash_in_a_replay_loses_nothing_and_the_next_one_keeps_its_rate_and_repeats_only_with_the_same_id(
    point: str, settings: Callable[..., MqsSettings], run_mqs: RunMqs, wms: Peer, as_mqs: AbstractConnection
) -> None:
    plan = Plan()
    process = await start_doomed_mqs(settings(), failpoint=point)
    try:
        await wms.say(plan.requested)
        await wms.next(20)
        ids = await bury(as_mqs, plan, *(b"event %d" % n for n in range(30)))
        doomed = asyncio.create_task(order(wms, plan, LetterAction.REPLAY))
        async with asyncio.timeout(60):
            assert await process.wait() == -signal.SIGKILL
        with pytest.raises(EWMSError):
            await doomed
    finally:
        if process.returncode is None:
            process.kill()
    async with run_mqs(replay_per_s=10):
        begin = time.monotonic()
        # The transaction that the kill left open keeps the documents locked for some seconds.
        done = await order(wms, plan, LetterAction.REPLAY)
        assert done.stopped == ""
        assert done.n_done <= 20 or time.monotonic() - begin >= 2, "20 letters go at once, and then 10 a second"
        assert await letters(wms, plan) == []
    async with as_mqs.channel() as channel:
        queue = await channel.get_queue(plan.queue_in)
        found = [await queue.get(fail=True) for _ in range(queue.declaration_result.message_count or 0)]
    assert {event.message_id for event in found if event is not None} == set(ids)
    # What was on its way at the kill is all that may have gone twice.
    assert len(found) <= len(ids) + 20


async def test_nothing_is_replayed_into_a_workflow_that_is_over_and_strangers_have_no_letters(
    run_mqs: RunMqs, wms: Peer, as_mqs: AbstractConnection
) -> None:
    plan = Plan()
    async with run_mqs():
        with pytest.raises(NotFound):
            await letters(wms, plan)
        await wms.say(plan.requested)
        await wms.next()
        await bury(as_mqs, plan, b"a", b"b")
        # Another MQS reads them at this moment: no reader sees half of them.
        async with as_mqs.channel() as channel:
            queue = await channel.get_queue(dead_queue(plan.workflow_id))
            await queue.consume(asyncio.Queue[Any]().put)
            with pytest.raises(Unavailable, match="another process reads"):
                await letters(wms, plan)

        async def letters_again() -> list[Any] | None:
            # The broker takes them back a moment after the other reader has gone.
            with contextlib.suppress(Unavailable):
                return list(await letters(wms, plan))
            return None

        (one, _) = await eventually(letters_again)
        await wms.say(plan.over)
        with pytest.raises(Conflict, match="over"):
            await replay_for_ever(wms, plan)
        assert len(await letters(wms, plan)) == 2
        assert (await order(wms, plan, LetterAction.DISCARD, [one.letter])).n_done == 1
        assert len(await letters(wms, plan, with_bodies=True)) == 1


async def test_a_replay_reaches_closed_inputs_and_the_run_is_not_done_before_its_event_is_settled(
    run_mqs: RunMqs, wms: Peer, as_mqs: AbstractConnection
) -> None:
    plan = Plan()
    async with run_mqs(**TICK), as_mqs.channel() as pilots:
        await wms.say(plan.requested)
        await wms.next()
        await publish(as_mqs, plan.queue_in, b"in work")
        event = await take(pilots, plan.queue_in)
        (dead,) = await bury(as_mqs, plan, b"mended")
        await bury(as_mqs, plan, b"not mended", dead_error="KeyError")
        await wms.say(closing(plan))
        (one,) = await letters(wms, plan, event_id=dead)
        assert (await order(wms, plan, LetterAction.REPLAY, [one.letter])).n_done == 1
        await event.ack()
        await wms.nothing_more(4)
        replayed = await take(pilots, plan.queue_in)
        assert replayed.message_id == dead
        # While letters are on loan to somebody who looks at them, they still count as dead.
        assert len(await letters(wms, plan)) == 1
        await replayed.ack()
        assert await wms.next(30) == QueuesDrained(workflow_id=plan.workflow_id, n_dead=1)
        with pytest.raises(Conflict, match="over"):
            await order(wms, plan, LetterAction.REPLAY)
