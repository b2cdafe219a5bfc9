"""A channel that consumes: it passes deliveries on, and sends their settlements."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from aiormq.abc import ChannelFrame, DeliveredMessage
from aiormq.channel import Channel
from aiormq.exceptions import ChannelInvalidStateError

from runtime.amqp.cancellation import CHANNEL_ERRORS, translate_channel_error
from runtime.amqp.oddities import read_short_str
from runtime.amqp.wire.frames import DELIVER, TAG, reject_frame, release_frame
from runtime.amqp.wire.properties import DecodedProperties, ReadProperties
from runtime.amqp.wire.settlements import AckBook
from runtime.amqp.wire.tap import Tap

log = logging.getLogger(__name__)


class Settler:
    """Sends the settlements of one channel. Acknowledgements of one iteration of the event loop are sent together."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._book = AckBook()

    @property
    def is_closed(self) -> bool:
        """Whether the channel is closed, so that all its deliveries are lost."""
        return self._channel.is_closed

    async def check_open(self, *, timeout_s: float) -> bool:
        """Ask the broker, and return whether the channel is open. `is_closed` tells only what this process knows.

        Return False if the broker does not answer within `timeout_s`.
        """
        if self._channel.is_closed:
            return False
        try:
            # The channel confirms already, so this changes nothing. But the broker answers, or has closed the channel.
            await self._channel.confirm_delivery(timeout=timeout_s)
        except TimeoutError:
            return False
        except CHANNEL_ERRORS as error:
            log.debug("the channel is gone: %s", translate_channel_error(error).reason)
            return False
        return not self._channel.is_closed

    def note_delivery(self, tag: int) -> None:
        """Record a delivery that must be settled."""
        self._book.add_delivery(tag)

    def acknowledge(self, tag: int) -> bool:
        """Tell the broker that the delivery is done. Return False if the channel is closed."""
        if self._channel.is_closed:
            return False
        if not self._book:
            asyncio.get_running_loop().call_soon(self.flush_acks)
        self._book.add_ack(tag)
        return True

    def reject(self, tag: int, *, requeue: bool) -> bool:
        """Tell the broker that the delivery failed. Return False if the channel is closed.

        With `requeue`, the broker returns the event to the queue; without, the event becomes a dead letter.
        """
        return self._settle_alone(tag, reject_frame(self._channel.number, tag, requeue=requeue))

    def release(self, tag: int) -> bool:
        """Return the delivery to its queue. Return False if the channel is closed."""
        return self._settle_alone(tag, release_frame(self._channel.number, tag))

    def flush_acks(self) -> None:
        """Send the acknowledgements that wait now. Frames sent later on the channel reach the broker after them."""
        if self._book:
            self._send_frames(self._book.take_frames(self._channel.number))

    def _settle_alone(self, tag: int, frame: bytes) -> bool:
        self.flush_acks()
        if not self._send_frames(frame):
            return False
        self._book.note_settled(tag)
        return True

    def _send_frames(self, frames: bytes) -> bool:
        if self._channel.is_closed:
            return False
        try:
            self._channel.write_queue.put_nowait(ChannelFrame(frames, should_close=False))
        except ChannelInvalidStateError as error:
            log.debug("not settled: %s", error)
            return False
        return True


class DeliveredContent:
    """A delivery from the broker: its route, its properties and its body. Each part is decoded when it is read."""

    __slots__ = ("_decoded", "_properties", "_route", "body", "tag")

    def __init__(self, route: bytes, properties: bytes, body: bytes) -> None:
        """`route` is the part of the method `basic.deliver` that begins with the delivery tag."""
        self._route = route
        self._properties = properties
        self._decoded: DecodedProperties | None = None
        self.body = body
        (self.tag,) = TAG.unpack_from(route)

    @property
    def properties(self) -> ReadProperties:
        """The event's properties."""
        if self._decoded is None:
            self._decoded = DecodedProperties(self._properties)
        return self._decoded

    @property
    def is_redelivered(self) -> bool:
        """Whether the broker has delivered the event before."""
        return bool(self._route[TAG.size] & 1)

    @property
    def exchange(self) -> str:
        """The exchange that the publisher used."""
        return read_short_str(self._route[TAG.size + 1 :])[1]

    @property
    def routing_key(self) -> str:
        """The routing key that the publisher used."""
        rest = self._route[TAG.size + 1 :]
        n_read, _ = read_short_str(rest)
        return read_short_str(rest[n_read:])[1]


class LibraryContent:
    """A delivery that the library has read and decoded."""

    __slots__ = ("_message",)

    def __init__(self, message: DeliveredMessage) -> None:
        self._message = message

    @property
    def tag(self) -> int:
        """The delivery's number on its channel."""
        return self._message.delivery_tag or 0

    @property
    def body(self) -> bytes:
        """The event's bytes."""
        return self._message.body

    @property
    def properties(self) -> ReadProperties:
        """The event's properties."""
        return self._message.header.properties

    @property
    def is_redelivered(self) -> bool:
        """Whether the broker has delivered the event before."""
        return bool(self._message.redelivered)

    @property
    def exchange(self) -> str:
        """The exchange that the publisher used."""
        return self._message.exchange or ""

    @property
    def routing_key(self) -> str:
        """The routing key that the publisher used."""
        return self._message.routing_key or ""


class DeliveryTaker:
    """Takes the deliveries of one channel from the tap, and calls `on_content` with each."""

    def __init__(self, tap: Tap, channel: Channel, on_content: Callable[[DeliveredContent], None]) -> None:
        self._tap = tap
        self._number = channel.number
        self._on_content = on_content
        self._route = b""
        tap.add_channel(channel.number, self)
        channel.closing.add_done_callback(self._note_closed)

    def begin_method(self, payload: bytes) -> bool | None:
        """Keep the method if it begins a delivery. See `FrameTaker`."""
        if payload[:4] != DELIVER:
            return False
        # The consumer's tag comes first, with its length before it.
        self._route = payload[5 + payload[4] :]
        return None

    def take_content(self, properties: bytes, body: bytes) -> None:
        """Call `on_content` with the delivery, which is complete now."""
        self._on_content(DeliveredContent(self._route, properties, body))

    def _note_closed(self, closing: "asyncio.Future[Any]") -> None:
        self._tap.remove_channel(self._number, self)
        if not closing.cancelled():
            closing.exception()
