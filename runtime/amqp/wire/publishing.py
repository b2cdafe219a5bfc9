"""A channel that publishes: it sends events, and reports for each event what the broker did with it.

There are two kinds of channels with the same behaviour: `TappedPublishing` writes frames by hand, and needs a
connection with a tap. `LibraryPublishing` calls the library's `basic_publish`.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from aiormq.abc import ChannelFrame
from aiormq.channel import Channel
from aiormq.exceptions import ChannelClosed, DeliveryError

from runtime.amqp.errors import QueueFull, Unroutable, translate_error
from runtime.amqp.wire.confirms import ConfirmBook, Verdict
from runtime.amqp.wire.frames import ACK, NACK, RETURN, TAG, content_frames, publish_frame
from runtime.amqp.wire.properties import DecodedProperties, EventProperties
from runtime.amqp.wire.tap import Tap
from schemas.errors import EWMSError

#: A body of at least this size waits until the socket has accepted the large body before it. Otherwise the large bodies
#: of a whole window would collect in memory.
DRAIN_FROM_BYTES = 32 * 1024

#: How many exchanges and routing keys a channel remembers as bytes.
_MAX_REMEMBERED = 1000


class OutgoingEvent(Protocol):
    """An event on its way to the broker."""

    exchange: str
    routing_key: str
    body: bytes
    properties: EventProperties


#: Called once for each event with its error: None if the broker has the event, an `EWMSError` if the broker refused it,
#: and the library's error if the channel closed before the broker's answer.
OnOutcome = Callable[[Any, BaseException | None], None]


class PublishingChannel(Protocol):
    """A channel on which the broker confirms each event."""

    @property
    def is_closed(self) -> bool:
        """Whether the channel is closed, so that it can send no event."""
        ...

    def send_event(self, event: OutgoingEvent) -> asyncio.Future[None] | None:
        """Send an event. For a large body, return a future that is done when the socket has accepted the body.

        Raises:
            Rejected: a text of the event is longer than AMQP allows.
            TypeError, ValueError: AMQP cannot hold a header.
            RuntimeError: the channel is closed.
        """
        ...

    async def close(self) -> None:
        """Send the frames that wait, and close the channel."""
        ...


class TappedPublishing:
    """A channel that sends events as frames of our own."""

    def __init__(self, tap: Tap, channel: Channel, on_outcome: OnOutcome) -> None:
        self._tap = tap
        self._channel = channel
        self._on_outcome = on_outcome
        self._book: ConfirmBook[OutgoingEvent] = ConfirmBook()
        self._publish_frames: dict[tuple[str, str], bytes] = {}
        tap.add_channel(channel.number, self)
        channel.closing.add_done_callback(self._note_closed)

    @property
    def is_closed(self) -> bool:
        """Whether the channel is closed, so that it can send no event."""
        return self._channel.is_closed

    def send_event(self, event: OutgoingEvent) -> asyncio.Future[None] | None:
        """Send an event; see `PublishingChannel`."""
        channel, body = self._channel, event.body
        route = (event.exchange, event.routing_key)
        method = self._publish_frames.get(route)
        if method is None:
            if len(self._publish_frames) >= _MAX_REMEMBERED:
                self._publish_frames.clear()
            method = self._publish_frames[route] = publish_frame(channel.number, *route)
        content = content_frames(channel.number, event.properties.encode(), body, channel.max_content_size)
        drained = asyncio.get_running_loop().create_future() if len(body) >= DRAIN_FROM_BYTES else None
        channel.write_queue.put_nowait(ChannelFrame(method + content, should_close=False, drain_future=drained))
        self._book.add_event(event, event.properties.message_id)
        return drained

    async def close(self) -> None:
        """Send the frames that wait, and close the channel."""
        await _close_channel(self._channel)

    def begin_method(self, payload: bytes) -> bool | None:
        """Handle a confirm, or the beginning of a returned event. See `FrameTaker`."""
        method = payload[:4]
        if method in (ACK, NACK):
            (tag,) = TAG.unpack_from(payload, 4)
            and_earlier = bool(payload[12] & 1)
            for event, verdict in self._book.settle_events(tag, and_earlier=and_earlier, is_refused=method == NACK):
                self._on_outcome(event, _error_of(verdict))
            return True
        return None if method == RETURN else False

    def take_content(self, properties: bytes, body: bytes) -> None:
        """Record that the broker has returned this event, because no queue takes it."""
        self._book.note_returned(DecodedProperties(properties).message_id or "")

    def _note_closed(self, closing: "asyncio.Future[Any]") -> None:
        self._tap.remove_channel(self._channel.number, self)
        error = None if closing.cancelled() else closing.exception()
        for event in self._book.take_all():
            self._on_outcome(event, error or ChannelClosed(None, None))


class LibraryPublishing:
    """A channel whose events the library sends. This uses only the library's public calls."""

    def __init__(self, channel: Channel, on_outcome: OnOutcome) -> None:
        self._channel = channel
        self._on_outcome = on_outcome
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_closed(self) -> bool:
        """Whether the channel is closed, so that it can send no event."""
        return self._channel.is_closed

    def send_event(self, event: OutgoingEvent) -> asyncio.Future[None] | None:
        """Send an event; see `PublishingChannel`. The library itself makes large bodies wait."""
        if self._channel.is_closed:
            raise ChannelClosed(None, None)
        task = asyncio.create_task(self._publish_event(event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return None

    async def close(self) -> None:
        """Send the frames that wait, and close the channel."""
        await _close_channel(self._channel)

    async def _publish_event(self, event: OutgoingEvent) -> None:
        try:
            await self._channel.basic_publish(
                event.body,
                exchange=event.exchange,
                routing_key=event.routing_key,
                properties=event.properties.to_library(),
                mandatory=True,
                wait=len(event.body) >= DRAIN_FROM_BYTES,
            )
        except DeliveryError as error:
            self._on_outcome(event, translate_error(error))
        except BaseException as error:  # noqa: BLE001 - each event has an outcome, and the publisher judges it
            self._on_outcome(event, error)
        else:
            self._on_outcome(event, None)


def _error_of(verdict: Verdict) -> EWMSError | None:
    match verdict:
        case Verdict.TAKEN:
            return None
        case Verdict.UNROUTABLE:
            return Unroutable("the event found no queue")
        case Verdict.REFUSED:
            return QueueFull("the queue refused the event")


async def _close_channel(channel: Channel) -> None:
    if not channel.is_closed:
        await asyncio.gather(channel.close(timeout=5.0), return_exceptions=True)
