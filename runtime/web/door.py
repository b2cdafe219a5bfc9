"""The door that every request passes on its way to its handler.

    load -> admission -> caller's share -> body -> turn -> handler -> answer
     \\________\\______________\\___________\\__________\\-> problem

While as many requests as the limit are under way, the gateway refuses another one before it reads the token or the
body. One caller has a share of that limit (`callers.limits`). A caller is the subject of a token, or an address while
the subject is unknown.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from runtime.telemetry import log
from runtime.web import bodies
from runtime.web.callers.gatekeeper import ANYBODY, Caller, Gatekeeper
from runtime.web.callers.limits import CallerTable
from runtime.web.callers.turns import CallerTurns, RequestLimit
from runtime.web.dialects import Dialect
from runtime.web.route import Call, Endpoint, OpenRoute, Route
from runtime.web.server.guarded_protocol import CALLER
from schemas.errors import Broken, OverQuota

#: A body with more bytes than this is parsed in a thread, so that no other request waits.
_MAX_PARSED_HERE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Door:
    """The parts and limits that every request passes on its way to its handler."""

    gatekeeper: Gatekeeper
    #: Counts all requests under way, and the requests whose bodies are arriving.
    load: RequestLimit
    arriving: RequestLimit
    #: Count each caller's requests: users and services by subject, and all callers by address until the token is
    #: checked.
    users: CallerTable
    services: CallerTable
    strangers: CallerTable
    #: Let some of these requests run, and the others wait.
    turns: CallerTurns
    service_turns: CallerTurns
    heavy_turns: CallerTurns
    max_body_bytes: int
    body_patience_s: float
    refusal_pause_s: float


def guard_route(route: Route, door: Door, *, dialect: Dialect, prefix: str) -> Endpoint:
    """Return the endpoint of `route` below `prefix`, behind the door.

    Raises:
        Broken: the route has no roles.
    """
    roles = route.roles
    model = route.old_body or route.body if prefix in dialect.old_prefixes else route.body
    if not roles:
        raise Broken(f"no role may call {route.method} {route.path}: give the route its roles")
    needs_token = roles != ANYBODY

    async def endpoint(request: Request) -> Response:
        with door.load, ExitStack() as shares:
            # Identify the caller before reading a byte of the body.
            if needs_token:
                with _hold_share(door.strangers, _client_address(request)):
                    caller = await door.gatekeeper.admit_caller(request, roles)
                request.scope.setdefault("state", {})[CALLER] = f"subject {caller.subject}"
                shares.enter_context(_hold_share(door.services if caller.is_service else door.users, caller.subject))
            else:
                shares.enter_context(_hold_share(door.strangers, _client_address(request)))
                caller = Caller(f"address {_client_address(request)}", role="anybody")
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
                        raw,
                        content_type,
                        model,
                        optional=route.body_optional,
                        empty=route.empty_body,
                        explain=route.explain,
                    )
            name = dialect.name_path(prefix, request.url.path[len(prefix) :])
            turns = _choose_turns(door, route, request, caller)
            async with turns.take_turn(caller.subject):
                response = await route.handler(Call(request, caller, body, raw, name))
        if request.method != "GET" and not route.path.startswith("/query/"):
            log.info("changed", method=request.method, path=request.url.path, subject=caller.subject, role=caller.role)
        return response

    return endpoint


def _choose_turns(door: Door, route: Route, request: Request, caller: Caller) -> CallerTurns:
    """Return the turns of a request. A heavy route may have a parameter that makes the request a light one."""
    if route.is_heavy:
        name, value = route.light_with or ("", None)
        if value is None or request.query_params.get(name) != value:
            return door.heavy_turns
    return door.service_turns if caller.is_service else door.turns


def limit_open_route(route: OpenRoute, door: Door) -> Endpoint:
    """Return the endpoint of a route that needs no token. The limits of callers apply to each address."""

    async def endpoint(request: Request) -> Response:
        with _hold_share(door.strangers, _client_address(request)):
            return await route.handler(request)

    return endpoint


def delay_refusal(endpoint: Endpoint, door: Door) -> Endpoint:
    """Return `endpoint` with a pause before the refusal of a caller that is over its limit."""

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
        OverLimit: the caller has too many requests under way, or has sent too many requests.
    """
    callers.begin_request(caller, time.monotonic())
    try:
        yield
    finally:
        callers.end_request(caller)


def _client_address(request: Request) -> str:
    return request.client.host if request.client else ""
