"""An ASGI application that serves the routes of several dialects behind one door (`runtime.web.door`)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.routing import Route as StarletteRoute

from runtime.web import bodies
from runtime.web.callers.gatekeeper import Gatekeeper
from runtime.web.callers.limits import CallerLimits, CallerTable
from runtime.web.callers.turns import CallerTurns, RequestLimit
from runtime.web.dialects import Served, choose_dialect
from runtime.web.door import Door, delay_refusal, guard_route, limit_open_route
from runtime.web.prefix_routes import PrefixRoutes, first_segment
from runtime.web.request_frame import answer_unrouted, redirect_to_slash, wrap_endpoint
from runtime.web.route import OpenRoute
from schemas.rules.limits import MAX_BODY_BYTES

_CALLER_LIMITS = CallerLimits()

#: How many callers may run all their heavy requests at once.
_MAX_HEAVY_FACTOR = 4


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """How much of the process requests may use: all requests together, and those of one caller."""

    max_body_bytes: int = MAX_BODY_BYTES
    #: How many requests may be under way at once. More would only delay each other. At most half of them may wait for
    #: their bodies, so that slow senders never keep out requests without a body. Each waits at most `body_patience_s`.
    #: Nearly every body comes together with its head, and needs such a wait only for a moment.
    max_at_once: int = 200
    caller: CallerLimits = _CALLER_LIMITS
    #: How many seconds a caller over its limit waits for its refusal. Its request does not count meanwhile. Without the
    #: wait, a caller with hundreds of connections that tries again at once would keep the process busy with refusals.
    refusal_pause_s: float = 2.0
    body_patience_s: float = bodies.PATIENCE_S


def build_app(
    served: Sequence[Served], gatekeeper: Gatekeeper, *, limits: DoorLimits, open_routes: Iterable[BaseRoute] = ()
) -> Starlette:
    """Return the application that serves the routes of each dialect. `open_routes` (health, files) bypass the door.

    If a path belongs to no dialect, the error has the form of the first dialect.

    Raises:
        Broken: a route has no roles.
    """
    door = _make_door(gatekeeper, limits)
    app = Starlette()
    app.router.redirect_slashes = False
    listed = [(dialect, tuple(routes)) for dialect, routes in served]
    below: defaultdict[str, list[StarletteRoute]] = defaultdict(list)
    # A longer prefix first: below /api, a path of several parts must not hide what is below /api/v1.
    by_prefix = [(prefix, dialect, routes) for dialect, routes in listed for prefix in dialect.prefixes]
    for prefix, dialect, routes in sorted(by_prefix, key=lambda each: -len(each[0])):
        for route in routes:
            if isinstance(route, OpenRoute):
                continue
            endpoint = delay_refusal(guard_route(route, door, dialect=dialect, prefix=prefix), door)
            endpoint = wrap_endpoint(dialect.name_path(prefix, route.path), endpoint, dialect)
            for path in dialect.list_paths(prefix, route.path):
                is_moved = dialect.redirects_to_slash and route.method == "GET" and not path.endswith("/")
                answer = redirect_to_slash if is_moved else endpoint
                below[first_segment(prefix)].append(StarletteRoute(path, answer, methods=[route.method]))
    app.router.routes.extend(PrefixRoutes(segment, routes) for segment, routes in below.items())
    for dialect, routes in listed:
        for route in routes:
            if isinstance(route, OpenRoute):
                endpoint = delay_refusal(limit_open_route(route, door), door)
                app.add_route(route.path, wrap_endpoint(route.path, endpoint, dialect), methods=[route.method])
    app.router.routes.extend(open_routes)
    dialects = [dialect for dialect, _ in listed]

    async def answer_lost(request: Request, error: Any) -> Response:
        return answer_unrouted(request, error, choose_dialect(dialects, request.url.path) or dialects[0])

    app.add_exception_handler(HTTPException, answer_lost)
    return app


def _make_door(gatekeeper: Gatekeeper, limits: DoorLimits) -> Door:
    caller, half = limits.caller, max(1, limits.max_at_once // 2)
    return Door(
        gatekeeper=gatekeeper,
        load=RequestLimit(limits.max_at_once),
        arriving=RequestLimit(half),
        users=CallerTable(caller),
        # Services call for many users, and we trust them not to send too many requests.
        services=CallerTable(replace(caller, max_at_once=max(half, caller.max_at_once), per_s=0)),
        strangers=CallerTable(replace(caller, max_at_once=max(half // 2, caller.max_at_once), per_s=0)),
        turns=CallerTurns(caller.max_running, limits.max_at_once),
        service_turns=CallerTurns(half, limits.max_at_once),
        heavy_turns=CallerTurns(caller.max_heavy, _MAX_HEAVY_FACTOR * caller.max_heavy, rests=True),
        max_body_bytes=limits.max_body_bytes,
        body_patience_s=limits.body_patience_s,
        refusal_pause_s=limits.refusal_pause_s,
    )
