"""Dialects: each dialect gives its routes the forms of one system. All routes use the same door.

                 prefixes        an error's body                       a trailing slash
    ewms         /v1, /v0        {"code", "error"}                     is another path
    processes    /api            {"type", "title", "status", "detail"} is the same path
    tiuni        /api/v1/...     {"code", "message", "data"}           is the same path

The door treats the requests of all dialects in the same way: tokens, limits of callers and of bodies, waiting, request
ids.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel

from runtime.web.answers.problems import DescribeError, describe_plainly
from runtime.web.route import AnyRoute
from schemas.api.general import ErrorBody


@dataclass(frozen=True, slots=True)
class Dialect:
    """The prefixes, the form of errors and the other habits that all routes of one dialect share."""

    name: str
    #: The server serves each route below every prefix. The first prefix is the newest. The OpenAPI document shows that.
    prefixes: tuple[str, ...]
    describe_error: DescribeError = describe_plainly
    #: The model of an error's body, for the OpenAPI document.
    error_model: type[BaseModel] = ErrorBody
    #: Prefixes of older versions, in which `Route.old_body` counts.
    old_prefixes: frozenset[str] = frozenset()
    #: Whether a path with a slash at its end is the same path.
    ignores_trailing_slash: bool = False
    #: Whether a GET without that slash is sent to the path with it, by 301. Other methods are answered at both.
    redirects_to_slash: bool = False
    #: What to send instead of a token that is missing or invalid, for the header `WWW-Authenticate`: such a caller gets
    #: 401. Without it, 403.
    challenge: str = ""
    #: Headers of every answer.
    headers: Mapping[str, str] = field(default_factory=dict)
    #: What the routes are about, for the OpenAPI document.
    about: str = ""

    def name_path(self, prefix: str, path: str) -> str:
        """Return the name of a path in metrics and for repeated requests. It is the same below each prefix."""
        bare = path.removesuffix("/") if self.ignores_trailing_slash else path
        return bare if len(self.prefixes) > 1 else f"{prefix}{bare}"

    def list_paths(self, prefix: str, path: str) -> list[str]:
        """Return all paths at which the server serves the route `path` below `prefix`."""
        full = f"{prefix}{path}"
        if not self.ignores_trailing_slash or full == "/":
            return [full]
        bare = full.removesuffix("/")
        return [bare, f"{bare}/"]


#: A dialect and its routes, as a server gets them.
Served = tuple[Dialect, Iterable[AnyRoute]]


def choose_dialect(dialects: Iterable[Dialect], path: str) -> Dialect | None:
    """Return the dialect with the longest prefix that `path` begins with. Return None if there is none."""
    found = [
        (len(prefix), dialect)
        for dialect in dialects
        for prefix in dialect.prefixes
        if path == prefix or path.startswith(f"{prefix}/")
    ]
    return max(found, key=lambda each: each[0])[1] if found else None
