"""The bus on a real broker: where events go, and what becomes of each."""

import asyncio
from typing import Any

import pytest
import structlog
from aiormq.exceptions import ChannelPreconditionFailed

from deploy.local.servers.rabbitmq import RabbitMQ
from runtime.amqp import AccessRefused, Connection, Delivery, Unroutable
from runtime.bus.dispatch import DispatchTable
from runtime.bus.pools import declare_pool
from runtime.bus.service_bus import Bus, Caller
from schemas.broker import topology
from schemas.errors import Broken, Conflict, EWMSError, Rejected, Unavailable
from schemas.events import PAYLOADS, ControlEvent, Payload, QueuesActivated, WorkflowEnding, WorkflowOver
from schemas.payloads.data_events import Header
from schemas.questions.bases import Answer, Question
from schemas.questions.queues import Depth, DepthsAnswer, DepthsQuery
from schemas.wire import event_to_bytes
from tests.integration.runtime.conftest import SCHEDD, TMS, BusOf
from tests.integration.runtime.events import ACTIVATED, OVER, WORKFLOW, Recorder, event, of_a_later_version, stop
from tests.waiting import eventually

QUESTION = DepthsQuery(workflow_id=WORKFLOW)
ANSWER = DepthsAnswer(
    queues=[Depth(mqid="a", alias="in", is_public=True, n_ready=1, n_unacknowledged=0, n_consumers=2)], n_dead=3
)


class Broker:
    """The control vhost as an administrator sees it."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def raw(self, key: str, body: bytes, exchange: str = topology.CONTROL_EXCHANGE) -> None:
        """Publish bytes that no `Bus` would send."""
        connection = await Connection.connect(self._url)
        await connection.publish(exchange, key, body, message_id="raw")
        await connection.close()

    async def content(self, queue: str, n: int) -> list[Delivery]:
        """Return `n` events of `queue`, waiting for them; they stay in it."""
        connection = await Connection.connect(self._url)
        found: list[Delivery] = []
        await connection.consume(queue, found.append, prefetch=n + 1)
        await eventually(lambda: len(found) >= n)
        await connection.close()
        return found

    async def depth(self, queue: str) -> int:
        """Return how many events of `queue` wait to be taken."""
        connection = await Connection.connect(self._url)
        async with connection.lend_channel() as channel:
            declared = await channel.queue_declare(queue, passive=True)
        await connection.close()
        return declared.message_count or 0


@pytest.fixture
def broker(rabbitmq: RabbitMQ, control_vhost: str) -> Broker:
    """The test's control vhost."""
    return Broker(rabbitmq.amqp_url("admin", control_vhost))


async def test_each_event_reaches_the_inbox_of_its_service_and_no_other(bus_of: BusOf) -> None:
    wms, mqs, tms = await bus_of("wms"), await bus_of("mqs"), await bus_of(TMS)
    at_wms, at_mqs, at_tms = Recorder(), Recorder(), Recorder()
    await wms.consume(at_wms)
    await mqs.consume(at_mqs)
    await tms.consume(at_tms)
    await wms.publish(event(OVER, "1"))
    await wms.publish(event(stop(SCHEDD), "2"))
    await mqs.publish(event(ACTIVATED, "3"))
    await eventually(lambda: at_wms.ids and at_mqs.ids and at_tms.ids)
    assert (at_wms.ids, at_mqs.ids, at_tms.ids) == (["3"], ["1"], ["2"])
    assert at_mqs.events[0].data == OVER


async def test_an_event_for_a_service_that_never_was_is_given_back(bus_of: BusOf) -> None:
    wms = await bus_of("wms")
    with pytest.raises(Unroutable):
        await wms.publish(event(stop("nobody.example"), "1"))


