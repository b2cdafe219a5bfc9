"""Protect uvicorn's HTTP/1.1 protocol against hostile peers. This module depends on uvicorn's internals.

uvicorn waits for ever for the end of a request's head, and for a peer that does not read its answer; meanwhile uvicorn
starts the next pipelined request. Here both waits have limits. Connections and unread bytes have limits, too
(`runtime.web.server.connections`). The server refuses a request whose length two servers could understand differently.

Tests check this against the pinned uvicorn and h11, on raw sockets.
"""

import asyncio
import json
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from runtime.web.server.connections import ConnectionLimits, ConnectionTable

_MAX_HEAD_BYTES = 16 * 1024

#: The first chunks of a body, up to this number, may have any size. Later chunks must have `_MIN_CHUNK_BYTES` on
#: average. Each chunk takes 15 us of the event loop, so a body of one-byte chunks would block all other requests.
_FREE_CHUNKS = 100
_MIN_CHUNK_BYTES = 64

_VERSIONS = (b"1.0", b"1.1")

#: The key in a request's state under which the application stores the caller's name.
CALLER = "ewms_caller"


class GuardedConfig(uvicorn.Config):
    """uvicorn's configuration, together with the table of the server's connections."""

    def __init__(self, app: Any, *, limits: ConnectionLimits, **kwargs: Any) -> None:
        super().__init__(app, timeout_keep_alive=limits.idle_s, **kwargs)
        self.table = ConnectionTable(limits)


