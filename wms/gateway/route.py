"""What a route is, and what its handler gets: the caller and the checked body."""

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
from wms.fleet.fleet import Once
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
            NotFound: no id or file name could look like this.
        """
        value: str = self.request.path_params[name]
        if not _PATH_PART.fullmatch(value):
            raise NotFound(http.HTTPStatus(404).phrase)
        return value

    @property
    def once(self) -> Once | None:
        """Return the identity that the `Idempotency-Key` gives to the request; None without a key.

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
        # A colon in a subject would let one caller spell another's key.
        subject = self.caller.subject.replace("%", "%25").replace(":", "%3A")
        return Once(f"http:{subject}:{key}", hashlib.sha256(what).hexdigest())


Handler = Callable[[Call], Awaitable[Response]]
OpenHandler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path, with what goes in and comes out. `auth.ROLES` says who may call it."""

    method: str
    path: str
    handler: Handler
    summary: str
    body: type[BaseModel] | None = None
    #: The body for clients of v0, if they may write more than those of v1.
    old_body: type[BaseModel] | None = None
    #: Makes the error about a body that does not fit.
    explain: Explain = make_bad_body
    #: Whether an empty body counts as `{}`.
    body_optional: bool = False
    #: How large its body may be, if larger than on other routes.
    max_body_bytes: int = 0
    #: Whether it costs much memory or many questions to the broker. A caller may run only few such requests at once.
    is_heavy: bool = False
    #: What the answer holds, for the OpenAPI document.
    answer: type[BaseModel] | None = None
    #: The media type of the answer, if it is not JSON.
    media_type: str = ""
    #: The codes of its errors beside 400, 403 and 503.
    errors: tuple[int, ...] = ()
    #: The codes with which it succeeds.
    codes: tuple[int, ...] = (200,)
    #: The query parameters that it knows -> whether it needs them.
    query: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenRoute:
    """A path that needs no token and has no version in front."""

    method: str
    path: str
    handler: OpenHandler
    summary: str


AnyRoute = Route | OpenRoute

__all__ = ["AnyRoute", "Call", "Handler", "OpenRoute", "Role", "Route", "answer_json", "answer_raw"]


def answer_json(value: Any, *, code: int = 200) -> Response:
    """Return the answer that holds `value`."""
    return answer_raw(to_json(value), code=code)


def answer_raw(body: bytes, *, code: int = 200) -> Response:
    """Return the answer whose JSON text is `body`."""
    return Response(body, status_code=code, media_type=JSON)
