"""The committed OpenAPI document, the page that shows it, and the Etags of answers."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from wms.gateway import app as gateway
from wms.gateway import catalogue, describe
from wms.gateway.roles import make_gatekeeper

#: The documents in docs/. Each worker of pytest collects this module, and rendering them takes seconds.
COMMITTED = sorted(describe.PATH.parent.glob("openapi*.json"))


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    """The gateway with all its routes and nothing behind them."""
    theirs, of_mqs = b'{"openapi":"theirs"}', b'{"openapi":"mqs"}'
    app = gateway.build_app(
        describe.list_bare_routes(), make_gatekeeper(None), openapi_text=theirs, mqs_openapi_text=of_mqs
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway") as client:
        yield client


def test_the_committed_document_is_what_the_routes_are() -> None:
    rendered = describe.render_documents()
    for path, text in rendered.items():
        assert path.read_text() == text, "run `python -m wms.gateway.describe`"
    assert set(COMMITTED) == set(rendered)


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.name)
def test_every_reference_of_the_document_leads_somewhere(path: Path) -> None:
    text = path.read_text()
    document = json.loads(text)
    referred = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert referred == set(document["components"]["schemas"])
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids))
    assert document["info"]["version"].split(".")[0] == "1", "the prefix is the version's first number"


async def test_an_operators_document_takes_the_place_of_ours_where_the_wms_describes_itself(
    http: httpx2.AsyncClient,
) -> None:
    assert (await http.get("/v1/schema/openapi")).json() == {"openapi": "theirs"}
    assert (await http.get("/v0/schema/openapi")).json() == {"openapi": "theirs"}
    assert (await http.get("/v1/mqs/schema/openapi")).json() == {"openapi": "mqs"}
    assert (await http.get("/docs/openapi.json")).json() == json.loads(describe.PATH.read_text())


async def test_without_an_operators_document_ours_is_served_at_all_three_places() -> None:
    app = gateway.build_app([], make_gatekeeper(None))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway") as http:
        texts = {
            (await http.get(path)).text
            for path in ("/v1/schema/openapi", "/v1/mqs/schema/openapi", "/docs/openapi.json")
        }
    (text,) = texts
    assert "/v1/mqs/schema/openapi" in json.loads(text)["paths"]


async def test_each_other_dialect_has_its_document_beside_ours() -> None:
    others = catalogue.list_bare_dialects()
    app = gateway.build_app([], make_gatekeeper(None), dialects=others)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway") as http:
        for dialect in (dialect for dialect, routes in others if routes):
            document = (await http.get(f"/docs/openapi-{dialect.name}.json")).json()
            assert all(path.startswith(dialect.prefixes[0]) for path in document["paths"])
            assert document == json.loads((describe.PATH.parent / f"openapi-{dialect.name}.json").read_text())


async def test_the_page_loads_nothing_from_outside(http: httpx2.AsyncClient) -> None:
    page = await http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 4
    assert "<script>" not in page.text
    for path in loaded:
        if not path.startswith("data:"):
            found = await http.get(path)
            assert found.status_code == 200, path
            assert found.headers["x-content-type-options"] == "nosniff"
    assert "/docs/openapi.json" in (await http.get("/docs/start.js")).text


async def test_who_has_an_answer_already_is_not_sent_it_again(http: httpx2.AsyncClient) -> None:
    first = await http.get("/v1/")
    etag = first.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f]{40}"', etag)
    for condition in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await http.get("/v0/", headers={"If-None-Match": condition})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag), condition
    assert (await http.get("/v1/", headers={"If-None-Match": '"other"'})).status_code == 200
    assert "etag" not in (await http.get("/v1/nothing")).headers
