"""Files of a page are served with their types, the page's policy and Etags, and nothing beside them."""

import gzip
from pathlib import Path

import httpx2
import pytest

from runtime.web.app import DoorLimits, build_app
from runtime.web.callers.gatekeeper import Gatekeeper
from runtime.web.static_files import list_file_routes
from schemas.errors import Broken
from wms.gateway.ewms.dialect import EWMS


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "page/assets").mkdir(parents=True)
    (tmp_path / "page/index.html").write_text("<!DOCTYPE html>")
    (tmp_path / "page/assets/a.js").write_text("1")
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path / "page"


def open_door(page: Path) -> httpx2.AsyncClient:
    app = build_app(
        [(EWMS, list_file_routes("/page", page))], Gatekeeper(None, rules=[], ranking=[]), limits=DoorLimits()
    )
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://door")


async def test_each_file_is_at_its_name_and_the_index_at_the_path_as_well(page: Path) -> None:
    async with open_door(page) as http:
        for path, kind in (("/page/", "html"), ("/page/index.html", "html"), ("/page/assets/a.js", "javascript")):
            answer = await http.get(path)
            assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, f"text/{kind}")
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["cache-control"] == "no-cache"
            again = await http.get(path, headers={"If-None-Match": answer.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
        for path in ("/page/assets", "/page/../secret.txt", "/page/%2e%2e/secret.txt", "/page/secret.txt"):
            assert (await http.get(path)).status_code == 404
        moved = await http.get("/page?code=1")
        assert (moved.status_code, moved.headers["location"]) == (301, "/page/?code=1")


async def test_a_client_that_accepts_gzip_gets_the_compressed_file(page: Path) -> None:
    (page / "assets/a.js.gz").write_bytes(gzip.compress(b"zipped"))
    async with open_door(page) as http:
        for accepted, text in (("gzip, br", "zipped"), ("gzip;q=0", "1"), ("br", "1"), ("", "1")):
            answer = await http.get("/page/assets/a.js", headers={"Accept-Encoding": accepted})
            assert (answer.text, answer.headers["vary"]) == (text, "Accept-Encoding")
        assert (await http.get("/page/assets/a.js.gz")).status_code == 404


async def test_a_name_with_a_digest_is_kept_for_ever(page: Path) -> None:
    (page / "assets/app-x19WEr1p.js").write_text("2")
    async with open_door(page) as http:
        answer = await http.get("/page/assets/app-x19WEr1p.js")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_a_file_of_an_unknown_type_and_a_missing_index_stop_the_start(page: Path) -> None:
    (page / "index.html").unlink()
    with pytest.raises(Broken, match=r"has no index\.html"):
        list_file_routes("/page", page)
    (page / "run.exe").write_bytes(b"")
    with pytest.raises(Broken, match=r"no media type is known for run\.exe"):
        list_file_routes("/page", page)
