"""The gateway serves the built page, says how to sign in, and says so if there is no page."""

from pathlib import Path

import httpx2

from runtime.web.app import DoorLimits, build_app
from runtime.web.callers.gatekeeper import Gatekeeper
from wms.gateway.ewms.dialect import EWMS
from wms.gateway.page_routes import SignIn, list_page_routes


def open_door(sign_in: SignIn, files: Path) -> httpx2.AsyncClient:
    routes = list_page_routes(sign_in, files)
    app = build_app([(EWMS, routes)], Gatekeeper(None, rules=[], ranking=[]), limits=DoorLimits())
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://door")


async def test_without_a_built_page_the_address_says_how_to_build_it(tmp_path: Path) -> None:
    async with open_door(SignIn("https://issuer"), tmp_path) as http:
        answer = await http.get("/ui", follow_redirects=True)
        assert (answer.status_code, "make page" in answer.text) == (404, True)
        assert (await http.get("/ui/config.json")).status_code == 404


async def test_the_page_may_ask_its_own_origin_and_an_issuer_with_a_client(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!DOCTYPE html>")
    async with open_door(SignIn("https://issuer.example/realms/a", "ewms-page"), tmp_path) as http:
        answer = await http.get("/ui/")
        assert "connect-src 'self' https://issuer.example;" in answer.headers["content-security-policy"]
        facts = (await http.get("/ui/config.json")).json()
        assert (facts["issuer"], facts["client_id"]) == ("https://issuer.example/realms/a", "ewms-page")
    async with open_door(SignIn("https://issuer.example"), tmp_path) as http:
        assert "connect-src 'self';" in (await http.get("/ui/")).headers["content-security-policy"]
        assert (await http.get("/ui/nothing.js")).status_code == 404
