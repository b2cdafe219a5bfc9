"""Let a path name an object: `/workflow_job_templates/release++north/` instead of its id.

`Kind.named_by` has the facts that stand between the `++`. Those at the end may be left out if only one object has
the others.
"""

from dataclasses import replace
from functools import partial

from starlette.responses import Response

from runtime.web.route import Call, Handler, Route
from schemas.errors import NotFound, Rejected
from wms.gateway.awx.kinds.kind import Kind
from wms.gateway.awx.kinds.registry import KINDS
from wms.gateway.awx.requests import Requests
from wms.tenancy.rights import Principal

_BETWEEN = "++"


def take_names(route: Route, requests: Requests) -> Route:
    """Return `route`; if its path has the id of an object whose kind has names, the id may be a name."""
    parts = route.path.split("/")
    kind = KINDS.get(parts[1]) if len(parts) > 2 and parts[2] == "{id}" else None
    if kind is None or not kind.named_by or route.method == "OPTIONS":
        return route
    return replace(route, handler=partial(_answer_named, kind, route.handler, requests))


async def _answer_named(kind: Kind, handler: Handler, requests: Requests, call: Call) -> Response:
    text: str = call.request.path_params["id"]
    if not (text.isascii() and text.isdecimal()):
        principal = await requests.find_principal(call)
        call.request.path_params["id"] = str(await find_named(kind, text, principal, requests))
    return await handler(call)


async def find_named(kind: Kind, text: str, principal: Principal, requests: Requests) -> int:
    """Return the id of the object of `kind` that `text` names.

    Raises:
        NotFound: `principal` sees none or several of that name.
    """
    values = text.split(_BETWEEN)
    if len(values) > len(kind.named_by):
        raise NotFound("Not found.")
    pairs = [
        (fact, value) if value else (f"{fact.removesuffix('__name')}__isnull", "1")
        for fact, value in zip(kind.named_by, values, strict=False)
    ]
    try:
        found = await requests.relations.find_ids(principal, kind.path, pairs)
    except Rejected as error:
        raise NotFound("Not found.") from error
    if len(found) != 1:
        raise NotFound("Not found.", hint=f"{len(found)} objects have this name" if found else "")
    if kind.path == "organizations":
        return await requests.number_organization(found[0]) or 0
    return int(found[0])