class GuardedConnection(h11.Connection):
    """A connection of h11 that refuses more kinds of bad requests. Like h11, it refuses by `RemoteProtocolError`."""

    _n_chunks = 0
    _n_bytes = 0
    #: Our own rule that the last request broke; empty if it broke none.
    refusal = ""

    def next_event(self) -> Any:
        """Return the next event of the connection.

        If the target of a request is a whole address, replace it with its path.

        Raises:
            RemoteProtocolError: servers could understand the head differently, or the body has too many small chunks.
        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._n_chunks = self._n_bytes = 0
            if reason := _find_fault(event):
                raise self._refuse_request(reason)
            return _with_path_target(event)
        if isinstance(event, h11.Data):
            self._n_chunks += 1
            self._n_bytes += len(event.data)
            if self._n_chunks > _FREE_CHUNKS and self._n_bytes < self._n_chunks * _MIN_CHUNK_BYTES:
                raise self._refuse_request(
                    f"the body comes in too many small chunks; send chunks of {_MIN_CHUNK_BYTES} bytes or more"
                )
        return event

    def _refuse_request(self, reason: str) -> h11.RemoteProtocolError:
        self.refusal = reason
        return h11.RemoteProtocolError(reason)


def _find_fault(request: h11.Request) -> str:
    """Return the rule that a request breaks and that h11 does not check. Return "" if it breaks no rule."""
    names = {name for name, _ in request.headers}
    # A server in front of this one may use the other of the two headers. Source: RFC 9112, 6.1 and 6.3.
    if b"transfer-encoding" in names and (b"content-length" in names or request.http_version == b"1.0"):
        return "Transfer-Encoding must not stand together with Content-Length, nor in HTTP/1.0"
    return "" if request.http_version in _VERSIONS else "the HTTP version must be 1.0 or 1.1"


def _with_path_target(request: h11.Request) -> h11.Request:
    """Return `request` with a path as its target instead of a whole address. Source: RFC 9112, 3.2.2."""
    scheme, _, rest = request.target.partition(b"://")
    if scheme.lower() not in (b"http", b"https") or not rest:
        return request
    host, slash, path = rest.partition(b"/")
    _, mark, query = host.partition(b"?")
    target = b"/" + (path if slash and not mark else mark + query + slash + path)
    return h11.Request(
        method=request.method, target=target, headers=list(request.headers), http_version=request.http_version
    )


class GuardedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol, safe from slow, silent or too many peers. It answers bytes that are not HTTP."""

    _head_timeout: asyncio.TimerHandle | None = None
    _read_timeout: asyncio.TimerHandle | None = None
    #: Whether the next request waits because the peer has not read the complete answer.
    _is_next_held = False
    #: Whether the peer has sent bytes that are not HTTP. Then the server reads no more.
    _is_refused = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        table = getattr(self.config, "table", None)
        self._table: ConnectionTable = table or ConnectionTable(ConnectionLimits())
        self._limits = self._table.limits
        self.conn: GuardedConnection = self.make_connection(
            self.config.h11_max_incomplete_event_size or _MAX_HEAD_BYTES
        )

    def make_connection(self, max_head_bytes: int) -> GuardedConnection:
        """Return a new connection, which parses requests and writes answers."""
        return GuardedConnection(h11.SERVER, max_head_bytes)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Accept the connection, and wait for its first request. To make room, close this or another connection."""
        super().connection_made(transport)
        # With this limit the protocol learns of every byte that the peer has not read. asyncio's TLS pauses at the
        # limit itself, so with 0 the protocol could never write. Source: CPython 3.11, asyncio/sslproto.py.
        transport.set_write_buffer_limits(high=1 if transport.get_extra_info("ssl_object") else 0)
        self._start_head_timeout()
        self._abort_connection(self._table.add_connection(self, self.client[0] if self.client else ""))

    def data_received(self, data: bytes) -> None:
        """Parse `data`. While the head of a request is incomplete, limit the time for its rest."""
        if self._is_refused:
            return
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_head_timeout()
        elif self._head_timeout is None and not self.transport.is_closing():
            self._start_head_timeout()

    def handle_events(self) -> None:
        """Handle the requests that were parsed. While a request is in work, the connection is not idle."""
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._table.mark_busy(self)

    def on_response_complete(self) -> None:
        """Continue with the next request once the peer has read this answer."""
        if self.flow.write_paused and not self.transport.is_closing():
            self._is_next_held = True
            return
        self._table.mark_idle(self)
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Begin to limit the time until the peer has read its answer. Close a connection if too much is unread."""
        super().pause_writing()
        n_bytes = self.transport.get_write_buffer_size()
        if self._read_timeout is None:
            self._read_timeout = self.loop.call_later(self._limits.reading_s(n_bytes), self.transport.abort)
        self._abort_connection(self._table.note_unread(self, self._caller_name(), n_bytes))

    def resume_writing(self) -> None:
        """Continue, because the peer has read all bytes."""
        super().resume_writing()
        self._stop_read_timeout()
        if self._is_next_held:
            self._is_next_held = False
            self.on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and stop its timers."""
        self._stop_head_timeout()
        self._stop_read_timeout()
        self._is_next_held = False
        self._table.forget_connection(self)
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer 400 after a pause, because the bytes are not an HTTP request, and close the connection."""
        self._is_refused = True
        self._stop_head_timeout()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            # An answer is already on its way, and we cannot add to it.
            self.transport.abort()
            return
        msg = self.conn.refusal or msg
        if self.cycle is not None:
            # The request's handler may still wait for the body.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.loop.call_later(self._limits.refusal_pause_s, self._answer_400, msg)

    def _answer_400(self, msg: str) -> None:
        if self.transport.is_closing():
            return
        body = json.dumps({"code": 400, "error": msg}).encode()
        headers = [
            (b"content-type", b"application/json; charset=UTF-8"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=self.reason_of(msg)),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def reason_of(self, _: str) -> bytes:
        """Return the reason phrase of the answer to bytes that are not an HTTP request."""
        return b"Bad Request"

    def _caller_name(self) -> str:
        state: dict[str, Any] = self.scope["state"] if self.scope is not None else {}
        return str(state.get(CALLER) or (self.client[0] if self.client else ""))

    def _abort_connection(self, victim: Any) -> None:
        if victim is not None:
            victim.transport.abort()

    def _start_head_timeout(self) -> None:
        self._head_timeout = self.loop.call_later(self._limits.head_s, self.transport.abort)

    def _stop_head_timeout(self) -> None:
        if self._head_timeout is not None:
            self._head_timeout.cancel()
            self._head_timeout = None

    def _stop_read_timeout(self) -> None:
        self._table.note_all_read(self)
        if self._read_timeout is not None:
            self._read_timeout.cancel()
            self._read_timeout = None
