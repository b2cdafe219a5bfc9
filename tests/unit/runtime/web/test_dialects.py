"""Several dialects behind one door: prefixes, errors, slashes, and kinds of routes that our own one does not need."""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

import httpx2
import pytest
from pydantic import RootModel
from starlette.responses import Response

from runtime.web.app import DoorLimits, build_app
from runtime.web.callers.gatekeeper import ANYBODY, Gatekeeper
from runtime.web.dialects import Dialect, choose_dialect
from runtime.web.docs import openapi
from runtime.web.route import Call, OpenRoute, Route, answer_json, answer_nothing
from schemas.errors import Broken, NotFound, Rejected, Unauthenticated
from wms.gateway.ewms.dialect import EWMS
from wms.gateway.processes.dialect import PROCESSES
from wms.gateway.roles import DEFAULT_RULES, READERS, USERS, Role
from wms.gateway.tiuni.dialect import TIUNI

ADA = {"Authorization": "Bearer ada"}


class FormPages(RootModel[list[dict[str, Any]]]):
    """The pages of a form that a user has filled in."""


class PagesMissing(Rejected):
    code = 510

    def __init__(self) -> None:
        super().__init__("more pages, please")
        self.members = {"form": {"title": "Page 2"}}


class FlowLost(Rejected):
    code = 500
    number = 40103


class Believer:
    async def verify_token(self, token: str) -> Mapping[str, Any]:
        if token == "forged":
            raise Unauthenticated
        return {"sub": token, "ewms_role": "user"}


async def echo(call: Call) -> Response:
    body = call.body.root if isinstance(call.body, FormPages) else None
    return answer_json({"subject": call.caller.subject, "body": body, "name": call.path})


async def remove(_: Call) -> Response:
    return answer_nothing()


async def fail(call: Call) -> Response:
    raise {"gone": NotFound("it is gone"), "more": PagesMissing(), "lost": FlowLost("no such flow")}.get(
        call.read_path("how"), Broken("secret")
    )


async def find(call: Call) -> Response:
    numbered = {"id": str(call.read_uuid("process_id")), "page": call.read_number("page", 1, minimum=1)}
    return answer_json(numbered | {"whole": True} if call.read_flag("whole", default=False) else numbered)


PROCESS_ROUTES = [
    Route("POST", "/processes/{name}", echo, "Start", roles=USERS, body=FormPages, codes=(201,)),
    Route(
        "PUT",
        "/processes/{name}/resume",
        echo,
        "Resume",
        roles=USERS,
        body=FormPages,
        body_optional=True,
        empty_body=b"[]",
    ),
    Route("PATCH", "/subscriptions/{process_id}", find, "Patch", roles=USERS),
    Route("DELETE", "/processes/{name}", remove, "Remove", roles=USERS, codes=(204,)),
    Route("GET", "/processes/{process_id}", find, "Get", roles=READERS, query={"page": False, "whole": False}),
    Route("POST", "/processes/{name}/callback/{token}", echo, "Call back", roles=ANYBODY, body=FormPages),
    Route("GET", "/fail/{how}", fail, "Fail", roles=READERS),
]


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    plain = [
        Route("GET", "/fail/{how}", fail, "Fail", roles=READERS),
        Route("GET", "/x/{how}", echo, "X", roles=READERS),
    ]

    async def version(_: Any) -> Response:
        return answer_json({})

    app = build_app(
        [
            (EWMS, [*plain, OpenRoute("GET", "/version", version, "Version")]),
            (PROCESSES, PROCESS_ROUTES),
            (TIUNI, plain),
        ],
        Gatekeeper(Believer(), rules=DEFAULT_RULES, ranking=[*Role]),
        limits=DoorLimits(),
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://door", headers=ADA) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "code", "body"),
    [
        ("/v1/fail/gone", 404, {"code": 404, "error": "it is gone"}),
        (
            "/api/fail/gone",
            404,
            {"type": "NotFound", "title": "Not Found", "status": 404, "detail": "it is gone"},
        ),
        (
            "/api/fail/more",
            510,
            {
                "type": "PagesMissing",
                "title": "Not Extended",
                "status": 510,
                "detail": "more pages, please",
                "form": {"title": "Page 2"},
            },
        ),
        ("/api/v1/workflow/fail/gone", 404, {"code": 404, "message": "it is gone", "data": {}}),
        ("/api/v1/workflow/fail/lost", 500, {"code": 40103, "message": "no such flow", "data": {}}),
        ("/api/v1/workflow/fail/defect", 500, {"code": 500, "message": "Internal Server Error", "data": {}}),
        # What no route takes.
        ("/v1/nothing", 404, {"code": 404, "error": "Not Found"}),
        ("/nothing", 404, {"code": 404, "error": "Not Found"}),
        ("/apis", 404, {"code": 404, "error": "Not Found"}),
        (
            "/api/nothing/at/all",
            404,
            {"type": "HTTPException", "title": "Not Found", "status": 404, "detail": "Not Found"},
        ),
        ("/api/v1/workflow/nothing", 404, {"code": 404, "message": "Not Found", "data": {}}),
    ],
)
async def test_each_dialect_has_its_own_errors(
    http: httpx2.AsyncClient, path: str, code: int, body: Mapping[str, Any]
) -> None:
    answer = await http.get(path)
    assert (answer.status_code, answer.json()) == (code, body)


