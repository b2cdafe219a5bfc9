"""The gateway's ASGI application: every route behind the same door (`wms.gateway.door`).

`auth.ROLES` must have the roles of every route, or `build_app` fails. Both prefixes lead to the same handlers.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from fastapi import FastAPI
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.routing import Route as StarletteRoute

from schemas.errors import Broken
from schemas.rules.limits import MAX_BODY_BYTES
from wms.gateway import bodies, docs, openapi
from wms.gateway.auth import Gatekeeper, find_allowed_roles
from wms.gateway.caller_limits import CallerLimits, CallerTable
from wms.gateway.caller_turns import CallerTurns, RequestLimit
from wms.gateway.door import Door, delay_refusal, guard_route, limit_open_route
from wms.gateway.request_frame import answer_unrouted, wrap_endpoint
from wms.gateway.route import AnyRoute, Call, OpenRoute, Route, answer_json, answer_raw

#: The prefixes of the contract's two versions. The versions differ only in the prefix and in the values that
#: environments may have. The OpenAPI document describes the newer one.
OLD_PREFIX = "/v0"
PREFIXES = ("/v1", OLD_PREFIX)

#: The version of the interface. Its major part is in the paths. The program has its own version.
API_VERSION = "1.4.0"

#: How many requests may be under way at once. More would only delay each other. At most half of them may wait for their
#: bodies, so that slow senders never keep out requests without a body. Each waits at most `bodies.PATIENCE_S`. A body
#: that comes together with its head, as nearly all do, takes such a place only for a moment.
MAX_AT_ONCE = 200
_CALLER_LIMITS = CallerLimits()

#: How many callers may run all their heavy requests at once.
_MAX_HEAVY_FACTOR = 4

#: How many seconds a caller over its share waits for its refusal. It takes no place meanwhile. Otherwise a caller with
#: hundreds of connections that tries again at once would keep the process busy with refusals alone.
_REFUSAL_PAUSE_S = 2.0


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

    `openapi_text` replaces our own document at /schema/openapi, and `mqs_openapi_text` at /mqs/schema/openapi.

    Raises:
        Broken: a route has no roles.
    """
    routes = list(routes)
    text = to_json(describe_routes(routes))
    described = [*routes, *_make_own_routes(text, wms=openapi_text or text, mqs=mqs_openapi_text or text)]

    half = max(1, max_at_once // 2)
    door = Door(
        gatekeeper=gatekeeper,
        load=RequestLimit(max_at_once),
        arriving=RequestLimit(half),
        users=CallerTable(caller_limits),
        # Services call for many users, and we trust them not to send too many requests.
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
    # Add them as routes of Starlette: the gateway itself reads and checks bodies once, and answers in the contract's
    # words.
    for route in described:
        if isinstance(route, OpenRoute):
            roles = find_allowed_roles(route.method, route.path)
            if roles:
                raise Broken(f"{route.path} needs no token, but `auth.ROLES` has roles for it")
            app.add_route(
                route.path,
                wrap_endpoint(route.path, delay_refusal(limit_open_route(route, door), door)),
                methods=[route.method],
            )
            continue
        for prefix in PREFIXES:
            endpoint = delay_refusal(guard_route(route, door, old=prefix == OLD_PREFIX), door)
            app.add_route(f"{prefix}{route.path}", wrap_endpoint(route.path, endpoint), methods=[route.method])
    app.router.routes.extend(_check_public(route) for route in health)
    app.add_exception_handler(HTTPException, answer_unrouted)
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


def _check_public(route: BaseRoute) -> BaseRoute:
    """Return `route`, after checking that it needs no token.

    Raises:
        Broken: `ROLES` does not list the route as public.
    """
    if not isinstance(route, StarletteRoute) or find_allowed_roles("GET", route.path):
        raise Broken(f"{getattr(route, 'path', route)} is not public: list it in `auth.ROLES` as PUBLIC")
    return route
