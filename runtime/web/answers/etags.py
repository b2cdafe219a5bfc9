"""Add an Etag to an answer, and answer 304 if the client has that answer already.

Source: RFC 9110, 8.8.3 and 13.1.2.
"""

import hashlib

from starlette.datastructures import MutableHeaders
from starlette.responses import Response

#: The headers of an answer that a 304 repeats.
_KEPT = ("Cache-Control", "Vary", "X-Request-ID", "X-EWMS-Hint")


def add_etag(response: Response, if_none_match: str) -> Response:
    """Return `response` with its Etag, or an empty 304 if `if_none_match` contains that Etag.

    An Etag that the response has already stays.
    """
    # The existing services use SHA-1 too. It only names these bytes and protects nothing.
    etag = response.headers.get("Etag") or f'"{hashlib.sha1(bytes(response.body), usedforsecurity=False).hexdigest()}"'
    response.headers["Etag"] = etag
    if not _includes_etag(if_none_match, etag):
        return response
    headers = MutableHeaders(response.headers)
    kept = {name: headers[name] for name in _KEPT if name in headers}
    return Response(status_code=304, headers={**kept, "Etag": etag})


def _includes_etag(if_none_match: str, etag: str) -> bool:
    listed = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in listed or listed == ["*"]