async def test_a_tms_speaks_to_wms_and_cannot_order_another_tms_about(bus_of: BusOf) -> None:
    await bus_of("wms")
    tms = await bus_of(TMS)
    with pytest.raises(AccessRefused):
        await tms.publish(event(stop(SCHEDD), "1"))
    await tms.publish(event(ACTIVATED, "2"))


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"{}", b"[]", b"null", b'{"type": ["x"]}', b'{"type": {"a": 1}}', b"[" * 100_000],
    ids=["empty", "no text", "no event", "a list", "null", "type is a list", "type is an object", "nested"],
)
async def test_what_cannot_be_read_goes_to_the_dead_letters_as_it_is_and_holds_up_nothing(
    bus_of: BusOf, broker: Broker, body: bytes
) -> None:
    mqs, wms = await bus_of("mqs"), await bus_of("wms")
    recorder = Recorder()
    await mqs.consume(recorder, prefetch=1)
    with structlog.testing.capture_logs() as logs:
        await broker.raw("mqs.workflow.over", body)
        await wms.publish(event(OVER, "1"))
        await eventually(lambda: recorder.ids == ["1"])
        (dead,) = await broker.content(topology.dead_inbox("mqs"), 1)
    assert dead.body == body
    assert dead.headers[Header.DEAD_REASON] == "Rejected"
    assert dead.headers[Header.DEAD_QUEUE] == "mqs.inbox"
    assert not any("exc_info" in line for line in logs)


async def test_a_rejected_event_is_a_dead_letter_with_its_reason(bus_of: BusOf, broker: Broker) -> None:
    mqs, wms = await bus_of("mqs"), await bus_of("wms")
    recorder = Recorder(failing=lambda n: Rejected("no such workflow") if n == 1 else None)
    await mqs.consume(recorder)
    await wms.publish(event(OVER, "1"))
    (dead,) = await broker.content(topology.dead_inbox("mqs"), 1)
    assert (dead.id, dead.headers[Header.DEAD_REASON], dead.headers[Header.DEAD_ERROR]) == (
        "1",
        "Rejected",
        "no such workflow",
    )
    assert recorder.n_calls == 1


async def test_a_conflict_is_acknowledged_and_said_once(bus_of: BusOf, broker: Broker) -> None:
    mqs, wms = await bus_of("mqs"), await bus_of("wms")
    recorder = Recorder(failing=lambda n: Conflict("moved on") if n == 1 else None)
    await mqs.consume(recorder)
    await wms.publish(event(OVER, "1"))
    await wms.publish(event(OVER, "2"))
    await eventually(lambda: recorder.ids == ["2"])
    await mqs.drain()
    assert await broker.depth("mqs.inbox") == 0
    assert await broker.depth(topology.dead_inbox("mqs")) == 0
    assert recorder.n_calls == 2


async def test_a_defect_of_ours_is_tried_again_and_does_not_stop_the_others(bus_of: BusOf) -> None:
    mqs, wms = await bus_of("mqs"), await bus_of("wms")
    recorder = Recorder(failing=lambda n: ZeroDivisionError() if n == 1 else Broken("b") if n == 2 else None)
    await mqs.consume(recorder, prefetch=1)
    await wms.publish(event(OVER, "1"))
    await wms.publish(event(OVER, "2"))
    await eventually(lambda: sorted(recorder.ids) == ["1", "2"])
    assert recorder.n_calls == 4


async def test_while_a_dependency_is_away_events_are_held_and_no_more_are_taken(bus_of: BusOf, broker: Broker) -> None:
    mqs, wms = await bus_of("mqs"), await bus_of("wms")
    away = True
    recorder = Recorder(failing=lambda _: Unavailable("the database is away") if away else None)
    await mqs.consume(recorder, prefetch=2)
    for number in range(10):
        await wms.publish(event(OVER, str(number)))
    await eventually(lambda: recorder.n_calls >= 4)
    # Two at the most are held here, the others wait in the queue, where another replica could take them.
    assert await broker.depth("mqs.inbox") >= 8
    n_calls = recorder.n_calls
    assert n_calls < 20
    away = False
    await eventually(lambda: len(recorder.ids) == 10)
    assert sorted(recorder.ids) == [str(number) for number in range(10)]


