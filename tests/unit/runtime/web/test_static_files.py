"""Files of a page are served with their types, the page's policy and Etags, and nothing beside them."""

from pathlib import Path

import httpx2
import pytest

from runtime.web.app import DoorLimits, build_app
from runtime.web.gatekeeper import Gatekeeper
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


async def test_each_file_is_at_its_name_and_the_index_at_the_path_as_well(page: Path) -> None:
    app = build_app(
        [(EWMS, list_file_routes("/page", page))], Gatekeeper(None, rules=[], ranking=[]), limits=DoorLimits()
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://door") as http:
        for path, kind in (("/page", "html"), ("/page/index.html", "html"), ("/page/assets/a.js", "javascript")):
            answer = await http.get(path)
            assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, f"text/{kind}")
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            again = await http.get(path, headers={"If-None-Match": answer.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
        for path in ("/page/", "/page/assets", "/page/../secret.txt", "/page/%2e%2e/secret.txt", "/page/secret.txt"):
            assert (await http.get(path)).status_code == 404


def test_a_file_of_an_unknown_type_and_a_missing_index_stop_the_start(page: Path) -> None:
    (page / "index.html").unlink()
    with pytest.raises(Broken, match=r"has no index\.html"):
        list_file_routes("/page", page)
    (page / "run.exe").write_bytes(b"")
    with pytest.raises(Broken, match=r"no media type is known for run\.exe"):
        list_file_routes("/page", page)
