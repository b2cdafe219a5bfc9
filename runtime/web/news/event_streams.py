"""Answer a request with server-sent events, as long as the client stays connected.

A handler gives `open_stream` an iterator of events. The stream ends when the iterator ends, the client disconnects, the
token expires, or the process stops. A client then connects again and sends the `Last-Event-ID`, and the handler
continues after that id:

    async def watch(call: Call) -> Response:
        ticket = wakeups.take_ticket(run)
        events = follow_rows(read_after, after=read_last_event_id(call), wait=lambda: ticket.wait(within_s=5))
        return streams.open_stream(call, events)
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from runtime.clock import utc_now
from runtime.telemetry import gauge, log
from runtime.web.news.sse_format import HEARTBEAT, StreamEvent, StreamPart, format_event, format_pause, is_event_id
from runtime.web.route import Call
from schemas.errors import EWMSError, OverQuota, Rejected, Unavailable

#: How long a client waits before it connects again.
_RECONNECT_S = 2.0
_RETRY_AFTER_S = 5

_open = gauge("streams_open", "Streams of server-sent events that are open.")


class EventStreams:
    """The open streams of a process, and the limits on their number."""

    def __init__(
        self, *, max_of_caller: int = 8, max_of_all: int = 400, heartbeat_s: float = 15.0, max_life_s: float = 3600.0
    ) -> None:
        """If there is no event for `heartbeat_s`, a stream sends a comment. After `max_life_s` a stream ends."""
        self._max_of_caller = max_of_caller
        self._max_of_all = max_of_all
        self._heartbeat_s = heartbeat_s
        self._max_life_s = max_life_s
        self._n_open: Counter[str] = Counter()
        self._stopping = asyncio.Event()

    @property
    def n_open(self) -> int:
        """The number of open streams."""
        return self._n_open.total()

    def open_stream(self, call: Call, events: AsyncIterator[StreamPart]) -> StreamingResponse:
        """Return the answer that sends `events`.

        Raises:
            OverQuota: the caller has as many streams as one caller may have.
            Unavailable: there are as many streams as the process may have, or the process stops.
        """
        caller = call.caller.subject
        if self._n_open[caller] >= self._max_of_caller:
            raise OverQuota(
                f"you have {self._max_of_caller} streams open, the most that one caller may have",
                hint="close a stream before you open another one",
                retry_after_s=_RETRY_AFTER_S,
            )
        if self.n_open >= self._max_of_all or self._stopping.is_set():
            raise Unavailable("too many streams are open", hint="read the object again and again instead")
        self._n_open[caller] += 1
        _open.inc()
        return _EventStreamResponse(events, self, caller, life_s=min(self._max_life_s, _token_life_s(call)))

    def stop(self) -> None:
        """End all streams. Call this before the server stops, because the server waits for them."""
        self._stopping.set()

    def close_stream(self, caller: str) -> None:
        """Count the end of a stream that `open_stream` has counted."""
        _open.dec()
        self._n_open[caller] -= 1
        if not self._n_open[caller]:
            del self._n_open[caller]

    async def send_events(
        self, events: AsyncIterator[StreamPart], receive: Receive, send: Send, *, life_s: float
    ) -> None:
        """Send `events` until the iterator ends, the client disconnects, the process stops, or `life_s` is over."""
        line = _StreamLine(send)
        ends_at = time.monotonic() + life_s
        watches: list[asyncio.Task[Any]] = []
        try:
            await line.send_chunk(format_pause(_RECONNECT_S))
            # One task sends all events, and this one only watches it: an event costs no new task and no new wait.
            watches = [
                asyncio.create_task(_send_all(events, line), name="stream's events"),
                asyncio.create_task(_wait_for_disconnect(receive), name="stream's client"),
                asyncio.create_task(self._stopping.wait(), name="streams' end"),
            ]
            while (left_s := ends_at - time.monotonic()) > 0:
                quiet_s = line.measure_quiet_s()
                if quiet_s >= self._heartbeat_s:
                    await line.send_chunk(HEARTBEAT)
                    continue
                done, _ = await asyncio.wait(
                    watches, timeout=min(self._heartbeat_s - quiet_s, left_s), return_when=asyncio.FIRST_COMPLETED
                )
                if done:
                    break
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            for task in watches:
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task
            close = getattr(events, "aclose", None)
            if close is not None:
                await close()


class _StreamLine:
    """The way to the client of one stream, and since when it is quiet."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._n_sending = 0
        self._quiet_since = time.monotonic()

    def measure_quiet_s(self) -> float:
        """Return for how many seconds nothing was sent. A client that has not taken the last chunk hears enough."""
        return 0.0 if self._n_sending else time.monotonic() - self._quiet_since

    async def send_chunk(self, chunk: bytes) -> None:
        """Send `chunk`, and wait while the client takes too little."""
        self._n_sending += 1
        try:
            await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            self._n_sending -= 1
            self._quiet_since = time.monotonic()