async def test_events_of_unknown_types_are_parked_and_taken_back_by_a_version_that_knows_them(
    bus_of: BusOf, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    parked = topology.parked_inbox("mqs")
    mqs = await bus_of("mqs")
    await mqs.consume(Recorder())
    await broker.raw("mqs.workflow.over", of_a_later_version(OVER, "later"))
    monkeypatch.delitem(PAYLOADS, "ewms.workflow.over")
    await broker.raw("mqs.workflow.over", event_to_bytes(event(OVER, "new")))
    assert {each.headers[Header.DEAD_REASON] for each in await broker.content(parked, 2)} == {"UnknownType"}
    await mqs.drain()
    await mqs.close()

    monkeypatch.setitem(PAYLOADS, "ewms.workflow.over", WorkflowOver)
    for _ in range(2):
        # What stays unknown survives any number of starts.
        again = await bus_of("mqs")
        recorder = Recorder()
        await again.consume(recorder)
        await again.drain()
        await again.close()
    last = await bus_of("mqs")
    recorder = Recorder()
    await last.consume(recorder)
    await broker.raw("mqs.workflow.over", event_to_bytes(event(OVER, "usual")))
    await eventually(lambda: "usual" in recorder.ids)
    assert await broker.depth(parked) == 1


async def test_an_event_without_a_handler_is_parked_and_comes_back_to_a_version_that_has_one(
    bus_of: BusOf, broker: Broker
) -> None:
    mqs, wms = await bus_of("mqs"), await bus_of("wms")
    taken: list[str] = []

    async def take(_: Payload, each: ControlEvent) -> None:
        taken.append(each.id)

    asks_only = DispatchTable()
    asks_only.add_handler(WorkflowEnding, take)
    await mqs.consume(asks_only)
    await wms.publish(event(OVER, "over"))
    parked = topology.parked_inbox("mqs")
    (aside,) = await broker.content(parked, 1)
    assert aside.headers[Header.DEAD_REASON] == "UnknownType"
    await mqs.drain()
    await mqs.close()
    assert taken == []

    # This one has no handler either, so the event stays where it is.
    again = await bus_of("mqs")
    await again.consume(asks_only)
    await again.drain()
    await again.close()
    assert await broker.depth(parked) == 1

    table = DispatchTable()
    table.add_handler(WorkflowOver, take)
    later = await bus_of("mqs")
    await later.consume(table)
    await eventually(lambda: taken == ["over"])
    assert await broker.depth(parked) == 0


async def test_parked_events_reach_the_handler(bus_of: BusOf, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    mqs = await bus_of("mqs")
    await mqs.consume(Recorder())
    monkeypatch.delitem(PAYLOADS, "ewms.workflow.over")
    await broker.raw("mqs.workflow.over", event_to_bytes(event(OVER, "new")))
    await broker.content(topology.parked_inbox("mqs"), 1)
    await mqs.close()
    monkeypatch.setitem(PAYLOADS, "ewms.workflow.over", WorkflowOver)
    again = await bus_of("mqs")
    recorder = Recorder()
    await again.consume(recorder)
    await eventually(lambda: recorder.ids == ["new"])
    assert await broker.depth(topology.parked_inbox("mqs")) == 0


async def test_draining_finishes_what_runs_and_leaves_the_rest(bus_of: BusOf, broker: Broker) -> None:
    mqs, wms = await bus_of("mqs"), await bus_of("wms")
    go_on, running, done = asyncio.Event(), [], []

    async def slow(each: ControlEvent) -> None:
        running.append(each.id)
        await go_on.wait()
        done.append(each.id)

    await mqs.consume(slow, prefetch=3)
    for number in range(6):
        await wms.publish(event(OVER, str(number)))
    await eventually(lambda: len(running) == 3)
    draining = asyncio.create_task(mqs.drain())
    await eventually(lambda: not mqs._intakes[0].consumer.is_active)  # type: ignore[union-attr]
    go_on.set()
    await asyncio.wait_for(draining, 5)
    await mqs.close()
    assert len(done) == len(running) == 3
    assert await broker.depth("mqs.inbox") == 3


async def test_what_is_on_hold_goes_back_when_the_process_drains(bus_of: BusOf, broker: Broker) -> None:
    mqs, wms = await bus_of("mqs"), await bus_of("wms")
    recorder = Recorder(failing=lambda _: Unavailable("away"))
    await mqs.consume(recorder)
    await wms.publish(event(OVER, "1"))
    await eventually(lambda: recorder.n_calls >= 3)
    await asyncio.wait_for(mqs.drain(), 2)
    await mqs.close()
    (returned,) = await broker.content("mqs.inbox", 1)
    assert (returned.id, returned.attempt) == ("1", 1)


async def test_services_go_on_after_a_restart_of_the_broker(bus_of: BusOf, rabbitmq: RabbitMQ) -> None:
    mqs, wms, tms = await bus_of("mqs"), await bus_of("wms"), await bus_of(TMS)
    recorder = Recorder()
    await mqs.consume(recorder)
    await mqs.answer(answering)
    await wms.publish(event(OVER, "before"))
    assert await tms.ask(QUESTION) == ANSWER
    back = asyncio.Event()
    wms.on_connected.append(back.set)
    await asyncio.to_thread(rabbitmq.restart)
    await asyncio.wait_for(back.wait(), 20)
    await wms.publish(event(OVER, "after"))
    await eventually(lambda: {"before", "after"} <= set(recorder.ids))

    async def answered() -> Answer:
        while True:
            try:
                return await tms.ask(QUESTION, timeout_s=1)
            except Unavailable:
                await asyncio.sleep(0.1)

    assert await asyncio.wait_for(answered(), 20) == ANSWER


async def answering(_: Question, __: Caller) -> Answer:
    """Answer the one question."""
    return ANSWER


async def test_a_tms_waits_for_the_exchange_that_others_declare(
    bus_of: BusOf, rabbitmq: RabbitMQ, control_vhost: str
) -> None:
    connection = await Connection.connect(rabbitmq.amqp_url("admin", control_vhost))
    async with connection.lend_channel() as channel:
        await channel.exchange_delete(topology.CONTROL_EXCHANGE)
    await connection.close()
    tms = asyncio.ensure_future(bus_of(TMS))
    done, _ = await asyncio.wait({tms}, timeout=1)
    assert not done
    wms = await bus_of("wms")
    recorder = Recorder()
    await (await tms).consume(recorder)
    await wms.publish(event(stop(SCHEDD), "1"))
    await eventually(lambda: recorder.ids == ["1"])


async def test_classic_queues_of_an_earlier_version_are_replaced_and_their_consumers_go_on(
    bus_of: BusOf, rabbitmq: RabbitMQ, control_vhost: str, broker: Broker
) -> None:
    wms = await bus_of("wms")
    admin = await Connection.connect(rabbitmq.amqp_url("admin", control_vhost))
    pool = await Connection.connect(rabbitmq.amqp_url("steps.default", control_vhost))
    classic: dict[str, Any] = {"x-queue-type": "classic"}
    async with admin.lend_channel() as channel:
        await channel.queue_declare("wms.requests", durable=True, auto_delete=True, arguments=classic)
        await channel.queue_declare("steps.default", durable=True, arguments=classic)
    earlier: list[Delivery] = []
    for queue in ("wms.requests", "steps.default"):
        await admin.consume(queue, earlier.append, prefetch=50)
    await wms.answer(answering)
    for _ in range(2):
        await declare_pool(pool, "default")

    async def is_taken(exchange: str, key: str) -> bool:
        await broker.raw(key, b"{}", exchange)
        return any(delivery.routing_key == key for delivery in earlier)

    # The process of the earlier version shares the questions with the new one.
    await eventually(lambda: is_taken(topology.REQUESTS_EXCHANGE, "wms"))
    await eventually(lambda: is_taken(topology.CONTROL_EXCHANGE, "steps.default.node.run"))
    async with admin.lend_channel() as channel:
        with pytest.raises(ChannelPreconditionFailed, match="quorum"):
            await channel.queue_declare("steps.default", durable=True, arguments=classic)
    await pool.close()
    await admin.close()


async def test_only_one_tms_of_a_schedd_is_given_its_orders(bus_of: BusOf) -> None:
    wms = await bus_of("wms")
    first, second = await bus_of(TMS), await bus_of(TMS)
    at_first, at_second = Recorder(), Recorder()
    await first.consume(at_first)
    await second.consume(at_second)
    for number in range(5):
        await wms.publish(event(stop(SCHEDD), str(number)))
    await eventually(lambda: len(at_first.ids) == 5)
    assert at_second.ids == []
    await first.drain()
    await first.close()
    await wms.publish(event(stop(SCHEDD), "5"))
    await eventually(lambda: at_second.ids == ["5"])


async def test_an_inbox_declared_by_hand_in_another_way_is_an_error_at_the_start(
    rabbitmq: RabbitMQ, control_vhost: str
) -> None:
    connection = await Connection.connect(rabbitmq.amqp_url("admin", control_vhost))
    async with connection.lend_channel() as channel:
        await channel.exchange_declare(topology.CONTROL_EXCHANGE, exchange_type="topic", durable=True)
        await channel.queue_declare("mqs.inbox", durable=True, arguments={"x-queue-type": "classic"})
    await connection.close()
    with pytest.raises(EWMSError, match="inequivalent"):
        await Bus.connect(rabbitmq.amqp_url("mqs", control_vhost), service="mqs", source="s", wait_s=1)


def test_the_payloads_used_here_go_where_the_tests_say() -> None:
    assert (WorkflowOver.TO, QueuesActivated.TO) == ("mqs", "wms")
