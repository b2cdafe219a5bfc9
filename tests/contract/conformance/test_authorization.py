"""Contract 5 and docs/reference/rights.md, generated: every route, in every role, on one's own and others' things.

A route that is not in the table (`route_roles`) fails the first test.
"""

import base64
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from deploy.local.servers.issued_tokens import AUDIENCE, mint_token
from deploy.local.system.stack import Stack
from tests.contract.conformance.route_roles import (
    ABSENT,
    ALL_CLAIMS,
    AUDITOR,
    BOUND,
    CODES,
    IN_ORGANIZATIONS,
    OPEN,
    OPS,
    ORG_ADMIN,
    ORG_MEMBER,
    ROUTES,
    SUPERUSER,
    TMS,
    USER,
    WITHOUT_ID,
    WMS,
)
from tests.contract.conformance.world import ALPHA, PREFIXES, SCHEDD_OF, World, ok, request
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def made(contract_stack: Stack, http: httpx2.Client) -> dict[str, str]:
    """The ids of a workflow of ada's, deactivated, so that no action on it does anything."""
    world = World(contract_stack, http, "/v1")
    made = world.submit()
    world.clear()
    task = made["task_directives"][0]
    return {
        "workflow_id": made["workflow"]["workflow_id"],
        "task_id": task["task_id"],
        "taskforce_uuid": made["taskforces"][0]["taskforce_uuid"],
        "mqid": task["input_queues"][0],
        "name": "0.out",
        "letter": "0" * 20,
        "event_id": "00000000-0000-0000-0000-000000000000",
        "organization": "north",
        "secret": "db-password",
        # A drain of a real location would hold up the other tests.
        "location": "nowhere",
    }


def call(world: World, method: str, path: str, made: Mapping[str, str], token: str | None) -> httpx2.Response:
    """Call a route with a good request."""
    if "/mq-group/" in path:
        # Of another WMS: not the queues of ours.
        made = {**made, "workflow_id": f"WF-{int(time.time()):08x}-{secrets.token_hex(4)}"}
    return call_with(world, method, path, made, token)


def call_with(world: World, method: str, path: str, made: Mapping[str, str], token: str | None) -> httpx2.Response:
    """Call a route of just these objects with a good request."""
    body = ROUTES[method, path][1]
    query = {"schedd": "nobody"} if "/tms/" in path else {"principal": "sub:zoe"} if method == "DELETE" else None
    headers = {} if token is None else {"Authorization": f"Bearer {token}".strip()}
    if path.endswith("/events"):
        # A stream has no end. Its status is there at once, and a refusal has a body.
        url = f"{world.prefix}{path.format(**made)}"
        with world.http.stream(method, url, json=body, headers=headers) as answer:
            if answer.status_code != 200:
                answer.read()
            return answer
    return world.http.request(
        method,
        f"{world.prefix}{path.format(**made)}",
        json=body,
        params=query,
        headers=headers,
    )


def token_of(world: World, role: str, subject: str) -> str:
    return mint_token(world.stack.issuer, subject, ALL_CLAIMS[role])


def test_every_route_of_the_document_is_in_the_table(world: World) -> None:
    document = ok(world.user.get("/schema/openapi"))
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    expected = {(method, f"/v1{path}") for method, path in ROUTES}
    assert {route for route in described if route[1] not in OPEN} == expected


@pytest.fixture(scope="module")
def tokens(contract_stack: Stack) -> dict[str, str]:
    """A token of ada's in each role."""
    return {role: mint_token(contract_stack.issuer, "ada", claims) for role, claims in ALL_CLAIMS.items()}


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_each_role_may_what_the_table_says_and_nothing_else(
    world: World, made: dict[str, str], tokens: dict[str, str], route: tuple[str, str]
) -> None:
    allowed = ROUTES[route][0]
    asking = list(tokens)
    if world.prefix == "/v0":
        # A route asks for the same roles under both (tests/unit/wms/gateway/test_app.py): ask as one of each kind.
        asking = [next(role for role in tokens if (role in allowed) is may) for may in (True, False)]
    for role in asking:
        token = tokens[role]
        answer = call(world, *route, made, token)
        if route == ("POST", "/workflows") and answer.status_code == 200:
            world.workflows.append(answer.json()["workflow"]["workflow_id"])
        if role in allowed:
            assert answer.status_code != 403, role
            assert answer.status_code < 500 or answer.status_code == 503, (role, answer.text)
        else:
            assert (answer.status_code, answer.json()) == (403, {"code": 403, "error": "authorization failed"}), role
            assert answer.reason_phrase == "authorization failed"


