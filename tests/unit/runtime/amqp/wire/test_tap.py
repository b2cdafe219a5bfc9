"""The tap takes the frames of events, wherever the socket cuts them, and passes on all others."""

import asyncio
import logging
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic, Channel, Connection
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from runtime.amqp.wire.consuming import DeliveredContent
from runtime.amqp.wire.frames import DELIVER, HEARTBEAT
from runtime.amqp.wire.tap import Tap


class Library:
    """The library's protocol: keeps what it gets."""

    def __init__(self) -> None:
        self.got = b""
        self.calls: list[str] = []

    def data_received(self, data: bytes) -> None:
        self.got += data

    def eof_received(self) -> bool:
        self.calls.append("eof")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append(f"lost {exc}")

    def pause_writing(self) -> None:
        self.calls.append("pause")

    def resume_writing(self) -> None:
        self.calls.append("resume")


class Taker:
    """Takes deliveries."""

    def __init__(self) -> None:
        self.got: list[DeliveredContent] = []
        self._route = b""

    def begin_method(self, payload: bytes) -> bool | None:
        if payload[:4] != DELIVER:
            return False
        self._route = payload[5 + payload[4] :]
        return None

    def take_content(self, properties: bytes, body: bytes) -> None:
        self.got.append(DeliveredContent(self._route, properties, body))


def delivery(channel: int, tag: int, body: bytes, *, frame_size: int = 1000, method: object = None) -> bytes:
    method = method or Basic.Deliver("consumer", tag, bool(tag % 2), "x.q", f"key-{tag}")
    header = ContentHeader(body_size=len(body), properties=Basic.Properties(message_id=f"id-{tag}"))
    parts = [ContentBody(body[at : at + frame_size]) for at in range(0, len(body), frame_size)]
    return b"".join(frame.marshal(each, channel) for each in (method, header, *parts))  # type: ignore[arg-type]


async def make_tap() -> tuple[Tap, Library, Taker]:
    library, taker = Library(), Taker()
    tap = Tap(cast(asyncio.Protocol, library))
    tap.add_channel(1, taker)
    return tap, library, taker


#: What else comes on a connection: the library's, also on a channel whose deliveries are ours.
OTHERS = [
    frame.marshal(Heartbeat(), 0),
    frame.marshal(Connection.Blocked("low on memory"), 0),
    frame.marshal(Basic.CancelOk("consumer"), 1),
    frame.marshal(Channel.CloseOk(), 2),
    frame.marshal(Basic.Ack(3, True), 1),
    delivery(2, 1, b"for the library"),
    delivery(1, 9, b"returned", method=Basic.Return(312, "NO_ROUTE", "x", "k")),
]


@given(
    st.lists(st.one_of(st.binary(max_size=60), st.sampled_from(range(len(OTHERS)))), max_size=12),
    st.integers(1, 25),
    st.lists(st.integers(1, 40), max_size=60),
)
def test_frames_cut_anywhere_are_whole_and_in_order(what: list[bytes | int], frame_size: int, cuts: list[int]) -> None:
    async def run() -> None:
        tap, library, taker = await make_tap()
        sent, bodies, others = b"", [], b""
        for tag, each in enumerate(what, 1):
            if isinstance(each, bytes):
                sent += delivery(1, tag, each, frame_size=frame_size)
                bodies.append((tag, each))
            else:
                sent += OTHERS[each]
                others += OTHERS[each]
        for cut in cuts:
            tap.data_received(sent[:cut])
            sent = sent[cut:]
        tap.data_received(sent)
        assert [(one.tag, one.body) for one in taker.got] == bodies
        assert library.got == others
        for one in taker.got:
            assert (one.exchange, one.routing_key, one.properties.message_id, one.is_redelivered) == (
                "x.q",
                f"key-{one.tag}",
                f"id-{one.tag}",
                bool(one.tag % 2),
            )

    asyncio.run(run())


async def test_a_channel_that_is_over_is_the_librarys_and_its_number_may_have_another_taker() -> None:
    tap, library, taker = await make_tap()
    other = Taker()
    tap.add_channel(1, other)
    tap.remove_channel(1, taker)
    tap.data_received(delivery(1, 1, b"x"))
    assert [one.body for one in other.got] == [b"x"]
    tap.remove_channel(1, other)
    tap.data_received(delivery(1, 2, b"y"))
    assert library.got == delivery(1, 2, b"y")


async def test_an_error_of_a_callback_costs_no_connection(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Taker):
        def take_content(self, properties: bytes, body: bytes) -> None:
            super().take_content(properties, body)
            raise ZeroDivisionError

    tap, library, _ = await make_tap()
    broken = Broken()
    tap.add_channel(1, broken)
    with caplog.at_level(logging.ERROR):
        tap.data_received(delivery(1, 1, b"a") + delivery(1, 2, b"b"))
    assert [one.body for one in broken.got] == [b"a", b"b"]
    assert library.got == b""
    assert len(caplog.records) == 2


async def test_the_library_sees_that_the_broker_lives_while_only_events_come(monkeypatch: pytest.MonkeyPatch) -> None:
    tap, library, _ = await make_tap()
    now_s = tap._shown_at
    monkeypatch.setattr(tap, "_loop", SimpleNamespace(time=lambda: now_s))
    beats = []
    for _ in range(6):
        now_s += 0.6
        tap.data_received(delivery(1, 1, b"x"))
        beats.append(library.got.count(HEARTBEAT))
    assert beats == [0, 1, 1, 2, 2, 3]
    assert library.got == HEARTBEAT * 3


async def test_bytes_that_are_no_frames_go_to_the_library_which_ends_the_connection() -> None:
    tap, library, taker = await make_tap()
    good = delivery(1, 1, b"x")
    broken = good[:-1] + b"\x00" + good
    tap.data_received(good + broken)
    tap.data_received(b"more")
    assert len(taker.got) == 1
    assert library.got.endswith(good + b"more")

    other, library, _ = await make_tap()
    other.data_received(b"AMQP\x00\x00\x09\x01")
    assert library.got == b"AMQP\x00\x00\x09\x01"


async def test_the_end_of_a_connection_and_its_pauses_are_the_librarys() -> None:
    tap, library, _ = await make_tap()
    tap.data_received(delivery(2, 1, b"x")[:5])
    tap.pause_writing()
    tap.resume_writing()
    assert tap.eof_received()
    tap.connection_lost(None)
    assert (library.got, library.calls) == (delivery(2, 1, b"x")[:5], ["pause", "resume", "eof", "lost None"])
