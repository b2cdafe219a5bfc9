"""The gateway as an ASGI application, without a socket: routing, errors, headers, the OpenAPI document."""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from starlette.responses import Response

from runtime.web.app import DoorLimits
from runtime.web.callers.gatekeeper import Caller
from runtime.web.callers.limits import CallerLimits
from runtime.web.route import Call, Route, answer_json
from runtime.web.server.reason_phrases import REASON_HEADER, reason_phrase
from schemas.api.general import Empty
from schemas.api.workflows.requests import WorkflowRequest
from schemas.errors import Broken, EWMSError, NotFound, Unauthenticated, Unavailable, Unprocessable
from tests.contract.conformance.route_roles import ROUTES
from wms.gateway import app as gateway
from wms.gateway.describe import list_bare_routes
from wms.gateway.ewms.dialect import EWMS
from wms.gateway.roles import READERS, USERS, make_gatekeeper

TOKEN = {"Authorization": "Bearer ada"}


class Believer:
    async def verify_token(self, token: str) -> Mapping[str, Any]:
        if token == "forged":
            raise Unauthenticated
        return {"sub": token, "ewms_role": "user"}


def client(handler: Any = None, *, max_body_bytes: int = 1000, max_at_once: int = 10) -> httpx2.AsyncClient:
    async def echo(call: Call) -> Response:
        return answer_json({"subject": call.caller.subject, "path": call.request.path_params})

    handler = handler or echo
    app = gateway.build_app(
        [
            Route("POST", "/workflows", handler, "Make", roles=USERS, body=WorkflowRequest),
            Route("GET", "/workflows/{workflow_id}", handler, "Get", roles=READERS),
            Route(
                "POST",
                "/workflows/{workflow_id}/actions/abort",
                handler,
                "Abort",
                roles=USERS,
                body=Empty,
                body_optional=True,
            ),
        ],
        make_gatekeeper(Believer()),
        limits=DoorLimits(max_body_bytes=max_body_bytes, max_at_once=max_at_once),
    )
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway")


def failing(error: Exception) -> Any:
    async def fail(_: Call) -> Response:
        raise error

    return fail


@pytest.mark.parametrize("prefix", ["/v0", "/v1"])
async def test_both_prefixes_lead_to_the_same_handlers(prefix: str) -> None:
    async with client() as http:
        assert (await http.get(f"{prefix}/", headers=TOKEN)).json() == {}
        found = await http.get(f"{prefix}/workflows/WF-1", headers=TOKEN)
        assert found.json() == {"subject": "ada", "path": {"workflow_id": "WF-1"}}
        assert found.headers["content-type"] == "application/json; charset=UTF-8"


class Doorkeeper:
    """Keeps which roles were asked for, and lets everybody in with the first of them, or nobody."""

    def __init__(self, *, lets_in: bool) -> None:
        self.lets_in = lets_in
        self.asked: list[frozenset[str]] = []

    async def admit_caller(self, _: object, allowed: frozenset[str]) -> Caller:
        self.asked.append(allowed)
        if not self.lets_in:
            raise Unauthenticated
        return Caller("ada", role=min(allowed))


OWN_ROUTES = [route for route in list_bare_routes() if isinstance(route, Route)]


@pytest.mark.parametrize("prefix", EWMS.prefixes)
async def test_each_route_is_guarded_under_each_prefix_and_asks_for_its_own_roles(prefix: str) -> None:
    keeper: Any = Doorkeeper(lets_in=False)
    app = gateway.build_app(OWN_ROUTES, keeper)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway") as http:
        for route in OWN_ROUTES:
            answer = await http.request(route.method, f"{prefix}{re.sub('{[^}]*}', 'x', route.path)}")
            assert (answer.status_code, answer.json()["error"]) == (403, "authentication failed"), route.path
    assert keeper.asked == [route.roles for route in OWN_ROUTES]