def _forged(stack: Stack) -> dict[str, str | None]:
    """Return tokens that prove nothing; each would be an ops' if it were believed."""
    claims = {"ewms_role": OPS}
    good = mint_token(stack.issuer, "eve", claims)
    header, payload, signature = good.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    body = jwt.decode(good, options={"verify_signature": False})
    raised = (
        base64.urlsafe_b64encode(json.dumps({**body, "groups": ["/tokens/ewms-dev"]}).encode()).rstrip(b"=").decode()
    )
    return {
        "none": None,
        "empty": "",
        "no token": "hello",
        "expired": mint_token(stack.issuer, "eve", claims, life_s=-3600),
        "another key": jwt.encode(body, other, algorithm="RS256", headers={"kid": stack.issuer.keys.kid}),
        "alg none": f"{none}.{payload}.",
        "changed claims": f"{header}.{raised}.{signature}",
        "no signature": f"{header}.{payload}.",
        "another audience": mint_token(stack.issuer, "eve", {**claims, "aud": "elsewhere"}),
        "another issuer": mint_token(stack.issuer, "eve", {**claims, "iss": "https://evil.example.org"}),
        "no subject": mint_token(stack.issuer, "", claims),
        "a broker's token": mint_token(stack.issuer, "eve", {**claims, "aud": "ewms"}),
    }


@pytest.fixture(scope="module")
def forged(contract_stack: Stack) -> dict[str, str | None]:
    """Tokens that prove nothing."""
    assert AUDIENCE != "ewms"
    return _forged(contract_stack)


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_without_a_token_that_proves_something_nothing_opens(
    world: World, made: dict[str, str], forged: dict[str, str | None], route: tuple[str, str]
) -> None:
    # Tokens are verified before anything of the route counts, so one of them is enough under the second prefix.
    kinds = ["another key"] if world.prefix == "/v0" else list(forged)
    for kind in kinds:
        answer = call(world, *route, made, forged[kind])
        assert (answer.status_code, answer.json()) == (403, {"code": 403, "error": "authentication failed"}), kind
        assert answer.reason_phrase == "authentication failed"


def test_every_route_without_an_id_says_what_it_reaches() -> None:
    assert {route for route in ROUTES if "{" not in route[1]} == set(WITHOUT_ID)


@pytest.fixture(scope="module")
def reserved(contract_stack: Stack, http: httpx2.Client) -> dict[str, str]:
    """The ids of an active group of queues that the WMS of site-a has reserved."""
    world = World(contract_stack, http, "/v1")
    site = world.caller(WMS, "site-a")
    workflow_id = f"WF-{int(time.time()):08x}-{secrets.token_hex(4)}"
    group = f"/mqs/workflows/{workflow_id}/mq-group"
    made = ok(site.post(f"{group}/reservation", {"queue_aliases": ["a"], "public": []}))
    ok(site.post(f"{group}/activation", {"criteria": None}))
    assert ok(site.get(f"/mqs/mq-profiles/{made['mqprofiles'][0]['mqid']}"))["auth_token"]
    return {**ABSENT, "workflow_id": workflow_id, "mqid": made["mqprofiles"][0]["mqid"]}


def stranger(world: World, role: str) -> str:
    """Return the token of somebody in `role` to whom neither ada's objects nor those of site-a belong."""
    claims = {**ALL_CLAIMS[role], **({"ewms_schedd": "elsewhere"} if role == TMS else {})}
    if role in IN_ORGANIZATIONS:
        claims = {"groups": [group.replace("north", "south") for group in claims["groups"]]}
    return mint_token(world.stack.issuer, {WMS: "site-b", TMS: "tms"}.get(role, "eve"), claims)


#: Each row under one of the prefixes, in turn: both lead to the same handler (tests/unit/wms/gateway/test_app.py).
BOUND_UNDER = [(PREFIXES[n % 2], *row) for n, row in enumerate(BOUND)]


@pytest.mark.parametrize(("prefix", "method", "path", "role"), BOUND_UNDER, ids=map(" ".join, BOUND_UNDER))
def test_what_belongs_to_somebody_else_looks_like_what_does_not_exist(
    world: World, made: dict[str, str], reserved: dict[str, str], method: str, path: str, role: str
) -> None:
    token = stranger(world, role)
    free = f"WF-{int(time.time()):08x}-{secrets.token_hex(4)}"
    absent = {**ABSENT, "workflow_id": free} if role == WMS else ABSENT
    expected = CODES.get((method, path, role), (404, 404))
    nothing = call_with(world, method, path, absent, token)
    for theirs in (made, reserved):
        foreign = call_with(world, method, path, theirs, token)
        assert (foreign.status_code, nothing.status_code) == expected, foreign.text
        if expected[0] == expected[1]:
            assert _without_ids(foreign, theirs) == _without_ids(nothing, absent)


