"""Take the frames of events from the library's connection, between the socket and the library.

    socket ──► Tap ──► a channel's own frames: confirms, returned events, deliveries
                └────► all others, unchanged and in their order: the library

The library gets its transport from a factory of ours, which installs the tap before the first byte arrives.
"""

import asyncio
import logging
from functools import cache
from importlib.metadata import version
from typing import Any, Protocol, cast

import aio_pika
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from yarl import URL

from runtime.amqp.wire.frames import BODY, FRAME_BYTES, FRAME_END, HEAD, HEADER, HEARTBEAT, METHOD, PROPERTIES_AT, TAG

log = logging.getLogger(__name__)

#: The versions with which we have tested the tap. Another version of the library reads all frames itself.
_KNOWN = {"aio-pika": "10.2.", "aiormq": "7.2."}

#: The library ends a connection on which it has read nothing for a long time, and does not see what the tap takes. So
#: if the tap takes all frames, it gives the library a heartbeat once in this many seconds.
_SHOW_LIFE_S = 1.0

#: The beginning of the answer of a broker that does not speak our version of AMQP. This answer has no frame.
_OTHER_PROTOCOL = b"AMQP"

_unpack_head, _unpack_number = HEAD.unpack_from, TAG.unpack_from


class FrameTaker(Protocol):
    """A channel that takes some of its frames itself, instead of the library."""

    def begin_method(self, payload: bytes) -> bool | None:
        """Handle a method frame if it is for this taker.

        Return True if the frame was all, None if the content of an event follows, and False if the frame is the
        library's.
        """
        ...

    def take_content(self, properties: bytes, body: bytes) -> None:
        """Handle the content that followed the last method."""
        ...


class _Intake:
    """The frames of one channel. It joins the frames of an event's content."""

    __slots__ = ("_is_in_content", "_n_missing", "_parts", "_properties", "_taker")

    def __init__(self, taker: FrameTaker) -> None:
        self._taker = taker
        self._is_in_content = False
        self._properties = b""
        self._parts: list[bytes] = []
        self._n_missing = 0

    def take_frame(self, kind: int, payload: bytes) -> bool:
        """Take a frame. Return False if the frame is the library's."""
        if kind == METHOD:
            taken = self._taker.begin_method(payload)
            self._is_in_content = taken is None
            return taken is not False
        if not self._is_in_content:
            return False
        if kind == HEADER:
            (self._n_missing,) = _unpack_number(payload, 4)
            self._properties = payload[PROPERTIES_AT:]
        elif kind == BODY:
            self._parts.append(payload)
            self._n_missing -= len(payload)
        if self._n_missing <= 0:
            body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._parts = []
            self._is_in_content = False
            self._taker.take_content(self._properties, body)
        return True


class Tap(asyncio.Protocol):
    """The protocol of one connection's transport. `library` is the library's own protocol."""

    def __init__(self, library: asyncio.Protocol) -> None:
        self._library = library
        self._intakes: dict[int, _Intake] = {}
        self._rest = b""
        self._loop = asyncio.get_running_loop()
        self._shown_at = self._loop.time()
        self._is_out_of_step = False

    def add_channel(self, number: int, taker: FrameTaker) -> None:
        """Offer the frames of the channel `number` to `taker` before the library."""
        self._intakes[number] = _Intake(taker)

    def remove_channel(self, number: int, taker: FrameTaker) -> None:
        """Leave the frames of the channel `number` to the library again, unless it has another taker by now."""
        intake = self._intakes.get(number)
        if intake is not None and intake._taker is taker:
            del self._intakes[number]

    def data_received(self, data: bytes) -> None:
        """Take the frames of events out of `data`, and pass the other frames on to the library."""
        if self._is_out_of_step or data.startswith(_OTHER_PROTOCOL):
            self._library.data_received(data)
            return
        if self._rest:
            data = self._rest + data
        at, end, intakes, others = 0, len(data), self._intakes, []
        while end - at >= FRAME_BYTES:
            kind, number, size = _unpack_head(data, at)
            after = at + size + FRAME_BYTES
            if after > end:
                break
            if data[after - 1] != FRAME_END:
                self._is_out_of_step = True  # the library finds that, too, and ends the connection
                after = end
            elif (intake := intakes.get(number)) is not None and self._offer_frame(
                intake, kind, data[at + HEAD.size : after - 1]
            ):
                at = after
                continue
            others.append(data[at:after])
            at = after
        self._rest = data[at:]
        if others:
            self._library.data_received(b"".join(others))
            self._shown_at = self._loop.time()
        elif self._loop.time() - self._shown_at > _SHOW_LIFE_S:
            self._library.data_received(HEARTBEAT)
            self._shown_at = self._loop.time()

    def _offer_frame(self, intake: _Intake, kind: int, payload: bytes) -> bool:
        try:
            return intake.take_frame(kind, payload)
        except Exception:
            # An error here would end the connection, and all events on loan would be lost.
            log.exception("a callback for an event raised an error")
            return True

    def eof_received(self) -> bool | None:
        """Tell the library that the broker sends no more bytes. First pass on the bytes of an incomplete frame."""
        self._pass_rest()
        return self._library.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the library that the connection is lost. First pass on the bytes of an incomplete frame."""
        self._pass_rest()
        self._library.connection_lost(exc)

    def _pass_rest(self) -> None:
        if self._rest:
            self._library.data_received(self._rest)
            self._rest = b""

    def pause_writing(self) -> None:
        """Tell the library that the socket takes no bytes for now."""
        self._library.pause_writing()

    def resume_writing(self) -> None:
        """Tell the library that the socket takes bytes again."""
        self._library.resume_writing()


class TappedConnection(aio_pika.Connection):
    """A connection of the library, with a tap. `aio_pika.connect` makes objects of this class."""

    def __init__(self, url: URL, *arguments: Any, **options: Any) -> None:
        super().__init__(url, *arguments, **options)
        self._factory = _TappingFactory(TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory())
        self.kwargs["transport_factory"] = self._factory

    @property
    def tap(self) -> Tap | None:
        """The tap; None if the connection has never been open."""
        return self._factory.tap


class _TappingFactory(TransportFactory):
    """Opens a transport as the library does, and installs a tap on it."""

    def __init__(self, factory: TransportFactory) -> None:
        self._factory = factory
        self.tap: Tap | None = None

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open the transport. The broker sends nothing before we do, so the tap sees the first byte."""
        reader, writer = await self._factory.create(url, **kwargs)
        transport = cast(asyncio.Transport, writer.transport)
        self.tap = Tap(cast(asyncio.Protocol, transport.get_protocol()))
        transport.set_protocol(self.tap)
        return reader, writer


@cache
def find_unknown_library() -> str:
    """Return the name and version of each library with which we have not tested the tap; empty if there is none."""
    unknown = (f"{name} {found}" for name, known in _KNOWN.items() if not (found := version(name)).startswith(known))
    return ", ".join(unknown)