@pytest.mark.parametrize("route", OWN_ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_each_route_leads_to_its_handler_under_each_prefix_with_the_same_path_and_body(route: Route) -> None:
    calls: list[Call] = []

    async def keep(call: Call) -> Response:
        calls.append(call)
        return answer_json({})

    async def lose(_: Call) -> Response:
        raise AssertionError("another route's handler")

    routes = [replace(each, handler=keep if each is route else lose) for each in OWN_ROUTES]
    keeper: Any = Doorkeeper(lets_in=True)
    app = gateway.build_app(routes, keeper)
    good = ROUTES[route.method, route.path][1]
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway") as http:
        for prefix in EWMS.prefixes:
            answer = await http.request(route.method, f"{prefix}{re.sub('{[^}]*}', 'x', route.path)}", json=good)
            assert answer.status_code == 200, answer.text
    first, second = calls
    assert first.request.path_params == second.request.path_params
    if route.old_body is None:
        assert first.body == second.body


@pytest.mark.parametrize(
    ("method", "path", "code", "error"),
    [
        ("GET", "/v1", 404, "Not Found"),
        ("GET", "/v2/workflows/WF-1", 404, "Not Found"),
        ("GET", "/v1/workflows/WF-1/", 404, "Not Found"),
        ("GET", "/v1/nothing", 404, "Not Found"),
        ("DELETE", "/v1/workflows/WF-1", 405, "Method Not Allowed"),
        ("PUT", "/v1/workflows", 405, "Method Not Allowed"),
    ],
)
async def test_what_no_route_takes_is_answered_as_json(method: str, path: str, code: int, error: str) -> None:
    async with client() as http:
        answer = await http.request(method, path, headers=TOKEN)
        assert (answer.status_code, answer.json()) == (code, {"code": code, "error": error})
        assert answer.headers["x-request-id"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer forged"}])
async def test_a_missing_or_bad_token_is_403_whatever_the_body(headers: dict[str, str]) -> None:
    async with client() as http:
        answer = await http.post("/v1/workflows", content=b"x" * 5000, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (403, "authentication failed")
        assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (NotFound("no workflow found with id: X"), 404, "no workflow found with id: X"),
        (Unprocessable("too late"), 422, "too late"),
        (Unavailable("the database is away"), 503, "the database is away"),
        (Broken("mongodb://user:secret@host"), 500, "Internal Server Error"),
        (EWMSError("whatever"), 500, "Internal Server Error"),
        (KeyError("secret"), 500, "Internal Server Error"),
        (RecursionError("secret"), 500, "Internal Server Error"),
    ],
)
async def test_every_error_is_an_answer_and_a_defect_tells_nothing(error: Exception, code: int, text: str) -> None:
    async with client(failing(error)) as http:
        answer = await http.get("/v1/workflows/WF-1", headers=TOKEN)
        assert (answer.status_code, answer.json()) == (code, {"code": code, "error": text})
        assert answer.headers[REASON_HEADER] == text
        assert ("retry-after" in answer.headers) == (code == 503)


async def test_hint_and_request_id_are_headers() -> None:
    async with client(failing(NotFound("gone", hint="look\r\nelsewhere"))) as http:
        answer = await http.get("/v1/workflows/WF-1", headers={**TOKEN, "X-Request-ID": "req-7"})
        assert (answer.headers["x-ewms-hint"], answer.headers["x-request-id"]) == ("look  elsewhere", "req-7")
        answer = await http.get("/v1/workflows/WF-1", headers={**TOKEN, "X-Request-ID": "a b" * 50})
        assert len(answer.headers["x-request-id"]) == 32


@pytest.mark.parametrize("stated", [True, False])
async def test_a_body_over_the_limit_is_413_whatever_its_headers_say(stated: bool) -> None:
    async def chunks() -> Any:
        for _ in range(20):
            yield b" " * 100

    async with client() as http:
        content = b" " * 2000 if stated else chunks()
        answer = await http.post(
            "/v1/workflows", content=content, headers={**TOKEN, "Content-Type": "application/json"}
        )
        assert (answer.status_code, answer.json()["code"]) == (413, 413)


async def test_more_requests_at_once_than_the_limit_are_told_to_come_again() -> None:
    release = asyncio.Event()

    async def wait(_: Call) -> Response:
        await release.wait()
        return answer_json({})

    async with client(wait, max_at_once=2) as http:
        under_way = [asyncio.create_task(http.get("/v1/workflows/WF-1", headers=TOKEN)) for _ in range(2)]
        await asyncio.sleep(0.05)
        refused = await http.get("/v1/workflows/WF-1", headers=TOKEN)
        assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
        release.set()
        assert [answer.status_code for answer in await asyncio.gather(*under_way)] == [200, 200]
        assert (await http.get("/v1/workflows/WF-1", headers=TOKEN)).status_code == 200


@pytest.mark.parametrize("content", [b"", b"{}"])
async def test_a_post_without_arguments_takes_nothing_or_an_empty_object(content: bytes) -> None:
    async with client() as http:
        headers = {**TOKEN, "Content-Type": "application/json"}
        assert (
            await http.post("/v0/workflows/WF-1/actions/abort", content=content, headers=headers)
        ).status_code == 200


async def test_the_openapi_document_says_all_and_needs_a_token() -> None:
    async with client() as http:
        assert (await http.get("/v1/schema/openapi")).status_code == 403
        document = (await http.get("/v0/schema/openapi", headers=TOKEN)).json()
    info = document["info"]
    assert all(info[key] for key in ("title", "version", "summary", "description", "contact", "license"))
    assert document["openapi"] == "3.1.0"
    post = document["paths"]["/v1/workflows"]["post"]
    assert post["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/WorkflowRequest"
    }
    references = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert references <= set(document["components"]["schemas"])
    assert document["components"]["schemas"]["WorkflowRequest"]["additionalProperties"] is False
    assert document["components"]["schemas"]["TaskRequest"]["properties"]["cluster_locations"]["uniqueItems"] is True


def test_a_route_without_roles_stops_the_start() -> None:
    async def handler(_: Call) -> Response:
        return answer_json({})

    with pytest.raises(Broken, match="no role may call POST /new"):
        gateway.build_app([Route("POST", "/new", handler, "New", roles=frozenset())], make_gatekeeper(None))


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("Not Found", "Not Found"),
        ("a\r\nSet-Cookie: x", "a  Set-Cookie: x"),
        ("\x00\x1b[31m", "[31m"),
        ("naïve", "naïve"),
        ("→ \N{SNOWMAN}", "? ?"),
        ("x\u2028", "x"),
    ],
)
def test_a_reason_phrase_is_one_line_of_latin_1(text: str, phrase: str) -> None:
    assert reason_phrase(text) == phrase


