"""Compress large answers for clients that accept it. Source: RFC 9110, 8.4 and 12.5.3."""

import asyncio
import gzip

from starlette.responses import Response

#: Smaller answers fit into a few packets, so compression would only cost time.
MIN_BYTES = 16 * 1024
#: A body with more bytes than this is compressed in a thread, so that no other request waits.
_MAX_HERE_BYTES = 256 * 1024
#: The fastest level: JSON shrinks to about a fifth, at some 100 MB/s.
_LEVEL = 1
_KINDS = ("application/json", "text/")


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether a client with this header `Accept-Encoding` takes gzip."""
    for part in accept_encoding.split(","):
        coding, _, parameters = part.partition(";")
        if coding.strip().lower() in ("gzip", "*"):
            weight = parameters.replace(" ", "").lower()
            return not (weight.startswith("q=0") and not weight.strip("q=0."))
    return False


async def compress_answer(response: Response, accept_encoding: str) -> Response:
    """Return `response` with its body compressed, if the body is large text and the client takes gzip.

    The Etag becomes a weak one, because the bytes differ from those of the same answer without compression.
    """
    kind = response.headers.get("content-type", "")
    body = bytes(response.body)
    if len(body) < MIN_BYTES or not kind.startswith(_KINDS) or "content-encoding" in response.headers:
        return response
    response.headers.add_vary_header("Accept-Encoding")
    if not accepts_gzip(accept_encoding):
        return response
    if len(body) > _MAX_HERE_BYTES:
        packed = await asyncio.to_thread(gzip.compress, body, _LEVEL, mtime=0)
    else:
        packed = gzip.compress(body, _LEVEL, mtime=0)
    response.body = packed
    response.headers["Content-Length"] = str(len(packed))
    response.headers["Content-Encoding"] = "gzip"
    if (etag := response.headers.get("etag")) is not None:
        response.headers["Etag"] = f"W/{etag}"
    return response
