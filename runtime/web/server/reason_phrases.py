"""Let uvicorn's HTTP/1.1 protocol send our own reason phrases.

This is a separate module because it depends on uvicorn's internals.

Existing clients show the reason phrase of a response, so the contract puts the error's text there. ASGI has no field
for a reason phrase: the application sets the private header `x-ewms-reason-phrase`, and this protocol moves the header
to the status line. Tests cover the pinned uvicorn. Under another server the header simply stays in the response.
"""

import h11

from runtime.web.server.guarded_protocol import GuardedConnection, GuardedProtocol

REASON_HEADER = "x-ewms-reason-phrase"
_REASON_HEADER = REASON_HEADER.encode()

#: Proxies and clients limit the status line, often together with one header, to 4 or 8 KiB.
MAX_REASON = 1024


def reason_phrase(text: str) -> str:
    """Return `text` as one line of latin-1 with at most `MAX_REASON` bytes. Characters outside latin-1 become `?`."""
    # A reason phrase must not begin or end with a space, or the connection would end without an answer.
    line = "".join(c if c.isprintable() or c == " " else " " for c in text).strip()
    if len(line) > MAX_REASON:
        line = f"{line[: MAX_REASON - 3]}..."
    return line.encode("latin-1", "replace").decode("latin-1")


class _Connection(GuardedConnection):
    """A connection that moves the private header of a response to the status line."""

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


class ReasonedProtocol(GuardedProtocol):
    """The HTTP/1.1 protocol of every service: the guarded protocol with our reason phrases."""

    def make_connection(self, max_head_bytes: int) -> GuardedConnection:
        """Return a new connection, which parses requests and writes answers."""
        return _Connection(h11.SERVER, max_head_bytes)

    def reason_of(self, text: str) -> bytes:
        """Return `text` as the bytes of a reason phrase."""
        return reason_phrase(text).encode("latin-1")
