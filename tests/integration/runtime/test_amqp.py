"""`runtime.amqp` against RabbitMQ: what pilots, clients and services rely on."""

import asyncio
import signal
from contextlib import AsyncExitStack

import pytest

from runtime.amqp import (
    AccessRefused,
    Connection,
    Delivery,
    EventProperties,
    NotDeclared,
    QueueFull,
    Unroutable,
)
from runtime.amqp.in_flight import EventInFlight
from runtime.amqp.wire import opening
from schemas.errors import EWMSError, Rejected, TooLarge
from tests.integration.runtime.conftest import PlainDataVhost
from tests.waiting import eventually

Q = "a00000000000000000001"
OTHER = "a00000000000000000002"


@pytest.fixture(autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How events go: as frames of our own, or by the library, as with a version of it that we do not know."""
    if getattr(request, "param", "tapped") == "library":
        monkeypatch.setattr(opening, "find_unknown_library", lambda: "aiormq 99.0")


both_ways = pytest.mark.parametrize("way", ["tapped", "library"], indirect=True)


async def connect(stack: AsyncExitStack, address: str, **options: object) -> Connection:
    connection = await Connection.connect(address, backoff_cap_s=1.0, **options)  # type: ignore[arg-type]
    stack.push_async_callback(connection.close)
    return connection


async def publish(connection: Connection, number: int, *, queue: str = Q, body: bytes = b"{}") -> None:
    await connection.publish(f"x.{queue}", queue, body, message_id=f"id-{number}", content_type="application/json")


@both_ways
async def test_an_event_arrives_as_it_was_sent(data: PlainDataVhost, stack: AsyncExitStack) -> None:
    await data.add_queue(Q)
    connection = await connect(stack, data.url)
    got: asyncio.Queue[Delivery] = asyncio.Queue()
    await connection.consume(Q, got.put_nowait, prefetch=1)
    await connection.publish(
        f"x.{Q}",
        Q,
        b"\x00\xff",
        message_id="7",
        content_type="application/octet-stream",
        headers={"x-ewms-parent": "6"},
    )
    event = (await got.get()).event
    assert (event.body, event.id, event.content_type, event.attempt) == (
        b"\x00\xff",
        "7",
        "application/octet-stream",
        1,
    )
    assert event.headers["x-ewms-parent"] == "6"


@both_ways
async def test_publishing_is_pipelined_and_bounded_by_the_window(
    data: PlainDataVhost, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    await data.add_queue(Q)
    connection = await connect(stack, data.url)
    publisher = connection.open_publisher(window=20)
    most = 0
    note_outcome = publisher._note_outcome

    def count(event: EventInFlight, error: BaseException | None) -> None:
        nonlocal most
        most = max(most, publisher._n_on_way)
        note_outcome(event, error)

    monkeypatch.setattr(publisher, "_note_outcome", count)
    await asyncio.gather(*(publisher.publish(f"x.{Q}", Q, b"x", message_id=str(n)) for n in range(500)))
    assert 5 < most <= 20
    await eventually_holds(data, Q, 500)


async def eventually_holds(data: PlainDataVhost, queue: str, n: int) -> None:
    await eventually(lambda: data.n_messages(queue), lambda found: found == n, pause_s=0.2)


@pytest.mark.parametrize("ending", ["restart", "kill"])
async def test_publishers_and_consumers_go_on_after_the_broker_and_nothing_confirmed_is_lost(
    data: PlainDataVhost, stack: AsyncExitStack, ending: str
) -> None:
    await data.add_queue(Q)
    producer = await connect(stack, data.address, token=data.token(write=Q))
    consuming = await connect(stack, data.address, token=data.token(read=Q))
    received: dict[str, int] = {}
    lost_leases = 0

    async def settle(delivery: Delivery) -> None:
        nonlocal lost_leases
        if not await delivery.ack():
            lost_leases += 1

    settling: set[asyncio.Task[None]] = set()

    def take(delivery: Delivery) -> None:
        received[delivery.id] = received.get(delivery.id, 0) + 1
        settling.add(asyncio.create_task(settle(delivery)))

    # The token may read and not configure: the consumer has to come back by the queue's name alone.
    await consuming.consume(Q, take, prefetch=50)
    confirmed: set[str] = set()
    stop = asyncio.Event()

    async def produce(worker: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            event_id = f"{worker}-{number}"
            await producer.publish(f"x.{Q}", Q, b"x", message_id=event_id, timeout_s=60)
            confirmed.add(event_id)
            await asyncio.sleep(0.002)

    workers = [asyncio.create_task(produce(n)) for n in range(10)]
    await eventually(lambda: len(received) > 100)
    if ending == "kill":
        # The first process of the broker's namespace: nothing of it, its port mapper included, outlives the wait.
        data.rabbitmq.child.send_signal(signal.SIGKILL)
        assert await asyncio.to_thread(data.rabbitmq.child.wait, 10)
    await asyncio.to_thread(data.rabbitmq.restart)
    before, n_received = len(confirmed), len(received)
    await eventually(lambda: len(confirmed) > before + 100 and len(received) > n_received + 100)
    stop.set()
    await asyncio.gather(*workers)
    await eventually(lambda: confirmed <= received.keys())
    await asyncio.gather(*settling)


@both_ways
async def test_an_event_that_finds_no_queue_is_given_back(data: PlainDataVhost, stack: AsyncExitStack) -> None:
    await data.add_queue(Q)
    connection = await connect(stack, data.url)
    with pytest.raises(Unroutable):
        await connection.publish(f"x.{Q}", "elsewhere", b"x", message_id="1")


@both_ways
async def test_a_refused_event_takes_none_of_those_in_flight_with_it(
    data: PlainDataVhost, stack: AsyncExitStack
) -> None:
    await data.add_queue(Q)
    await data.add_queue(OTHER)
    connection = await connect(stack, data.address, token=data.token(write=Q))
    dropped: list[EWMSError] = []
    connection.on_lost.append(dropped.append)

    async def outcome(exchange: str, number: int, body: bytes = b"x") -> type[Exception] | None:
        try:
            await connection.publish(exchange, Q, body, message_id=str(number))
        except EWMSError as error:
            return type(error)
        return None

    good = [outcome(f"x.{Q}", n) for n in range(100)]
    bad = [outcome(f"x.{OTHER}", 1000), outcome(f"x.{Q}", 1001, b"x" * (5 * 1024 * 1024)), outcome("", 1002)]
    found = await asyncio.gather(*good[:30], bad[0], *good[30:60], bad[1], *good[60:], bad[2])
    assert [kind for kind in found if kind is not None] == [AccessRefused, TooLarge, AccessRefused]
    # A refusal costs the channel; frames sent on it behind its close would cost the connection as well.
    assert dropped == []


@both_ways
async def test_a_missing_exchange_is_missing(data: PlainDataVhost, stack: AsyncExitStack) -> None:
    connection = await connect(stack, data.url)
    with pytest.raises(NotDeclared):
        await connection.publish("x.nowhere", "a", b"x", message_id="1")


@both_ways
async def test_a_full_queue_says_so_and_keeps_what_it_has(data: PlainDataVhost, stack: AsyncExitStack) -> None:
    await data.add_queue(Q, {"x-max-length": 3, "x-overflow": "reject-publish"})
    connection = await connect(stack, data.url)
    refused = 0
    for number in range(15):
        try:
            await publish(connection, number)
        except QueueFull:
            refused += 1
    assert 10 <= refused <= 12
    await eventually_holds(data, Q, 15 - refused)


@both_ways
async def test_rejects_are_counted_and_releases_are_not(data: PlainDataVhost, stack: AsyncExitStack) -> None:
    await data.add_queue(Q)
    connection = await connect(stack, data.url)
    got: asyncio.Queue[Delivery] = asyncio.Queue()
    await connection.consume(Q, got.put_nowait, prefetch=1)
    await publish(connection, 1)
    attempts = []
    for settle in ("release", "release", "reject", "release", "reject"):
        delivery = await asyncio.wait_for(got.get(), 5)
        attempts.append(delivery.attempt)
        assert await getattr(delivery, settle)()
    attempts.append((await asyncio.wait_for(got.get(), 5)).attempt)
    assert attempts == [1, 1, 1, 2, 2, 3]


@both_ways
async def test_a_lost_lease_is_told_and_settling_it_does_no_harm(data: PlainDataVhost, stack: AsyncExitStack) -> None:
    await data.add_queue(Q)
    connection = await connect(stack, data.url)
    got: asyncio.Queue[Delivery] = asyncio.Queue()
    lost = asyncio.Event()
    await connection.consume(Q, got.put_nowait, prefetch=1, on_lost=lost.set)
    await publish(connection, 1)
    first = await got.get()
    assert await first.is_still_lent()
    await data.drop_connections()
    # The broker knows already, this process perhaps not yet.
    assert not await first.is_still_lent()
    await asyncio.wait_for(lost.wait(), 10)
    assert first.is_lost
    assert not await first.ack()
    assert not await first.reject()
    again = await asyncio.wait_for(got.get(), 10)
    assert again.id == first.id
    assert await again.ack()
    assert not await again.ack()


async def test_a_paused_consumer_takes_nothing_and_keeps_what_it_has(
    data: PlainDataVhost, stack: AsyncExitStack
) -> None:
    await data.add_queue(Q)
    connection = await connect(stack, data.url)
    got: list[Delivery] = []
    consumer = await connection.consume(Q, got.append, prefetch=1)
    await publish(connection, 1)
    await eventually(lambda: len(got) == 1)
    await consumer.pause()
    assert await got[0].ack()
    await publish(connection, 2)
    with pytest.raises(AssertionError, match="in vain"):
        await eventually(lambda: len(got) > 1, within_s=0.3)
    await consumer.resume()
    await eventually(lambda: len(got) == 2)


async def test_the_prefetch_bounds_what_is_on_loan_and_can_be_changed(
    data: PlainDataVhost, stack: AsyncExitStack
) -> None:
    await data.add_queue(Q)
    connection = await connect(stack, data.url)
    got: list[Delivery] = []
    consumer = await connection.consume(Q, got.append, prefetch=2)
    await asyncio.gather(*(publish(connection, n) for n in range(10)))
    await eventually(lambda: len(got) == 2)
    await consumer.set_prefetch(5)
    # What was on loan before stays on loan, to the old subscription.
    await eventually(lambda: len(got) == 7)
    assert all([await delivery.ack() for delivery in got])


async def test_a_queue_that_goes_and_comes_is_consumed_again(data: PlainDataVhost, stack: AsyncExitStack) -> None:
    await data.add_queue(Q)
    connection = await connect(stack, data.url)
    refused: list[EWMSError] = []
    got: list[Delivery] = []
    await connection.consume(Q, got.append, prefetch=1, on_refused=refused.append)
    async with connection.lend_channel() as channel:
        await channel.queue_delete(Q)
    await eventually(lambda: refused)
    assert isinstance(refused[0], NotDeclared)
    await data.add_queue(Q)
    await publish(connection, 1)
    await eventually(lambda: len(got) == 1)


@both_ways
@pytest.mark.parametrize("meanwhile", ["subscribed", "paused"])
async def test_what_was_settled_is_settled_even_if_the_connection_closes_at_once(
    data: PlainDataVhost, stack: AsyncExitStack, meanwhile: str
) -> None:
    # More than the 32 commands that a channel of the broker has under way at once; it forgets the rest as it closes.
    n = 100
    await data.add_queue(Q)
    connection = await connect(stack, data.url)
    await asyncio.gather(*(publish(connection, number) for number in range(n + 1)))
    consuming = await connect(stack, data.address, token=data.token(read=Q))
    got: list[Delivery] = []
    consumer = await consuming.consume(Q, got.append, prefetch=n)
    await eventually(lambda: len(got) == n)
    if meanwhile == "paused":
        await consumer.pause()
    assert all(await asyncio.gather(*(delivery.ack() for delivery in got[:n])))
    await consuming.close()
    done = {delivery.id for delivery in got[:n]}
    # With the connection gone, whatever was not settled is ready again: the one event more than was taken.
    left: list[Delivery] = []
    await connection.consume(Q, left.append, prefetch=n)
    await eventually(lambda: left)
    assert [delivery.id for delivery in left if delivery.id in done] == []
    assert len(left) == 1


async def test_a_large_event_and_the_small_ones_beside_it_arrive_whole(
    data: PlainDataVhost, stack: AsyncExitStack
) -> None:
    # Larger than a frame of the broker (128 KiB), and than what the socket takes at once.
    bodies = {"large-1": b"a" * 3_000_000, "large-2": b"b" * 200_001, **{f"small-{n}": b"c" * n for n in range(50)}}
    await data.add_queue(Q)
    connection = await connect(stack, data.url)
    got: dict[str, bytes] = {}
    await connection.consume(Q, lambda delivery: got.update({delivery.id: delivery.body}), prefetch=100)
    await asyncio.gather(
        *(connection.publish(f"x.{Q}", Q, body, message_id=event_id) for event_id, body in bodies.items())
    )
    await eventually(lambda: got == bodies)


async def test_an_event_that_nobody_waits_for_any_more_is_recalled_or_joined(
    data: PlainDataVhost, stack: AsyncExitStack
) -> None:
    await data.add_queue(Q)
    connection = await connect(stack, data.url)
    publisher = connection.open_publisher(window=1)
    await publisher.publish(f"x.{Q}", Q, b"x", message_id="opens the channel")
    properties = EventProperties("1")
    first, again = (publisher.post_event(f"x.{Q}", Q, b"x", properties) for _ in range(2))
    other = publisher.post_event(f"x.{Q}", Q, b"another body", properties)
    waits = asyncio.create_task(publisher.publish(f"x.{Q}", Q, b"x", message_id="2"))
    await asyncio.sleep(0)
    # The window is full, so this one has not left: nobody gets it.
    waits.cancel()
    await asyncio.gather(first, again, other)
    with pytest.raises(asyncio.CancelledError):
        await waits
    await eventually_holds(data, Q, 3)
    assert len(publisher._in_flight) == 0
    assert publisher._n_on_way == 0


async def test_texts_that_amqp_cannot_hold_fail_their_own_event_only(
    data: PlainDataVhost, stack: AsyncExitStack
) -> None:
    await data.add_queue(Q)
    publisher = (await connect(stack, data.url)).open_publisher(window=5)
    await publisher.publish(f"x.{Q}", Q, b"x", message_id="opens the channel")
    ids = [str(n) * (300 if n % 2 else 1) for n in range(1, 10)]
    found = await asyncio.gather(
        *(publisher.publish(f"x.{Q}", Q, b"x", message_id=event_id) for event_id in ids), return_exceptions=True
    )
    assert [isinstance(error, Rejected) for error in found] == [len(event_id) > 255 for event_id in ids]
    await eventually_holds(data, Q, 5)


async def test_a_version_of_the_library_that_is_not_known_is_told_once(
    data: PlainDataVhost, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(opening, "find_unknown_library", lambda: "aiormq 99.1")
    for _ in range(2):
        await connect(stack, data.url)
    assert [record.getMessage() for record in caplog.records if "99.1" in record.getMessage()] == [
        "events are slower: EWMS does not know the frames of aiormq 99.1"
    ]
