"""Follow a stream of server-sent events over breaks of the connection, or learn from one when to look again."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol
from urllib.parse import urlencode

from ewms.errors import ServerDown, Unreachable
from ewms.gateway.event_reader import StreamedEvent
from schemas.errors import EWMSError

#: How long to wait before a broken stream is opened again, and how often in a row `follow_over_breaks` does that.
_RECONNECT_S = 2.0
_MOST_BREAKS = 30
#: After this time we ask again for a stream that the server refused or did not know.
_REFUSED_AGAIN_S = 60.0


class SendsEvents(Protocol):
    """The part of a gateway's client that this module needs: its streams of events."""

    def follow(self, path: str) -> AsyncIterator[StreamedEvent]: ...


async def follow_over_breaks(
    gateway: SendsEvents, path: str, *, after: str = ""
) -> AsyncGenerator[StreamedEvent, None]:
    """Yield the events of the stream `path` that come after the event with the id `after`.

    If the connection breaks, or the server ends the stream, this goes on after the last event. It never ends by itself.

    Raises:
        Refused, NotSignedIn, NotThere: the server refuses the stream.
        Unreachable, ServerDown: the server did not answer several times in a row.
    """
    last_id, n_breaks = after, 0
    while True:
        try:
            query = urlencode({"last_event_id": last_id}) if last_id else ""
            async for event in gateway.follow(f"{path}?{query}"):
                n_breaks, last_id = 0, event.id
                yield event
        except (Unreachable, ServerDown):
            n_breaks += 1
            if n_breaks > _MOST_BREAKS:
                raise
        await asyncio.sleep(_RECONNECT_S)


class ChangeWatch:
    """Learns from a stream when something has changed. Without a stream, its user must look regularly."""

    def __init__(self, gateway: SendsEvents, path: str) -> None:
        self._gateway = gateway
        self._path = path
        self._events: AsyncGenerator[StreamedEvent, None] | None = None
        self._coming: asyncio.Task[StreamedEvent] | None = None
        #: Whether the open stream has sent anything. Until then it may be one that says nothing.
        self._is_live = False
        self._open_at = 0.0

    async def wait_for_look(self, within_s: float) -> bool:
        """Wait until it is time to look, at most `within_s` seconds. Return False if the stream shows that nothing has
        changed until now.

        After a break, look at once: the server may have been replaced.
        """
        loop = asyncio.get_running_loop()
        if self._events is None:
            if loop.time() < self._open_at:
                await asyncio.sleep(within_s)
                return True
            self._events, self._is_live = _copy_events(self._gateway.follow(self._path)), False
        self._coming = self._coming or asyncio.ensure_future(anext(self._events))
        done, _ = await asyncio.wait([self._coming], timeout=within_s)
        if not done:
            return not self._is_live
        coming, self._coming = self._coming, None
        try:
            coming.result()
            self._is_live = True
        except (Unreachable, ServerDown, StopAsyncIteration):
            self._events, self._open_at = None, loop.time() + _RECONNECT_S
        except EWMSError:
            # An older server has no such stream, or the caller has too many of them. Looking says what else is wrong.
            self._events, self._open_at = None, loop.time() + _REFUSED_AGAIN_S
        return True

    async def close(self) -> None:
        """Close the stream."""
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.wait([self._coming])
        if self._events is not None:
            await self._events.aclose()


async def _copy_events(events: AsyncIterator[StreamedEvent]) -> AsyncGenerator[StreamedEvent, None]:
    async for event in events:
        yield event
