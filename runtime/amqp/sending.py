"""Send frames on a connection: in one write for each iteration of the event loop, and none on a closed channel.

The library writes each frame separately. And when the broker closes a channel because it refuses one event, the library
still sends the other waiting events. After the close these frames belong to no channel, and the broker then ends the
whole connection ("expected 'channel.open'"). This queue refuses such frames, and their publisher sends the events again
on the next channel.
"""

import asyncio
from collections import deque

from aiormq.abc import ChannelFrame
from aiormq.exceptions import ChannelInvalidStateError

# A method frame: type, channel, size, then class and method. Source: AMQP 0-9-1 specification, 2.3.5.
_METHOD = 1
_CHANNEL_OPEN = b"\x00\x14\x00\x0a"
_CHANNEL_CLOSE_OK = b"\x00\x14\x00\x29"


class SendQueue(asyncio.Queue[ChannelFrame]):
    """Replaces the library's send queue, and passes frames on to that queue (`onward`)."""

    def __init__(self, onward: asyncio.Queue[ChannelFrame]) -> None:
        super().__init__()
        self._onward = onward
        self._payloads: list[bytes] = []
        self._closed_channels: set[int] = set()
        self._flush_is_due = False
        #: The frames that wait for room in the library's queue.
        self._waiting: deque[ChannelFrame] = deque()
        self._handing_on: asyncio.Task[None] | None = None
        self._abandoned = False

    async def put(self, item: ChannelFrame) -> None:
        """Send `item` at the end of this iteration of the event loop. This returns at once.

        Raises:
            ChannelInvalidStateError: the frame's channel, or the connection, is closed.
        """
        self.put_nowait(item)

    def put_nowait(self, item: ChannelFrame) -> None:
        """Send `item` as `put` does, with the same errors."""
        self._check_channel(item.payload)
        if item.drain_future is not None or item.should_close:
            # The library handles this frame's future, or ends after this frame. So send the frames before it first.
            self._flush_frames()
            self._pass_frame(item)
            return
        self._payloads.append(item.payload)
        if not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_soon(self._end_of_turn)

    def abandon_all(self) -> None:
        """Drop all frames, because the connection is lost."""
        self._abandoned = True
        self._payloads.clear()
        self._waiting.clear()
        if self._handing_on is not None:
            self._handing_on.cancel()

    def _check_channel(self, payload: bytes) -> None:
        number = int.from_bytes(payload[1:3])
        method = payload[7:11] if payload[0] == _METHOD else b""
        if method == _CHANNEL_OPEN:
            self._closed_channels.discard(number)
        if self._abandoned or number in self._closed_channels:
            raise ChannelInvalidStateError(f"channel {number} is closed")
        if method == _CHANNEL_CLOSE_OK:
            self._closed_channels.add(number)

    def _end_of_turn(self) -> None:
        self._flush_is_due = False
        self._flush_frames()

    def _flush_frames(self) -> None:
        if self._payloads:
            joined = ChannelFrame(b"".join(self._payloads), should_close=False)
            self._payloads.clear()
            self._pass_frame(joined)

    def _pass_frame(self, frame: ChannelFrame) -> None:
        if not self._waiting and not self._onward.full():
            self._onward.put_nowait(frame)
            return
        self._waiting.append(frame)
        if self._handing_on is None or self._handing_on.done():
            self._handing_on = asyncio.create_task(self._pass_waiting_frames())

    async def _pass_waiting_frames(self) -> None:
        while self._waiting:
            # The frame stays first until the library has taken it, so that no other frame overtakes it.
            await self._onward.put(self._waiting[0])
            self._waiting.popleft()
