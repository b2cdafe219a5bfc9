"""Each wait for a confirm has one end, whatever the broker, the channel and the callers do meanwhile."""

import asyncio
import gc
import sys
import weakref
from collections.abc import Callable
from typing import Any, cast
from unittest.mock import patch

import pytest
from aiormq.exceptions import ChannelAccessRefused, ChannelClosed, ChannelInvalidStateError
from hypothesis import given
from hypothesis import strategies as st

from runtime.amqp import AccessRefused, ConfirmedPublisher, ConnectionLost, EventProperties, QueueFull
from runtime.amqp.in_flight import ConfirmWait, ConfirmWaiter, EventInFlight
from runtime.amqp.link import Link
from schemas.errors import EWMSError
from tests.waiting import eventually

WINDOW = 3
OUTCOMES: dict[str, EWMSError | None] = {"confirm": None, "refuse": QueueFull("the queue refused the event")}


class FakeChannel:
    """A channel whose broker acts when the test says so."""

    def __init__(self, on_outcome: Callable[[Any, BaseException | None], None]) -> None:
        self.is_closed = False
        self.sent: list[EventInFlight] = []
        self._on_outcome = on_outcome

    def send_event(self, event: EventInFlight) -> None:
        if self.is_closed:
            raise ChannelInvalidStateError("closed")
        # The broker returns an event by its id.
        assert event.message_id not in [earlier.message_id for earlier in self.sent]
        self.sent.append(event)
        assert len(self.sent) <= WINDOW

    def settle(self, number: int, error: EWMSError | None) -> EventInFlight | None:
        if not self.sent:
            return None
        event = self.sent.pop(number % len(self.sent))
        self._on_outcome(event, error)
        return event

    def end(self, error: BaseException) -> None:
        self.is_closed = True
        lost, self.sent = self.sent, []
        for event in lost:
            self._on_outcome(event, error)

    async def close(self) -> None:
        self.end(ChannelClosed(None, None))


class FakeLink:
    """A link to such a broker. It is its own blockade."""

    def __init__(self) -> None:
        self.reason = ""
        self.error = None
        self.channel: FakeChannel | None = None
        self._over = asyncio.Event()
        self._over.set()

    @property
    def blockade(self) -> "FakeLink":
        return self

    def block(self, reason: str) -> None:
        self.reason = reason
        (self._over.clear if reason else self._over.set)()

    async def wait_until_over(self) -> None:
        await self._over.wait()

    async def wait_until_ready(self) -> None:
        pass

    async def open_publishing_channel(self, on_outcome: Callable[[Any, BaseException | None], None]) -> FakeChannel:
        await asyncio.sleep(0)
        self.channel = FakeChannel(on_outcome)
        return self.channel


POSTS = st.tuples(st.sampled_from(["post", "call"]), st.integers(0, 4), st.sampled_from([b"a", b"b"]))
ACTIONS = st.one_of(
    POSTS,
    POSTS,
    st.tuples(st.sampled_from(["confirm", "refuse", "expire"]), st.integers(0, 9), st.just(b"")),
    st.tuples(st.sampled_from(["turn", "turn", "lose", "block", "unblock"]), st.just(0), st.just(b"")),
)


async def run_story(actions: list[tuple[str, int, bytes]]) -> None:
    link = FakeLink()
    publisher = ConfirmedPublisher(cast(Link, link), window=WINDOW)
    waiters: list[ConfirmWait] = []
    calls: dict[ConfirmWait, list[BaseException | None]] = {}
    outcomes: dict[EventInFlight, EWMSError | None] = {}

    def settle(number: int, error: EWMSError | None) -> bool:
        event = link.channel.settle(number, error) if link.channel is not None else None
        if event is not None:
            assert event not in outcomes
            outcomes[event] = error
        return event is not None

    for action, number, body in actions:
        match action:
            case "post":
                properties = EventProperties(f"id-{number}")
                waiters.append(publisher.post_event("x", "k", body, properties, timeout_s=None))
            case "call":
                properties, errors = EventProperties(f"id-{number}"), list[BaseException | None]()
                publisher.post_event_and_call(errors.append, "x", "k", body, properties, timeout_s=None)
                wait = publisher._in_flight.join_event("x", "k", body, properties).waiters[-1]
                waiters.append(wait)
                calls[wait] = errors
            case "confirm" | "refuse":
                settle(number, OUTCOMES[action])
            case "expire":
                open_waits = [waiter for waiter in waiters if not waiter.done()]
                if open_waits:
                    publisher._expire_wait(open_waits[number % len(open_waits)])
            case "lose" if link.channel is not None:
                link.channel.end(ChannelClosed(None, None))
            case "block" | "unblock":
                link.block("low on memory" if action == "block" else "")
            case _:
                await asyncio.sleep(0)
    link.block("")
    for _ in range(200):
        if not settle(0, None):
            await asyncio.sleep(0)
    assert all(waiter.done() for waiter in waiters)
    assert (publisher._n_on_way, len(publisher._in_flight), list(publisher._backlog)) == (0, 0, [])
    assert all(len(errors) == 1 for errors in calls.values())
    for waiter in waiters:
        error = waiter.exception() if isinstance(waiter, ConfirmWaiter) else calls[waiter][0]
        if isinstance(error, ConnectionLost):
            continue  # it has expired
        assert outcomes[waiter.event] is error


@given(st.lists(ACTIONS, max_size=40))
def test_every_wait_ends_once_and_nothing_is_left_over(actions: list[tuple[str, int, bytes]]) -> None:
    with patch("runtime.amqp.publisher.full_jitter", lambda *_, **__: 0.0):
        asyncio.run(run_story(actions))


