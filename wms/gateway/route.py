"""Define a route, and the call that its handler gets: the caller and the checked body."""

import hashlib
import http
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from schemas.errors import NotFound, Rejected
from wms.fleet.transactions import Once
from wms.gateway.auth import Caller, Role
from wms.gateway.bodies import Explain
from wms.gateway.problems import JSON, make_bad_body

_MAX_KEY = 255
#: Ids have no dot (contract, section 0), names of files do.
_PATH_PART = re.compile(r"[\w.-]{1,256}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, admitted and read."""

    request: Request
    caller: Caller
    #: An instance of the route's model, if it has one.
    body: Any
    raw_body: bytes

    def read_path(self, name: str) -> str:
        """Return a part of the path.

        Raises:
            NotFound: it cannot be an id or a file name: it has other characters, or more than 256.
        """
        value: str = self.request.path_params[name]
        if not _PATH_PART.fullmatch(value):
            raise NotFound(http.HTTPStatus(404).phrase)
        return value

    @property
    def once(self) -> Once | None:
        """Return the same identity for each repeat of a request with an `Idempotency-Key`; None without a key.

        Raises:
            Rejected: the key is empty, too long or not printable.
        """
        key = self.request.headers.get("idempotency-key")
        if key is None:
            return None
        if not 0 < len(key) <= _MAX_KEY or not key.isprintable():
            raise Rejected(f"Idempotency-Key must have 1 to {_MAX_KEY} printable characters")
        # Leave out the version in the path: both versions are the same route.
        what = f"{self.request.method} {self.request.url.path.split('/', 2)[-1]}\n".encode() + self.raw_body
        # Escape colons, or a subject with a colon could form another caller's key.
        subject = self.caller.subject.replace("%", "%25").replace(":", "%3A")
        return Once(f"http:{subject}:{key}", hashlib.sha256(what).hexdigest())


Handler = Callable[[Call], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path, with the models of its request and answer. `auth.ROLES` lists the roles that may call it."""

    method: str
    path: str
    handler: Handler
    summary: str
    body: type[BaseModel] | None = None
    #: The body's model for clients of v0, if they may send more than clients of v1.
    old_body: type[BaseModel] | None = None
    #: Makes the error about a body that does not fit.
    explain: Explain = make_bad_body
    #: Whether an empty body counts as `{}`.
    body_optional: bool = False
    #: The largest body in bytes; 0 means the limit of all routes (`EWMS_MAX_BODY_BYTES`).
    max_body_bytes: int = 0
    #: Whether a request costs much memory or many questions to the broker. A caller may run only 2 such at once.
    is_heavy: bool = False
    #: The model of the answer, for the OpenAPI document.
    answer: type[BaseModel] | None = None
    #: The media type of the answer, if it is not JSON.
    media_type: str = ""
    #: The status codes of its errors, beside those of every route: 400, 403, 429, 500 and 503.
    errors: tuple[int, ...] = ()
    #: The status codes of success.
    codes: tuple[int, ...] = (200,)
    #: Query parameter -> whether it is required. Only for the OpenAPI document.
    query: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenRoute:
    """A route that needs no token. Its path has no version prefix such as /v1."""

    method: str
    path: str
    handler: Endpoint
    summary: str


AnyRoute = Route | OpenRoute

__all__ = ["AnyRoute", "Call", "Handler", "OpenRoute", "Role", "Route", "answer_json", "answer_raw"]


def answer_json(value: Any, *, code: int = 200) -> Response:
    """Return the HTTP answer with `value` as JSON."""
    return answer_raw(to_json(value), code=code)


def answer_raw(body: bytes, *, code: int = 200) -> Response:
    """Return the HTTP answer with `body`, which is JSON already."""
    return Response(body, status_code=code, media_type=JSON)