def _without_ids(answer: httpx2.Response, ids: Mapping[str, str]) -> str:
    text = answer.text
    for value in ids.values():
        text = text.replace(value, "")
    return text


def test_a_site_cannot_reach_the_queues_of_our_own_users(world: World) -> None:
    """The reason for the matrix above: such a token once opened any queue whose id was known."""
    made = world.submit()
    workflow_id, mqid = made["workflow"]["workflow_id"], made["task_directives"][0]["input_queues"][0]
    path = f"/mqs/workflows/{workflow_id}/mq-profiles/public"
    wait_until(lambda: ok(world.user.get(path))["mqprofiles"], lambda profiles: profiles[0]["is_activated"])
    site = world.caller(WMS)
    for answer in (
        site.get(f"/mqs/mq-profiles/{mqid}"),
        site.get(f"/mqs/workflows/{workflow_id}/mq-group"),
        site.post(f"/mqs/workflows/{workflow_id}/mq-group/activation", {"criteria": None}),
        site.post(f"/mqs/workflows/{workflow_id}/mq-group/reservation", {"queue_aliases": ["a"], "public": ["a"]}),
    ):
        assert answer.status_code == 404
        assert "token" not in answer.text


def test_a_tms_bound_to_a_schedd_is_given_and_believed_nothing_of_another(world: World) -> None:
    uuid = world.started()["taskforce_uuid"]
    bound = world.caller(TMS, "tms", ewms_schedd="elsewhere")
    for step in ("starter", "stopper"):
        assert ok(bound.get(f"/tms/pending-{step}/taskforces", schedd=SCHEDD_OF[ALPHA])) == {}
    errors = {"top_task_errors_by_taskforce": {uuid: {"E": 1}}}
    told = bound.post("/tms/statuses/taskforces", errors)
    nothing = bound.post("/tms/statuses/taskforces", {"top_task_errors_by_taskforce": {ABSENT["taskforce_uuid"]: {}}})
    assert told.text.replace(uuid, "") == nothing.text.replace(ABSENT["taskforce_uuid"], "")
    assert world.taskforce(uuid)["top_task_errors"] == {}
    query = {"query": {"taskforce_uuid": uuid}}
    assert ok(bound.post("/query/taskforces", query))["taskforces"] == []


def test_members_of_a_project_share_what_any_of_them_makes_and_nobody_else_sees_it(world: World) -> None:
    groups = ["/tokens/ewms-dev", "/projects/reco"]
    ada = world.caller(USER, "ada", groups=groups)
    made = ok(ada.post("/workflows", request()))
    world.workflows.append(made["workflow"]["workflow_id"])
    path = f"/workflows/{made['workflow']['workflow_id']}"
    query = {"query": {"workflow_id": made["workflow"]["workflow_id"]}}
    for who, sees in (
        (world.caller(USER, "ben", groups=groups), True),
        (world.caller(USER, "eve", groups=["/tokens/ewms-dev", "/projects/other"]), False),
        (world.caller(USER, "eve"), False),
        (world.caller(AUDITOR), True),
        (world.caller(OPS), True),
    ):
        assert (who.get(path).status_code == 200) is sees
        assert len(ok(who.post("/query/workflows", query))["workflows"]) == sees
    ok(world.caller(USER, "ben", groups=groups).post(f"{path}/actions/abort"))


def test_public_queue_tokens_are_nobody_elses_not_even_ops(world: World, made: dict[str, str]) -> None:
    path = f"/mqs/workflows/{made['workflow_id']}/mq-profiles/public"
    assert ok(world.caller(USER, "eve").get(path)) == {"mqprofiles": []}
    for role in (AUDITOR, OPS, TMS):
        assert world.caller(role).get(path).status_code == 403


#: claims, role; the default mapping of the contract.
MAPPED: list[tuple[dict[str, Any], str | None]] = [
    ({"groups": ["/institutions/IceCube"]}, USER),
    ({"groups": ["/other", "/institutions/IceCube/UW-Madison"]}, USER),
    ({"groups": ["/tokens/ewms-dev"]}, USER),
    ({"groups": "/tokens/ewms-dev"}, USER),
    ({"ewms_role": "user"}, USER),
    ({"ewms_role": ["user"]}, USER),
    ({"ewms_role": "system-tms"}, TMS),
    ({"ewms_role": "system-wms"}, WMS),
    ({"groups": ["/tokens/ewms-dev/x"]}, None),
    ({"groups": ["x/tokens/ewms-dev"]}, None),
    ({"groups": ["/institutions/Icecube"]}, None),
    ({"ewms_role": "superuser"}, None),
    ({"ewms_role": {"user": True}}, None),
    ({"ewms_role": 1, "groups": None}, None),
    ({}, None),
]