async def opened() -> tuple[ConfirmedPublisher, FakeLink]:
    link = FakeLink()
    publisher = ConfirmedPublisher(cast(Link, link), window=WINDOW)
    first = publisher.post_event("x", "k", b"", EventProperties("opens the channel"))
    while link.channel is None or not link.channel.sent:
        await asyncio.sleep(0)
    link.channel.settle(0, None)
    await first
    return publisher, link


async def test_an_event_on_an_open_channel_costs_no_task() -> None:
    publisher, link = await opened()
    n_tasks = len(asyncio.all_tasks())
    waiters = [publisher.post_event("x", "k", b"", EventProperties(str(n))) for n in range(10)]
    assert len(asyncio.all_tasks()) == n_tasks
    assert link.channel is not None
    for _ in waiters:
        link.channel.settle(0, None)
    await asyncio.gather(*waiters)


async def test_an_event_that_nobody_waits_for_is_dropped_and_nobody_joins_it() -> None:
    publisher, link = await opened()
    link.block("low on memory")
    dropped = publisher.post_event("x", "k", b"", EventProperties("1"))
    await asyncio.sleep(0)
    publisher._expire_wait(dropped)
    assert "low on memory" in str(dropped.exception())
    again = publisher.post_event("x", "k", b"", EventProperties("1"))
    assert again.event is not dropped.event
    link.block("")
    assert link.channel is not None
    while not link.channel.sent:
        await asyncio.sleep(0)
    assert [event is again.event for event in link.channel.sent] == [True]
    link.channel.settle(0, None)
    await again


async def test_the_event_that_closes_a_channel_fails_and_the_others_are_sent_again() -> None:
    publisher, link = await opened()
    assert link.channel is not None
    bad = publisher.post_event("x.bad", "k", b"", EventProperties("bad"))
    good = publisher.post_event("x.good", "k", b"", EventProperties("good"))
    link.channel.end(ChannelAccessRefused("ACCESS_REFUSED - write to exchange 'x.bad' refused"))
    assert isinstance(bad.exception(), AccessRefused)
    while not link.channel.sent:
        await asyncio.sleep(0.01)
    link.channel.settle(0, None)
    await good


async def test_an_event_that_is_over_is_freed_at_once() -> None:
    publisher, link = await opened()
    assert link.channel is not None
    gc.disable()
    try:
        body = bytearray(b"large")
        waiter = publisher.post_event("x", "k", cast(bytes, body), EventProperties("1"), timeout_s=None)
        link.channel.settle(0, None)
        assert waiter.done()
        assert sys.getrefcount(body) == 2
        freed = weakref.ref(waiter.event)
        del waiter
        assert freed() is None
    finally:
        gc.enable()


async def test_many_events_that_cannot_be_written_fail_without_a_deep_stack() -> None:
    publisher, link = await opened()
    assert link.channel is not None
    link.channel.send_event = lambda event: 1 / 0  # type: ignore[assignment]  # what AMQP cannot hold
    full = [publisher.post_event("x", "k", b"", EventProperties(str(n))) for n in range(5000)]
    assert all(isinstance(waiter.exception(), ZeroDivisionError) for waiter in full)
    assert publisher._n_on_way == 0


async def test_no_event_overtakes_another_of_its_id_when_one_between_them_is_dropped() -> None:
    publisher, link = await opened()
    assert link.channel is not None
    first = publisher.post_event("x", "k", b"a", EventProperties("1"))
    publisher._expire_wait(publisher.post_event("x", "k", b"b", EventProperties("1")))
    third = publisher.post_event("x", "k", b"c", EventProperties("1"))
    assert [event.body for event in link.channel.sent] == [b"a"]
    link.channel.settle(0, None)
    assert [event.body for event in link.channel.sent] == [b"c"]
    link.channel.settle(0, None)
    await asyncio.gather(first, third)


async def test_a_callback_that_raises_an_error_ends_its_own_event_only() -> None:
    link = FakeLink()
    publisher = ConfirmedPublisher(cast(Link, link), window=WINDOW)

    def fail(_: BaseException | None) -> None:
        raise ValueError("a fault of the caller's")

    publisher.post_event_and_call(fail, "x", "k", b"", EventProperties("1"))
    other = publisher.post_event("x", "k", b"", EventProperties("2"))
    while link.channel is None or len(link.channel.sent) < 2:
        await asyncio.sleep(0)
    link.channel.settle(0, None)
    link.channel.settle(0, None)
    async with asyncio.timeout(30):
        await other
    assert (publisher._n_on_way, len(publisher._in_flight)) == (0, 0)


async def test_an_event_that_may_not_repeat_is_sent_once_and_its_loss_is_told() -> None:
    link = FakeLink()
    publisher = ConfirmedPublisher(cast(Link, link), window=WINDOW)
    sending = [
        publisher.post_event("x", "k", b"a", EventProperties(f"e{n}", "", None, ""), timeout_s=None, may_repeat=n == 2)
        for n in range(3)
    ]
    await until_sent(link, 3)
    assert link.channel is not None
    link.channel.settle(0, None)
    link.channel.end(ChannelClosed(None, None))
    await sending[0]
    # The broker may have it: to send it again could make two of it.
    with pytest.raises(ConnectionLost):
        await sending[1]
    await until_sent(link, 1)
    assert [event.message_id for event in link.channel.sent] == ["e2"]
    link.channel.settle(0, None)
    await sending[2]


async def until_sent(link: FakeLink, n: int) -> None:
    """Return as soon as the channel that is open now has `n` events without a confirm."""
    await eventually(lambda: link.channel is not None and not link.channel.is_closed and len(link.channel.sent) == n)