async def _send_all(events: AsyncIterator[StreamPart], line: _StreamLine) -> None:
    """Send `events` until the iterator ends or fails. After that the stream ends, and the client connects again."""
    try:
        async for event in events:
            await line.send_chunk(event if isinstance(event, bytes) else format_event(event))
    except EWMSError as error:
        log.warning("stream ended", reason=error.reason)
    except Exception as error:  # noqa: BLE001 - the answer has begun, so that no error can be answered any more
        log.error("stream ended", error=repr(error), exc_info=True)


class _EventStreamResponse(StreamingResponse):
    """The answer with the events of one stream."""

    def __init__(self, events: AsyncIterator[StreamPart], streams: EventStreams, caller: str, *, life_s: float) -> None:
        # No proxy may collect the events.
        super().__init__((), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._events = events
        self._streams = streams
        self._caller = caller
        self._life_s = life_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] == "HEAD":
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                await self._streams.send_events(self._events, receive, send, life_s=self._life_s)
        finally:
            self._streams.close_stream(self._caller)


def read_last_event_id(call: Call) -> str:
    """Return the id of the last event that the client has received. Return "" if the client has received none.

    A browser sends the header when it connects again. `?last_event_id=` does the same for a first request.

    Raises:
        Rejected: the text cannot be an id of an event.
    """
    found = call.request.headers.get("last-event-id") or call.read_query("last_event_id") or ""
    if not is_event_id(found):
        raise Rejected("Last-Event-ID must be an id that this stream has sent")
    return found


async def follow_rows(
    read_after: Callable[[str], Awaitable[Sequence[StreamEvent]]],
    *,
    after: str,
    wait: Callable[[], Awaitable[object]],
    is_over: Callable[[StreamEvent], bool] = lambda _: False,
) -> AsyncIterator[StreamEvent]:
    """Yield the events that `read_after` finds after the id `after`, oldest first, and those that come later.

    This reads, yields, and reads again. It calls `wait` only after a read that found nothing, so a backlog of several
    pages comes without pauses. Each event needs an id. The stream ends after an event for which `is_over` returns True.
    """
    while True:
        events = await read_after(after)
        for event in events:
            yield event
            after = event.id
            if is_over(event):
                return
        if not events:
            await wait()


async def follow_object(
    read_after: Callable[[str], Awaitable[Sequence[StreamEvent]]],
    *,
    after: str,
    wait: Callable[[], Awaitable[object]],
    is_over: Callable[[StreamEvent], bool],
) -> AsyncIterator[StreamEvent]:
    """Yield the events by which `read_after` brings a client with the id `after` up to date, again after each change.

    Each read takes the whole object, so there is no backlog. After each read this pauses for as long as the read took,
    and then calls `wait`: a stream of a large object that changes all the time reads for half of its time at most. The
    stream ends after an event for which `is_over` returns True.
    """
    while True:
        begun_at = time.monotonic()
        events = await read_after(after)
        took_s = time.monotonic() - begun_at
        for event in events:
            yield event
            after = event.id
            if is_over(event):
                return
        await asyncio.sleep(took_s)
        await wait()


def _token_life_s(call: Call) -> float:
    """Return for how many seconds the caller's token is still valid; infinity without an end."""
    expires_at = call.caller.claims.get("exp")
    return float(expires_at) - utc_now().timestamp() if isinstance(expires_at, int | float) else float("inf")


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
