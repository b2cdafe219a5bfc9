"""Define a route, and the call that its handler gets: the caller and the checked body.

A package lists its routes in a method `routes()`. Each route names the roles that may call it.
"""

import hashlib
import http
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from runtime.once import Once
from runtime.web.answers.problems import JSON, make_bad_body
from runtime.web.bodies import Explain
from runtime.web.callers.gatekeeper import Caller
from schemas.errors import NotFound, Rejected

_MAX_KEY = 255
#: Ids have no dot (contract, section 0), names of files do.
_PATH_PART = re.compile(r"[\w.-]{1,256}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
_MAX_NUMBER = 10**15 - 1


@dataclass(frozen=True, slots=True)
class Call:
    """One request whose caller is admitted and whose body is read."""

    request: Request
    caller: Caller
    #: An instance of the route's model, if it has one.
    body: Any
    raw_body: bytes
    #: The name of the path, the same below each prefix of the dialect.
    path: str = ""

    def read_path(self, name: str) -> str:
        """Return the part `name` of the path.

        Raises:
            NotFound: the text has more than 256 characters, or characters that ids and file names do not have.
        """
        value: str = self.request.path_params[name]
        if not _PATH_PART.fullmatch(value):
            raise NotFound(http.HTTPStatus(404).phrase)
        return value

    def read_uuid(self, name: str) -> UUID:
        """Return the part `name` of the path, which must be a UUID.

        Raises:
            NotFound: the text is not a UUID.
        """
        value: str = self.request.path_params[name]
        if not _UUID.fullmatch(value):
            raise NotFound(f"nothing found with id: {value}", hint=f"an id looks like {UUID(int=0)}")
        return UUID(value)

    def read_query(self, name: str) -> str | None:
        """Return the parameter `name` of the query. Return None if the query does not have it."""
        return self.request.query_params.get(name)

    def read_number(self, name: str, default: int, *, minimum: int = 0, maximum: int = _MAX_NUMBER) -> int:
        """Return the parameter `name` of the query as a whole number. Return `default` if the query does not have it.

        Raises:
            Rejected: the text is no number, or the number is out of range.
        """
        text = self.read_query(name)
        if text is None:
            return default
        number = int(text) if _NUMBER.fullmatch(text) else minimum - 1
        if not minimum <= number <= maximum:
            most = "" if maximum == _MAX_NUMBER else f" and at most {maximum}"
            raise Rejected(f"'{name}': must be a whole number, at least {minimum}{most}")
        return number

    def read_flag(self, name: str, *, default: bool) -> bool:
        """Return whether the parameter `name` of the query is `true`. Return `default` if the query does not have it.

        Raises:
            Rejected: the text is neither `true` nor `false`.
        """
        text = self.read_query(name)
        if text not in (None, "true", "false"):
            raise Rejected(f"'{name}': must be 'true' or 'false'")
        return default if text is None else text == "true"

    @property
    def once(self) -> Once | None:
        """The identity of a request with an `Idempotency-Key`, the same for each repetition. None without a key.

        Raises:
            Rejected: the key is empty, too long or not printable.
        """
        key = self.request.headers.get("idempotency-key")
        if key is None:
            return None
        if not 0 < len(key) <= _MAX_KEY or not key.isprintable():
            raise Rejected(f"Idempotency-Key must have 1 to {_MAX_KEY} printable characters")
        what = f"{self.request.method} {self.path.removeprefix('/')}\n".encode() + self.raw_body
        # Escape colons, or a subject with a colon could form another caller's key.
        subject = self.caller.subject.replace("%", "%25").replace(":", "%3A")
        return Once(f"http:{subject}:{key}", hashlib.sha256(what).hexdigest())


Handler = Callable[[Call], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path, the roles that may call them, and the models of the request and the answer."""

    method: str
    path: str
    handler: Handler
    summary: str
    #: The roles that may call this route. With `gatekeeper.ANYBODY`, it needs no token.
    roles: frozenset[str] = field(kw_only=True)
    #: The model of the body. A `RootModel` of a list accepts a JSON list.
    body: type[BaseModel] | None = None
    #: The body's model below an old prefix of the dialect, if its clients may send more.
    old_body: type[BaseModel] | None = None
    #: Makes the error about a body that does not fit.
    explain: Explain = make_bad_body
    #: Whether an empty body counts as `empty_body`.
    body_optional: bool = False
    empty_body: bytes = b"{}"
    #: The largest body in bytes; 0 means the limit of all routes (`EWMS_MAX_BODY_BYTES`).
    max_body_bytes: int = 0
    #: Whether a request costs much memory or many questions to the broker. A caller may run only 2 of these at once.
    is_heavy: bool = False
    #: A parameter of the query and its value that spare a heavy route its cost, for example `("counts", "false")`.
    light_with: tuple[str, str] | None = None
    #: The model of the answer, for the OpenAPI document.
    answer: type[BaseModel] | None = None
    #: The media type of the answer, if it is not JSON.
    media_type: str = ""
    #: The media types of the answer's other forms, which are texts.
    text_forms: tuple[str, ...] = ()
    #: The status codes of its errors, besides those of every route: 400, 403, 429, 500 and 503.
    errors: tuple[int, ...] = ()
    #: The status codes of success. An answer with 204 has no body.
    codes: tuple[int, ...] = (200,)
    #: Query parameter -> whether it is required. Only for the OpenAPI document.
    query: Mapping[str, bool] = field(default_factory=dict)
    #: Parameter of the path or the query -> its JSON schema, unless it is an id or any text. Only for the document.
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenRoute:
    """A route that needs no token and has no prefix such as /v1."""

    method: str
    path: str
    handler: Endpoint
    summary: str


AnyRoute = Route | OpenRoute


def answer_json(value: Any, *, code: int = 200) -> Response:
    """Return the HTTP answer with `value` as JSON."""
    return answer_raw(to_json(value), code=code)


def answer_raw(body: bytes, *, code: int = 200) -> Response:
    """Return the HTTP answer with `body`, whose bytes are JSON already."""
    return Response(body, status_code=code, media_type=JSON)


def answer_nothing() -> Response:
    """Return the HTTP answer without a body: 204."""
    return Response(status_code=204)
