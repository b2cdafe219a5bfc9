"""Who may call what."""

from collections.abc import Mapping
from typing import Any

import pytest
from starlette.requests import Request

from runtime.web.route import OpenRoute, Route
from schemas.errors import Forbidden, Unauthenticated
from wms.fleet.ownership import Access
from wms.gateway import app as gateway
from wms.gateway.describe import list_bare_routes
from wms.gateway.roles import Role, find_access, make_gatekeeper

#: Every route of our own dialect.
ROUTES = [*list_bare_routes(), *gateway.list_own_routes()]
ROLES = {(route.method, route.path): route.roles for route in ROUTES if isinstance(route, Route)}


class Believer:
    """Takes the token for the subject, and gives it the claims it was made with."""

    def __init__(self, **claims: Any) -> None:
        self.given = claims

    async def verify_token(self, token: str) -> Mapping[str, Any]:
        return {"sub": token, **self.given}


def request(authorization: str | None) -> Request:
    headers = [] if authorization is None else [(b"authorization", authorization.encode())]
    return Request({"type": "http", "headers": headers})


@pytest.mark.parametrize(
    ("claims", "roles"),
    [
        ({"groups": ["/institutions/IceCube/Uppsala"]}, {Role.USER}),
        ({"groups": ["/institutions/IceCube"]}, {Role.USER}),
        ({"groups": "/tokens/ewms-dev"}, {Role.USER}),
        ({"groups": ["/x/institutions/IceCube"]}, set()),
        ({"groups": ["/tokens/ewms-dev-not"]}, set()),
        ({"ewms_role": "user"}, {Role.USER}),
        ({"ewms_role": "users"}, set()),
        ({"ewms_role": ["user", "ops"]}, {Role.USER, Role.OPS}),
        ({"ewms_role": "system-tms"}, {Role.SYSTEM_TMS}),
        ({"ewms_role": {"user": 1}}, set()),
        ({"ewms_role": [["user"], 5, None]}, set()),
        ({"role": "user"}, set()),
        ({}, set()),
    ],
)
def test_roles_come_from_the_contracts_claims(claims: dict[str, Any], roles: set[Role]) -> None:
    assert make_gatekeeper(Believer()).find_roles(claims) == roles


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "abc"])
async def test_without_a_bearer_token_nobody_is_let_in(header: str | None) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await make_gatekeeper(Believer(ewms_role="user")).admit_caller(request(header), frozenset(Role))
    assert (caught.value.code, caught.value.reason) == (403, "authentication failed")


async def test_a_role_that_is_not_listed_is_not_let_in() -> None:
    with pytest.raises(Forbidden) as caught:
        await make_gatekeeper(Believer(ewms_role="auditor")).admit_caller(request("Bearer ada"), frozenset({Role.USER}))
    assert (caught.value.code, caught.value.reason) == (403, "authorization failed")


async def test_a_caller_bears_subject_role_and_projects() -> None:
    keeper = make_gatekeeper(Believer(groups=["/projects/muon", "/projects/muon", "/institutions/IceCube"]))
    caller = await keeper.admit_caller(request("bearer ada"), frozenset({Role.USER, Role.OPS}))
    assert (caller.subject, caller.role, caller.projects) == ("ada", Role.USER, ("/projects/muon",))
    assert not find_access(caller).everything


async def test_a_tms_is_named_so_in_the_log_and_sees_all() -> None:
    caller = await make_gatekeeper(Believer(ewms_role="system-tms")).admit_caller(request("Bearer t"), frozenset(Role))
    assert (find_access(caller).role_name, find_access(caller).everything) == ("TMS", True)


async def test_the_development_switch_lets_everybody_in_as_the_first_role() -> None:
    caller = await make_gatekeeper(None).admit_caller(request(None), frozenset({Role.USER, Role.SYSTEM_TMS}))
    assert caller.role is Role.USER


def test_only_these_need_no_token() -> None:
    assert {route.path for route in ROUTES if isinstance(route, OpenRoute)} == {
        "/mqbroker-issuer/.well-known/jwks.json",
        "/version",
        "/api/",
        "/docs",
        "/docs/openapi.json",
        "/docs/start.js",
        "/docs/swagger-ui.css",
        "/docs/swagger-ui-bundle.js",
    }


def test_auditors_and_ops_and_tms_make_nothing_of_users() -> None:
    for (method, path), roles in ROLES.items():
        if Role.AUDITOR in roles:
            assert method == "GET" or path.startswith("/query/")
    assert ROLES["POST", "/workflows"] == {Role.USER, Role.PROJECT_ADMIN}
    assert ROLES["GET", "/mqs/workflows/{workflow_id}/mq-profiles/public"] == {Role.USER, Role.PROJECT_ADMIN}, (
        "tokens are the user's own"
    )


def test_an_object_is_seen_by_its_owner_and_its_projects_only() -> None:
    access = Access("ada", frozenset({"/projects/muon"}))
    assert access.may_see("ada", [])
    assert access.may_see("bob", ["/projects/x", "/projects/muon"])
    assert not access.may_see("bob", ["/projects/x"])
    assert access.owner_filter == {"$or": [{"owner": "ada"}, {"projects": {"$in": ["/projects/muon"]}}]}
    assert Access("ada").owner_filter == {"owner": "ada"}
    assert Access("ada", everything=True).owner_filter == {}