#: role -> a route that of these three only it may call.
_OF_ROLE = {USER: "/workflows/WF-0", TMS: "/tms/pending-stopper/taskforces", WMS: "/mqs/workflows/WF-0/mq-group"}


@pytest.mark.parametrize(("prefix", "claims", "role"), [(PREFIXES[n % 2], *row) for n, row in enumerate(MAPPED)])
def test_claims_give_roles_as_in_the_contract(world: World, claims: dict[str, Any], role: str | None) -> None:
    headers = {"Authorization": f"Bearer {mint_token(world.stack.issuer, 'zoe', claims)}"}
    for each, path in _OF_ROLE.items():
        answer = world.http.get(f"{world.prefix}{path}", params={"schedd": "x"}, headers=headers)
        assert (answer.status_code != 403) is (each == role), each


def test_open_routes_need_no_token(world: World) -> None:
    for path in OPEN:
        assert world.http.get(path).status_code == 200


def test_a_stored_member_sees_its_organization_and_an_admin_gives_and_takes_roles(world: World) -> None:
    def caller(subject: str, **claims: Any) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {mint_token(world.stack.issuer, subject, claims)}"}
        return httpx2.Client(base_url=f"{world.stack.gateway}{world.prefix}", headers=headers)

    name = f"org-{secrets.token_hex(4)}"
    root, yan = caller("root", ewms_role=SUPERUSER), caller("yan")
    body = {"title": "Ours", "customer_ids": [f"c-{name}"]}
    made = root.put(f"/organizations/{name}", json=body)
    assert (made.status_code, made.json()["your_roles"], made.json()["changed_by"]) == (200, [SUPERUSER], "root")
    again = root.put(f"/organizations/{name}-2", json=body)
    assert (again.status_code, again.json()["error"]) == (
        409,
        f"these customers belong to organization '{name}': c-{name}",
    )
    assert yan.get(f"/organizations/{name}").status_code == 403
    members = f"/organizations/{name}/members"
    assert root.put(members, json={"principal": "sub:yan", "role": ORG_ADMIN}).status_code == 204
    assert yan.get("/organizations").json()["organizations"] == [yan.get(f"/organizations/{name}").json()]
    assert yan.get("/organizations/north").status_code == 404
    assert yan.put(members, json={"principal": "group:/g", "role": ORG_MEMBER}).status_code == 204
    assert [each["principal"] for each in yan.get(members).json()["members"]] == ["group:/g", "sub:yan"]
    zoe = caller("zoe", groups=["/g"])
    assert zoe.get(f"/organizations/{name}").json()["your_roles"] == [ORG_MEMBER]
    refused = zoe.put(members, json={"principal": "sub:zoe", "role": ORG_ADMIN})
    assert (refused.status_code, refused.json()["error"]) == (403, "authorization failed")
    # An admin of one organization is a stranger in another one.
    assert yan.put("/organizations/north/members", json={"principal": "sub:yan", "role": ORG_ADMIN}).status_code == 404
    for wrong in ({"principal": "zoe", "role": ORG_MEMBER}, {"principal": "sub:zoe", "role": SUPERUSER}):
        assert yan.put(members, json=wrong).status_code == 400
    assert yan.delete(members, params={"principal": "sub:yan"}).status_code == 204
    assert yan.get("/organizations").status_code == 403
    assert root.delete(members, params={"principal": "sub:yan"}).status_code == 404
    assert root.put("/organizations/.hidden", json=body).status_code == 400


def test_the_launcher_writes_the_tokens_of_a_person_in_each_role(world: World) -> None:
    written = world.stack.list_endpoints()
    seen = {}
    for role, token in {**written["tokens"], "the user": written["token"]}.items():
        headers = {"Authorization": f"Bearer {token}"}
        answer = world.http.get(f"{world.prefix}/organizations/default", headers=headers)
        seen[role] = answer.json()["your_roles"]
    assert seen == {**{role: [role] for role in IN_ORGANIZATIONS}, "the user": [ORG_MEMBER]}
    assert written["tokens"][SUPERUSER] == written["admin_token"]
