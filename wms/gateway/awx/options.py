"""The routes `OPTIONS`: each path of the dialect tells its methods, and what a client may send there.

They answer for an object that does not exist, too: the `awx` command asks for `/KIND/1/` before each command.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import partial
from typing import Any

from starlette.responses import Response

from runtime.web.callers.gatekeeper import ANYBODY
from runtime.web.route import Call, Route, answer_json
from wms.gateway.awx.dialect import EVERYBODY, AwxObject
from wms.gateway.awx.kinds.kind import Kind
from wms.gateway.awx.kinds.metadata import describe_action, describe_list, describe_object, describe_part
from wms.gateway.awx.kinds.registry import KINDS
from wms.gateway.awx.requests import Requests, list_path_ids
from wms.tenancy.rights import Action, Principal, find_organizations
from wms.tenancy.tree_rights import find_delegated

_ID = "{id}"


def list_option_routes(routes: Iterable[Route], requests: Requests) -> list[Route]:
    """Return a route `OPTIONS` for each path of `routes` that needs a token."""
    methods: defaultdict[str, list[str]] = defaultdict(list)
    for route in routes:
        if route.roles != ANYBODY:
            methods[route.path].append(route.method)

    async def answer(path: str, call: Call) -> Response:
        principal = await requests.find_principal(call)
        response = answer_json(describe_path(path, methods[path], principal))
        response.headers["Allow"] = ", ".join([*methods[path], "HEAD", "OPTIONS"])
        return response

    return [
        Route(
            "OPTIONS",
            path,
            partial(answer, path),
            f"See what one may do at {path}",
            roles=EVERYBODY,
            answer=AwxObject,
            parameters=list_path_ids(path),
        )
        for path in methods
    ]


def describe_path(path: str, methods: Collection[str], principal: Principal) -> dict[str, Any]:
    """Return what `OPTIONS` answers at `path`: a list, an object, or what stands below an object."""
    name, *below = path.strip("/").split("/")
    kind = KINDS.get(name)
    if kind is None:
        return describe_action(None, methods)
    may_change = may_change_somewhere(kind, principal)
    if not below:
        return describe_list(kind, methods, may_change=may_change)
    if len(below) == 1 and below[0] != _ID:
        return describe_action(kind.actions.get(below[0]), methods)
    if len(below) == 1:
        return describe_object(kind, methods, may_change=may_change)
    rest = "/".join(below[1:])
    if (part := kind.parts.get(rest)) is not None:
        return describe_part(part, KINDS[part.kind], methods, may_change=may_change)
    return describe_action(kind.actions.get(rest), methods)


def may_change_somewhere(kind: Kind, principal: Principal) -> bool:
    """Return whether `principal` may change objects of `kind` in some organization."""
    return kind.change is not None and may_somewhere(principal, kind.change)


def may_somewhere(principal: Principal, action: Action) -> bool:
    """Return whether `principal` may do `action` in some organization, or to some template."""
    return find_organizations(principal, action) != frozenset() or bool(find_delegated(principal, action))
