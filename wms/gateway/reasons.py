"""What uvicorn's HTTP/1.1 protocol lacks: reason phrases of our own, and an end to headers that never end.

Alone here, since it leans on uvicorn's inside.

Existing clients show the reason phrase of a response, so the contract has the error's text there. ASGI has no field
for it: the application sets the private header `x-ewms-reason-phrase`, and this protocol moves it to the status line.
Tested against the pinned uvicorn; under another server the header is merely there as well.
"""

import asyncio
import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REASON_HEADER = "x-ewms-reason-phrase"
_REASON_HEADER = REASON_HEADER.encode()

#: How long the head of a request may take from its first byte.
_HEAD_S = 20.0

#: Proxies and clients bound the status line, often together with one header, at 4 or 8 KiB.
_MAX_REASON = 1024


def reason_phrase(text: str) -> str:
    """Return `text` as a reason phrase: one line of latin-1, at most 1 KiB; what does not fit becomes `?`."""
    # A header that begins or ends with a space is none: the connection would end without an answer.
    line = "".join(c if c.isprintable() or c == " " else " " for c in text).strip()
    if len(line) > _MAX_REASON:
        line = f"{line[: _MAX_REASON - 3]}..."
    return line.encode("latin-1", "replace").decode("latin-1")


class _Connection(h11.Connection):
    """Moves the private header of a response to its status line."""

    def send_with_data_passthrough(self, event: h11.Event) -> list[bytes] | None:
        if isinstance(event, h11.Response):
            reason = next((value for name, value in event.headers if name == _REASON_HEADER), None)
            if reason is not None:
                event = h11.Response(
                    status_code=event.status_code,
                    headers=[(name, value) for name, value in event.headers if name != _REASON_HEADER],
                    http_version=event.http_version,
                    reason=reason,
                )
        return super().send_with_data_passthrough(event)


class ReasonedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with our reason phrases; what is no HTTP at all is answered as JSON too.

    A client that opens connections and sends heads drop by drop is cut off: uvicorn itself would wait for ever.
    """

    _head_timeout: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = _Connection(h11.SERVER, self.config.h11_max_incomplete_event_size or 16 * 1024)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Take bytes; wait no longer than so for the rest of an unfinished head."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._head_came()
        elif self._head_timeout is None:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._head_came()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._head_timeout = self.loop.call_later(_HEAD_S, self.transport.close)

    def _head_came(self) -> None:
        if self._head_timeout is not None:
            self._head_timeout.cancel()
            self._head_timeout = None

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no HTTP request, and close."""
        body = json.dumps({"code": 400, "error": msg}).encode()
        headers = [
            (b"content-type", b"application/json; charset=UTF-8"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=reason_phrase(msg).encode("latin-1")),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
