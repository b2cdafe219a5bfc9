"""`ewms login` against a real HTTP server that plays the issuer and the gateway."""

import asyncio
import base64
import json
import os
import stat
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from ewms.errors import NotThere
from ewms.gateway.http import Gateway
from ewms.gateway.saved_logins import Login
from ewms.gateway.server import Server
from tests.commands import run_ewms
from tests.integration.ewms.conftest import Asked, FakeGateway

ROOT = Path(__file__).parents[3]


def token(subject: str, *, life_s: float) -> str:
    """A token by its form; nobody here checks signatures."""
    claims = {"sub": subject, "exp": time.time() + life_s, "groups": ["/tokens/ewms-dev"]}
    parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "x"])


def ewms(gateway: FakeGateway, state: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EWMS_")}
    return run_ewms(*words, environment=clean | {"EWMS_STATE_DIR": str(state)} | environment, directory=state)


@pytest.fixture
def accepted(gateway: FakeGateway) -> list[str]:
    """The tokens that the gateway was shown; it accepts all."""
    shown: list[str] = []

    def show(asked: Asked) -> Any:
        shown.append(asked.headers.get("authorization", ""))
        return 404, {"code": 404, "error": "no workflow"}, {}

    gateway.routes["GET /v1/workflows/WF-00000000-00000000"] = show
    return shown


def play_issuer(gateway: FakeGateway, *answers: dict[str, Any]) -> list[dict[str, str]]:
    """Have the server be an issuer too, that answers each question for a token in turn; the questions' forms."""
    asked: list[dict[str, str]] = []
    rest = list(answers)
    gateway.on(
        "GET /.well-known/openid-configuration",
        (200, {
            "token_endpoint": f"{gateway.url}/token",
            "device_authorization_endpoint": f"{gateway.url}/device",
        }, {}),
    )  # fmt: skip
    begun = {"device_code": "d", "user_code": "ABCD-EFGH", "verification_uri": "https://sso/x", "expires_in": 60}
    gateway.on("POST /device", (200, begun | {"interval": 0.05}, {}))

    def give(request: Asked) -> Any:
        asked.append({name: values[0] for name, values in parse_qs(request.body).items()})
        answer = rest.pop(0)
        return 400 if "error" in answer else 200, answer, {}

    gateway.routes["POST /token"] = give
    return asked


def test_a_login_waits_for_the_user_is_kept_safe_used_renewed_and_forgotten(
    gateway: FakeGateway, accepted: list[str], tmp_path: Path
) -> None:
    short, long = token("me", life_s=5), token("me", life_s=3600)
    asked = play_issuer(
        gateway,
        {"error": "authorization_pending"},
        {"access_token": short, "refresh_token": "r1"},
        {"access_token": long, "refresh_token": "r2"},
    )
    done = ewms(gateway, tmp_path, "login", "--server", gateway.url, "--issuer", gateway.url)
    assert done.returncode == 0, done.stderr
    assert "https://sso/x" in done.stderr
    assert "ABCD-EFGH" in done.stderr
    (file,) = (tmp_path / "login").iterdir()
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)
    # Logged in is enough to be known, also without the server's address.
    for _ in range(2):
        done = ewms(gateway, tmp_path, "whoami", "-o", "json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["subject"] == "me"
        assert json.loads(done.stdout)["token"] == "ewms login"
    assert set(accepted) == {f"Bearer {long}"}
    assert [form["grant_type"].rpartition(":")[2] for form in asked] == ["device_code", "device_code", "refresh_token"]
    assert asked[-1]["refresh_token"] == "r1"
    assert short not in done.stdout + done.stderr
    assert ewms(gateway, tmp_path, "logout", "--server", gateway.url).returncode == 0
    assert list((tmp_path / "login").iterdir()) == []


async def test_calls_at_once_renew_a_login_once_and_need_no_place_to_keep_it(
    gateway: FakeGateway, accepted: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, long = token("me", life_s=5), token("me", life_s=3600)
    asked = play_issuer(gateway, {"access_token": long, "refresh_token": "r2"})
    monkeypatch.setenv("EWMS_STATE_DIR", str(tmp_path / "nowhere"))
    (tmp_path / "nowhere").write_text("no directory can be made here")
    login = Login(gateway.url, short, "r1", f"{gateway.url}/token", "ewms")

    async def ask(door: Gateway) -> None:
        with pytest.raises(NotThere):
            await door.get_json("/workflows/WF-00000000-00000000")

    async with Gateway(Server(gateway.url, login=login)) as door:
        await asyncio.gather(*(ask(door) for _ in range(5)))
        await ask(door)
    assert [form["refresh_token"] for form in asked] == ["r1"]
    assert accepted == [f"Bearer {long}"] * 6


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [("access_denied", 3, "was refused"), ("expired_token", 6, "expired"), ("invalid_client", 3, "invalid_client")],
)
def test_a_login_that_is_not_given_says_why(
    error: str, status: int, says: str, gateway: FakeGateway, tmp_path: Path
) -> None:
    play_issuer(gateway, {"error": error})
    done = ewms(gateway, tmp_path, "login", "--server", gateway.url, "--issuer", gateway.url)
    assert (done.returncode, says in done.stderr) == (status, True), done.stderr


def test_a_token_file_can_be_kept_and_is_shown_to_its_gateway_alone(
    gateway: FakeGateway, accepted: list[str], tmp_path: Path
) -> None:
    (tmp_path / "t").write_text(token("robot", life_s=60))
    assert ewms(gateway, tmp_path, "login", "--token-file", "t", "--server", gateway.url).returncode == 0
    (tmp_path / "t").unlink()
    assert ewms(gateway, tmp_path, "whoami", "-o", "name").stdout == "robot\n"
    assert ewms(gateway, tmp_path, "whoami", "--token").stdout.count(".") == 2
    done = ewms(gateway, tmp_path, "whoami", "--server", "http://localhost:" + gateway.url.rpartition(":")[2])
    assert accepted[-1] == ""
    (tmp_path / "t").write_text(token("robot", life_s=-60))
    done = ewms(gateway, tmp_path, "login", "--token-file", "t", "--server", gateway.url)
    assert (done.returncode, "expired" in done.stderr) == (3, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "this command knows no issuer"),
        (["--issuer", "http://sso.example.org"], "not the address of an issuer"),
        (["--issuer", "nonsense"], "not the address of an issuer"),
    ],
)
def test_an_issuer_is_needed_and_has_to_be_safe(
    words: list[str], says: str, gateway: FakeGateway, tmp_path: Path
) -> None:
    done = ewms(gateway, tmp_path, "login", "--server", gateway.url, *words)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr
