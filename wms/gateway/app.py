"""The gateway's ASGI application: every route behind the same door.

    request id, trace -> load -> admission -> caller's share -> body -> turn -> handler -> answer
                          \\________\\______________\\___________\\__________\\-> problem

While as many requests as the limit are under way, the gateway does nothing for another one: it does not even look at
the token or read the body. One caller has a share of that limit (`caller_limits`). A caller is the subject of a token,
or an address until the subject is known.

`auth.ROLES` must have the roles of every route, or `build_app` fails. Both prefixes lead to the same handlers.
"""

import asyncio
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from fastapi import FastAPI
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.routing import Route as StarletteRoute

from runtime import tracing
from runtime.telemetry import histogram, log
from runtime.web.guarded_protocol import CALLER
from schemas.errors import Broken, EWMSError, OverQuota, TooLarge
from schemas.rules.limits import MAX_BODY_BYTES
from wms.gateway import bodies, docs, openapi
from wms.gateway.auth import Gatekeeper, Role, find_allowed_roles
from wms.gateway.caller_limits import CallerLimits, CallerTable, OverLimit
from wms.gateway.caller_turns import CallerTurns, Overloaded, RequestLimit
from wms.gateway.etags import add_etag
from wms.gateway.problems import answer_code, answer_error
from wms.gateway.route import AnyRoute, Call, OpenRoute, Route, answer_json, answer_raw

#: The contract's two versions. They differ in their prefix and in what environments may hold. We describe the first.
OLD_PREFIX = "/v0"
PREFIXES = ("/v1", OLD_PREFIX)

#: The version of the interface. Its major part is in the paths. The program has its own version.
API_VERSION = "1.4.0"

REQUEST_ID_HEADER = "X-Request-ID"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_seconds = histogram("http_request_seconds", "Time to answer, by route and status.", ["method", "path", "code"])

#: More requests than this at once would only delay each other. At most half of them may wait for their bodies, so that
#: slow senders never keep out requests without a body. Each waits at most `bodies.PATIENCE_S`. A body that comes with
#: its head, as nearly all do, takes such a place for no time.
MAX_AT_ONCE = 200

_CALLER_LIMITS = CallerLimits()

#: How many callers may run all their heavy requests at once.
_MAX_HEAVY_FACTOR = 4

#: A caller over its share waits this long for its refusal, and takes no place meanwhile. Otherwise a caller that tries
#: again at once, over hundreds of connections, would keep the process busy with refusals alone.
_REFUSAL_PAUSE_S = 2.0

_SERVICES = frozenset({Role.SYSTEM_TMS, Role.SYSTEM_WMS})

#: A thread parses a longer body, so that nobody else waits for it.
_MAX_PARSED_HERE_BYTES = 1024 * 1024

Endpoint = Callable[[Request], Awaitable[Response]]


def build_app(
    routes: Iterable[AnyRoute],
    gatekeeper: Gatekeeper,
    *,
    max_body_bytes: int = MAX_BODY_BYTES,
    max_at_once: int = MAX_AT_ONCE,
    caller_limits: CallerLimits = _CALLER_LIMITS,
    refusal_pause_s: float = _REFUSAL_PAUSE_S,
    body_patience_s: float = bodies.PATIENCE_S,
    health: Iterable[BaseRoute] = (),
    openapi_text: bytes | None = None,
    mqs_openapi_text: bytes | None = None,
) -> FastAPI:
    """Return the application that serves `routes`, with the process's own `health` routes.

    `openapi_text` is served in place of our own document where the WMS describes itself, `mqs_openapi_text` where the
    queue service does.

    Raises:
        Broken: a route has no roles.
    """
    routes = list(routes)
    text = to_json(describe_routes(routes))
    described = [*routes, *_make_own_routes(text, wms=openapi_text or text, mqs=mqs_openapi_text or text)]

    half = max(1, max_at_once // 2)
    door = _Door(
        gatekeeper=gatekeeper,
        load=RequestLimit(max_at_once),
        arriving=RequestLimit(half),
        users=CallerTable(caller_limits),
        # Services call for many users, and are trusted not to flood.
        services=CallerTable(replace(caller_limits, max_at_once=max(half, caller_limits.max_at_once), per_s=0)),
        strangers=CallerTable(replace(caller_limits, max_at_once=max(half // 2, caller_limits.max_at_once), per_s=0)),
        turns=CallerTurns(caller_limits.max_running, max_at_once),
        service_turns=CallerTurns(half, max_at_once),
        heavy_turns=CallerTurns(caller_limits.max_heavy, _MAX_HEAVY_FACTOR * caller_limits.max_heavy, rests=True),
        max_body_bytes=max_body_bytes,
        body_patience_s=body_patience_s,
        refusal_pause_s=refusal_pause_s,
    )
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    # Add the routes as Starlette's: the gateway itself reads, checks and answers bodies, once, in the contract's words.
    for route in described:
        if isinstance(route, OpenRoute):
            roles = find_allowed_roles(route.method, route.path)
            if roles:
                raise Broken(f"{route.path} is open, but roles are set for it")
            app.add_route(
                route.path,
                _wrap_endpoint(route.path, _delay_refusal(_limit_open_route(route, door), door)),
                methods=[route.method],
            )
            continue
        for prefix in PREFIXES:
            endpoint = _delay_refusal(_guard_route(route, door, old=prefix == OLD_PREFIX), door)
            app.add_route(f"{prefix}{route.path}", _wrap_endpoint(route.path, endpoint), methods=[route.method])
    app.router.routes.extend(_check_public(route) for route in health)
    app.add_exception_handler(HTTPException, _answer_unrouted)
    return app


def describe_routes(routes: Iterable[AnyRoute]) -> dict[str, Any]:
    """Return the OpenAPI document of the application that serves `routes`."""
    return openapi.build_document(
        [*routes, *_make_own_routes(b"", wms=b"", mqs=b"")], version=API_VERSION, prefix=PREFIXES[0]
    )


def _make_own_routes(ours: bytes, *, wms: bytes, mqs: bytes) -> list[AnyRoute]:
    async def root(_: Call) -> Response:
        return answer_json({})

    async def describe(_: Call) -> Response:
        return answer_raw(wms)

    async def describe_mqs(_: Call) -> Response:
        return answer_raw(mqs)

    async def describe_to_anybody(_: Request) -> Response:
        return answer_raw(ours)

    return [
        Route("GET", "/", root, "See that the gateway is there"),
        Route("GET", "/schema/openapi", describe, "Get this document"),
        Route("GET", "/mqs/schema/openapi", describe_mqs, "Get this document, which describes the queue service too"),
        OpenRoute("GET", docs.DOCUMENT_PATH, describe_to_anybody, "Get this document, for the page that shows it"),
    ]


@dataclass(frozen=True, slots=True)
class _Door:
    """What every request passes on its way to its handler."""

    gatekeeper: Gatekeeper
    #: All requests under way, and those of them whose bodies are arriving.
    load: RequestLimit
    arriving: RequestLimit
    #: What each caller has under way: users and services by subject, and everybody by address until the token is read.
    users: CallerTable
    services: CallerTable
    strangers: CallerTable
    #: Which of these requests run.
    turns: CallerTurns
    service_turns: CallerTurns
    heavy_turns: CallerTurns
    max_body_bytes: int
    body_patience_s: float
    refusal_pause_s: float


def _guard_route(route: Route, door: _Door, *, old: bool) -> Endpoint:
    roles = find_allowed_roles(route.method, route.path)
    model = route.old_body or route.body if old else route.body
    if not roles:
        raise Broken(f"nobody may call {route.method} {route.path}")

    async def endpoint(request: Request) -> Response:
        with door.load, ExitStack() as shares:
            # Find out who calls before a byte of the body is read.
            with _hold_share(door.strangers, _client_address(request)):
                caller = await door.gatekeeper.admit_caller(request, roles)
            request.scope.setdefault("state", {})[CALLER] = f"subject {caller.subject}"
            shares.enter_context(_hold_share(door.services if caller.role in _SERVICES else door.users, caller.subject))
            raw, body = b"", None
            if model is not None:
                with door.arriving:
                    max_bytes = max(door.max_body_bytes, route.max_body_bytes)
                    raw = await bodies.read_body(request, max_bytes=max_bytes, patience_s=door.body_patience_s)
                content_type = request.headers.get("content-type", "")
                if len(raw) > _MAX_PARSED_HERE_BYTES:
                    body = await asyncio.to_thread(bodies.parse_body, raw, content_type, model, explain=route.explain)
                else:
                    body = bodies.parse_body(
                        raw, content_type, model, optional=route.body_optional, explain=route.explain
                    )
            is_service = caller.role in _SERVICES
            turns = door.heavy_turns if route.is_heavy else door.service_turns if is_service else door.turns
            async with turns.take_turn(caller.subject):
                response = await route.handler(Call(request, caller, body, raw))
        if request.method != "GET" and not route.path.startswith("/query/"):
            log.info("changed", method=request.method, path=request.url.path, subject=caller.subject, role=caller.role)
        return response

    return endpoint


def _limit_open_route(route: OpenRoute, door: _Door) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        with _hold_share(door.strangers, _client_address(request)):
            return await route.handler(request)

    return endpoint


def _delay_refusal(endpoint: Endpoint, door: _Door) -> Endpoint:
    """Return `endpoint`, with a pause before it refuses a caller that is over its share."""

    async def patient(request: Request) -> Response:
        try:
            return await endpoint(request)
        except OverQuota:
            await asyncio.sleep(door.refusal_pause_s)
            raise

    return patient


@contextmanager
def _hold_share(callers: CallerTable, caller: str) -> Iterator[None]:
    """Count a request of `caller` during the block.

    Raises:
        OverLimit: the caller is over its share.
    """
    callers.begin_request(caller, time.monotonic())
    try:
        yield
    finally:
        callers.end_request(caller)


def _client_address(request: Request) -> str:
    return request.client.host if request.client else ""


def _wrap_endpoint(path: str, endpoint: Endpoint) -> Endpoint:
    """Return `endpoint` with a request id, the caller's trace, errors turned into answers, and its time measured."""

    async def met(request: Request) -> Response:
        began_at = time.perf_counter()
        request_id = _choose_request_id(request)
        with tracing.continue_trace(request.headers.get("traceparent")):
            response = await _answer_request(request, request_id, endpoint)
        response.headers[REQUEST_ID_HEADER] = request_id
        response.headers.setdefault("Cache-Control", "no-store")
        if request.method in ("GET", "HEAD") and response.status_code == 200:
            response = add_etag(response, request.headers.get("if-none-match", ""))
        _seconds.labels(request.method, path, str(response.status_code)).observe(time.perf_counter() - began_at)
        return response

    return met


async def _answer_request(request: Request, request_id: str, endpoint: Endpoint) -> Response:
    try:
        return await endpoint(request)
    except EWMSError as error:
        if error.code >= 500:
            log.warning(
                "request failed", request_id=request_id, path=request.url.path, code=error.code, reason=error.reason
            )
        response = answer_error(error)
        if isinstance(error, TooLarge | OverLimit | Overloaded | bodies.BodyLate):
            # The rest of the body is still on its way. Closing the connection stops it.
            response.headers["Connection"] = "close"
        return response
    except Exception as error:  # noqa: BLE001 - whatever a defect raises, the caller gets JSON and no traceback
        log.error("request failed", request_id=request_id, path=request.url.path, error=repr(error), exc_info=True)
        return answer_error(Broken("internal error"))


def _check_public(route: BaseRoute) -> BaseRoute:
    """Return `route`, if everybody may call it.

    Raises:
        Broken: `ROLES` does not list the route as public.
    """
    if not isinstance(route, StarletteRoute) or find_allowed_roles("GET", route.path):
        raise Broken(f"{getattr(route, 'path', route)} is not public")
    return route


async def _answer_unrouted(request: Request, error: Any) -> Response:
    """Answer a request that no route takes: 404 or 405, as JSON like every other answer."""
    response = answer_code(error.status_code, str(error.detail), error.headers)
    response.headers[REQUEST_ID_HEADER] = _choose_request_id(request)
    return response


def _choose_request_id(request: Request) -> str:
    given = request.headers.get(REQUEST_ID_HEADER, "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
