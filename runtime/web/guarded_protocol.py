"""Guard uvicorn's HTTP/1.1 protocol against hostile peers. A module of its own, since it leans on uvicorn's inside.

uvicorn waits for ever for a head that never ends and for a peer that does not read its answer, and starts the next
pipelined request meanwhile. Here both waits have an end. The numbers of connections and of unread bytes are bounded
(`runtime.web.connections`). A request is refused if two servers could read its length in two ways.

Tested against the pinned uvicorn and h11, on raw sockets.
"""

import asyncio
import json
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from runtime.web.connections import ConnectionLimits, ConnectionTable

_MAX_HEAD_BYTES = 16 * 1024

#: The first chunks of a body, up to this number, may have any size. After them the chunks must have `_MIN_CHUNK_BYTES`
#: on average. Each chunk costs the event loop 15 us, so a body of one-byte chunks would stop everybody else.
_FREE_CHUNKS = 100
_MIN_CHUNK_BYTES = 64

_VERSIONS = (b"1.0", b"1.1")

#: The key in a request's state under which the application names the caller.
CALLER = "ewms_caller"


class GuardedConfig(uvicorn.Config):
    """uvicorn's configuration, with the table of the server's connections."""

    def __init__(self, app: Any, *, limits: ConnectionLimits, **kwargs: Any) -> None:
        super().__init__(app, timeout_keep_alive=limits.idle_s, **kwargs)
        self.table = ConnectionTable(limits)


class GuardedConnection(h11.Connection):
    """Refuses requests that h11 should not take: it raises `RemoteProtocolError`, as h11 does."""

    _n_chunks = 0
    _n_bytes = 0
    #: Our own rule that the last request broke.
    refusal = ""

    def next_event(self) -> Any:
        """Return the next event, with a target that is a path."""
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
    """Return the rule, unknown to h11, that a request breaks; empty if there is none."""
    names = {name for name, _ in request.headers}
    # A server in front may go by the other of the two headers. Source: RFC 9112, 6.1 and 6.3.
    if b"transfer-encoding" in names and (b"content-length" in names or request.http_version == b"1.0"):
        return "Transfer-Encoding must not stand beside Content-Length, nor in HTTP/1.0"
    return "" if request.http_version in _VERSIONS else "the HTTP version must be 1.0 or 1.1"


def _with_path_target(request: h11.Request) -> h11.Request:
    """Return `request` with a path for a target: the absolute form means the same. Source: RFC 9112, 3.2.2."""
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
    """uvicorn's HTTP/1.1 for peers that are slow, silent or many. Bytes that are no HTTP get a JSON answer."""

    _head_timeout: asyncio.TimerHandle | None = None
    _read_timeout: asyncio.TimerHandle | None = None
    #: A response is complete and partly unread: the next request waits.
    _is_next_held = False
    #: The peer has sent what is no HTTP: nothing more is read.
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
        """Return what reads requests and writes answers."""
        return GuardedConnection(h11.SERVER, max_head_bytes)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Take the connection, or close another one or this one to make room. Begin to wait for the first request."""
        super().connection_made(transport)
        # So the protocol learns of every byte that the peer leaves unread.
        transport.set_write_buffer_limits(high=0)
        self._start_head_timeout()
        self._abort_connection(self._table.add_connection(self, self.client[0] if self.client else ""))

    def data_received(self, data: bytes) -> None:
        """Take bytes. Limit the wait for the rest of an unfinished head."""
        if self._is_refused:
            return
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_head_timeout()
        elif self._head_timeout is None and not self.transport.is_closing():
            self._start_head_timeout()

    def handle_events(self) -> None:
        """Read requests; while one is under way the connection is not idle."""
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._table.mark_busy(self)

    def on_response_complete(self) -> None:
        """Go on with the next request, once the peer has read this answer."""
        if self.flow.write_paused and not self.transport.is_closing():
            self._is_next_held = True
            return
        self._table.mark_idle(self)
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Begin to wait for the peer to read; close a connection if too much is unread."""
        super().pause_writing()
        n_bytes = self.transport.get_write_buffer_size()
        if self._read_timeout is None:
            self._read_timeout = self.loop.call_later(self._limits.reading_s(n_bytes), self.transport.abort)
        self._abort_connection(self._table.note_unread(self, self._caller_name(), n_bytes))

    def resume_writing(self) -> None:
        """Go on: the peer has read everything."""
        super().resume_writing()
        self._stop_read_timeout()
        if self._is_next_held:
            self._is_next_held = False
            self.on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_head_timeout()
        self._stop_read_timeout()
        self._is_next_held = False
        self._table.forget_connection(self)
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no HTTP request, after a pause, and close."""
        self._is_refused = True
        self._stop_head_timeout()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            # An answer is on its way already, and nothing can be put into it.
            self.transport.abort()
            return
        msg = self.conn.refusal or msg
        if self.cycle is not None:
            # Its handler may still wait for the body.
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
        """Return the reason phrase of an answer to what is no HTTP request."""
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
