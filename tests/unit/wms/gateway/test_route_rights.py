"""Every route of every dialect, in every role: the door opens exactly where the route's roles say so.

The handlers are replaced by an answer, so that only the door decides.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from starlette.responses import Response

from runtime.web.app import DoorLimits
from runtime.web.callers.gatekeeper import ANYBODY, SIGNED_IN, Caller
from runtime.web.callers.limits import CallerLimits
from runtime.web.dialects import Dialect
from runtime.web.route import Call, Route, answer_json
from wms.gateway import app as gateway
from wms.gateway import catalogue, describe
from wms.gateway.ewms.dialect import EWMS
from wms.gateway.roles import Role, make_gatekeeper
from wms.tenancy.claims import DEFAULT_TENANCY_RULES, make_principal
from wms.tenancy.rights import SYSTEM_ROLES, TenancyRole

CLAIMS: Mapping[str, Mapping[str, Any]] = {
    **{role: {"ewms_role": role.value} for role in (*Role, *SYSTEM_ROLES)},
    **{
        role: {"groups": [f"/organizations/north/{role.removeprefix('org-')}"]}
        for role in TenancyRole
        if role not in SYSTEM_ROLES
    },
    "nobody": {},
}


class Believer:
    """Takes a token for the name of a role."""

    async def verify_token(self, token: str) -> Mapping[str, Any]:
        return {"sub": "ada", **CLAIMS[token]}


class ClaimsAlone:
    """The roles in organizations that tokens give."""

    roles = frozenset(TenancyRole)

    async def find_roles(self, caller: Caller) -> frozenset[str]:
        found = make_principal(caller.subject, caller.claims, rules=DEFAULT_TENANCY_RULES, memberships=[])
        return frozenset(found.every_role)


async def opened(call: Call) -> Response:
    return answer_json({"role": call.caller.role})


def without_handlers(routes: Any) -> list[Route]:
    return [replace(each, handler=opened, body=None, old_body=None) for each in routes if isinstance(each, Route)]


OURS = without_handlers(describe.list_bare_routes())
OTHERS = [(dialect, without_handlers(routes)) for dialect, routes in catalogue.list_bare_dialects()]
ROUTES = [(dialect, route) for dialect, routes in ((EWMS, OURS), *OTHERS) for route in routes]


@pytest.fixture(scope="module")
def http() -> httpx2.AsyncClient:
    no_limits = CallerLimits(per_s=0)
    app = gateway.build_app(
        OURS,
        make_gatekeeper(Believer(), organizations=ClaimsAlone()),
        dialects=OTHERS,
        limits=DoorLimits(caller=no_limits, refusal_pause_s=0),
    )
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway")


@pytest.mark.parametrize(
    ("dialect", "route"), ROUTES, ids=[f"{dialect.name} {route.method} {route.path}" for dialect, route in ROUTES]
)
async def test_the_door_opens_for_the_roles_of_the_route_and_for_no_other(
    http: httpx2.AsyncClient, dialect: Dialect, route: Route
) -> None:
    for prefix in dialect.prefixes:
        slash = "/" if dialect.redirects_to_slash else ""
        path = f"{prefix}{route.path.replace('{', '').replace('}', '')}{slash}"
        for role in CLAIMS:
            answer = await http.request(route.method, path, headers={"Authorization": f"Bearer {role}"})
            if route.roles == ANYBODY:
                assert (answer.status_code, answer.json()) == (200, {"role": "anybody"})
            elif role in route.roles:
                assert (answer.status_code, answer.json()) == (200, {"role": role}), role
            elif SIGNED_IN in route.roles:
                assert (answer.status_code, answer.json()) == (200, {"role": SIGNED_IN}), role
            else:
                body = dict(dialect.describe_error(403, "authorization failed", None))
                assert answer.status_code == 403, role
                assert {**answer.json(), "type": ""} == {**body, "type": ""}, role
        anonymous = await http.request(route.method, path)
        refusal = 401 if dialect.challenge else 403
        assert anonymous.status_code == (200 if route.roles == ANYBODY else refusal)


def test_every_role_opens_something() -> None:
    opened = frozenset[str]().union(*(route.roles for _, route in ROUTES))
    assert opened - ANYBODY == {*Role, *TenancyRole, SIGNED_IN}
