import ast
from pathlib import Path

import pytest

from ewms.gateway.http import Gateway
from ewms.gateway.reach import http_client, is_loopback
from ewms.gateway.server import Server
from schemas.errors import Rejected

ROOT = Path(__file__).parents[4]


@pytest.fixture
def proxies(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("address", "is_here"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://127.0.0.2", True),
        ("http://[::1]:8080/v1", True),
        ("http://localhost:1", True),
        ("http://ewms.localhost:1", True),
        ("http://127.0.0.1.example.org", False),
        ("https://ewms.example.org", False),
        ("http://10.0.0.1", False),
    ],
)
def test_loopback_is_known_under_each_of_its_names(address: str, is_here: bool) -> None:
    assert is_loopback(address) is is_here


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("proxy", ["http://proxy:3128", "socks5h://user:pa55@proxy:1080", "nonsense://"])
async def test_no_proxy_stands_between_the_client_and_this_machine(
    proxies: pytest.MonkeyPatch, name: str, proxy: str
) -> None:
    proxies.setenv(name, proxy)
    async with http_client("http://127.0.0.1:1") as client:
        assert not client.trust_env
    async with Gateway(Server("http://localhost:1")):
        pass


@pytest.mark.parametrize("proxy", ["socks5h://user:pa55@proxy:1080", "nonsense://user:pa55@proxy"])
async def test_a_proxy_that_cannot_be_used_is_named_without_its_password(
    proxies: pytest.MonkeyPatch, proxy: str
) -> None:
    proxies.setenv("ALL_PROXY", proxy)
    with pytest.raises(Rejected) as refused:
        Gateway(Server("https://ewms.example.org"))
    assert "ALL_PROXY" in refused.value.hint
    assert "pa55" not in refused.value.reason


def test_every_http_client_of_ours_says_whether_it_takes_the_environments_proxy() -> None:
    packages = ("deploy", "ewms", "mqs", "pilot", "runtime", "schemas", "tms", "wms")
    for file in (file for package in packages for file in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            assert node.func.attr not in ("urlopen", "HTTPConnection"), file
            if node.func.attr in ("AsyncClient", "Client") and ast.unparse(node.func.value) == "httpx2":
                assert "trust_env" in {keyword.arg for keyword in node.keywords}, f"{file}:{node.lineno}"