def test_a_reason_phrase_is_bounded() -> None:
    assert len(reason_phrase("x" * 100_000)) == 1024


async def test_no_caller_can_spell_anothers_idempotency_key() -> None:
    async def key(call: Call) -> Response:
        assert call.once is not None
        return answer_json({"key": call.once.inbox_id})

    async with client(key) as http:
        path = "/v1/workflows/WF-1/actions/abort"
        keys = [
            (await http.post(path, headers={"Authorization": f"Bearer {subject}", "Idempotency-Key": text})).json()[
                "key"
            ]
            for subject, text in (("a:b", "c"), ("a", "b:c"), ("a%3Ab", "c"))
        ]
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    ("path", "n_running"),
    [
        ("/v1/workflows/WF-1", 6),
        ("/v1/taskforces/TF-1", 2),
        ("/v1/taskforces/TF-1?counts=true", 2),
        ("/v1/taskforces/TF-1?counts=false", 6),
    ],
)
async def test_few_requests_of_one_caller_run_at_once_and_the_others_wait(path: str, n_running: int) -> None:
    running: Counter[str] = Counter()
    most: Counter[str] = Counter()
    all_may_go = asyncio.Event()

    async def wait(call: Call) -> Response:
        subject = call.caller.subject
        running[subject] += 1
        most[subject] = max(most[subject], running[subject])
        if subject == "ben":
            all_may_go.set()
        await all_may_go.wait()
        running[subject] -= 1
        return answer_json({})

    app = gateway.build_app(
        [
            Route("GET", "/workflows/{workflow_id}", wait, "Get", roles=READERS),
            Route(
                "GET",
                "/taskforces/{taskforce_uuid}",
                wait,
                "Get",
                roles=READERS,
                is_heavy=True,
                light_with=("counts", "false"),
            ),
        ],
        make_gatekeeper(Believer()),
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway") as http:
        asked = [asyncio.create_task(http.get(path, headers=TOKEN)) for _ in range(20)]
        async with asyncio.timeout(20):
            while running["ada"] < n_running:
                await asyncio.sleep(0)
            # Another caller has its own turn, and lets the first one's go on.
            assert (await http.get(path, headers={"Authorization": "Bearer ben"})).status_code == 200
            assert {(await each).status_code for each in asked} == {200}
    assert most == {"ada": n_running, "ben": 1}


async def test_the_place_of_a_heavy_request_rests_as_long_as_it_ran() -> None:
    times: list[float] = []

    async def work(_: Call) -> Response:
        times.append(time.monotonic())
        await asyncio.sleep(0.2)
        times.append(time.monotonic())
        return answer_json({})

    app = gateway.build_app(
        [Route("GET", "/workflows/{workflow_id}", work, "Get", roles=READERS, is_heavy=True)],
        make_gatekeeper(Believer()),
        limits=DoorLimits(caller=CallerLimits(max_heavy=1)),
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway") as http:
        await asyncio.gather(*(http.get("/v1/workflows/WF-1", headers=TOKEN) for _ in range(2)))
    _, first_end, second_begin, _ = times
    assert second_begin - first_end > 0.15