async def test_a_slash_at_the_end_matters_only_where_the_dialect_says_so(http: httpx2.AsyncClient) -> None:
    uuid = "3f0f9d3e-0d0a-4c1b-9a52-3a0e6a0f0001"
    assert (await http.get(f"/api/processes/{uuid}/")).json() == (await http.get(f"/api/processes/{uuid}")).json()
    assert (await http.get("/v1/x/a")).status_code == 200
    assert (await http.get("/v1/x/a/")).status_code == 404
    assert (await http.get("/api/v1/workflow/x/a/")).status_code == 200


async def test_a_body_may_be_a_list(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/api/processes/enroll", json=[{"a": 1}, {}])
    assert answer.json() == {"subject": "ada", "body": [{"a": 1}, {}], "name": "/api/processes/enroll"}
    refused = await http.post("/api/processes/enroll", json={"a": 1})
    assert (refused.status_code, refused.json()["detail"]) == (400, "the body is not of type 'array'")
    refused = await http.post("/api/processes/enroll", json=[{}, 5])
    assert refused.json()["detail"] == "'1': is not of type 'object'"
    assert (await http.put("/api/processes/enroll/resume")).json()["body"] == []


async def test_all_methods_have_routes_and_an_answer_may_be_empty(http: httpx2.AsyncClient) -> None:
    gone = await http.delete("/api/processes/enroll")
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await http.patch("/api/processes/enroll")).status_code == 405


@pytest.mark.parametrize("text", ["x", "3f0f9d3e", "{3f0f9d3e-0d0a-4c1b-9a52-3a0e6a0f0001}"])
async def test_a_part_that_is_no_uuid_names_nothing(http: httpx2.AsyncClient, text: str) -> None:
    assert (await http.get(f"/api/processes/{text}")).status_code == 404


async def test_numbers_of_the_query_are_read_within_their_limits(http: httpx2.AsyncClient) -> None:
    path = f"/api/processes/{UUID(int=7)}"
    assert (await http.get(path)).json() == {"id": str(UUID(int=7)), "page": 1}
    assert (await http.get(path, params={"page": "12"})).json()["page"] == 12
    for wrong in ("0", "-1", "x", "", "1.5", "٣", "9" * 5000):
        refused = await http.get(path, params={"page": wrong})
        assert (refused.status_code, refused.json()["detail"]) == (400, "'page': must be a whole number, at least 1")
    assert (await http.get(path, params={"whole": "true"})).json()["whole"] is True
    assert "whole" not in (await http.get(path, params={"whole": "false"})).json()
    refused = await http.get(path, params={"whole": "yes"})
    assert (refused.status_code, refused.json()["detail"]) == (400, "'whole': must be 'true' or 'false'")


async def test_a_route_for_anybody_needs_no_token_and_reads_its_body_as_all_do(http: httpx2.AsyncClient) -> None:
    path = "/api/processes/enroll/callback/t0k3n"
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer forged"}):
        answer = await http.post(path, json=[{}], headers=headers)
        assert answer.json()["subject"].startswith("address ")
    assert (await http.post(path, json={})).status_code == 400
    assert (await http.post("/api/processes/enroll", json=[{}], headers={"Authorization": ""})).status_code == 403


def test_the_longest_prefix_names_the_dialect() -> None:
    dialects = [EWMS, PROCESSES, TIUNI]
    assert choose_dialect(dialects, "/api/v1/workflow/x") is TIUNI
    assert choose_dialect(dialects, "/api/v1/x") is PROCESSES
    assert choose_dialect(dialects, "/api") is PROCESSES
    assert choose_dialect(dialects, "/apis") is None


def test_a_dialect_says_its_headers_with_every_answer() -> None:
    odd = Dialect("odd", ("/odd",), headers={"X-Odd": "yes"})
    assert odd.name_path("/odd", "/x") == "/odd/x"
    assert EWMS.name_path("/v0", "/x") == "/x"


def test_the_document_of_a_dialect_has_its_error_and_its_answers() -> None:
    info = openapi.DocumentInfo(title="T", version="1", summary="s", description="d")
    paths = openapi.build_document(PROCESS_ROUTES, PROCESSES, info)["paths"]
    assert paths["/api/processes/{name}"]["delete"]["responses"]["204"].keys() == {"description"}
    start = paths["/api/processes/{name}"]["post"]
    assert start["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/FormPages"}
    assert start["responses"]["400"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/ProblemDocument"
    }
    assert paths["/api/processes/{name}/callback/{token}"]["post"]["security"] == []
