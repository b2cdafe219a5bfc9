"""The endpoints file: renewed while the launcher runs, gone when it ends, worth little when it was killed."""

import fcntl
import json
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import jwt
import pytest

from deploy.local.children import remover
from deploy.local.servers.issued_tokens import developer_token, write_issuer
from deploy.local.system.endpoints import RENEW_S, TOKEN_LIFE_S, publish_endpoints
from tests.waiting import wait_until


def test_what_is_told_is_renewed_and_goes_with_the_launcher(tmp_path: Path) -> None:
    asked = iter(range(1_000_000))
    with publish_endpoints(lambda: {"token": next(asked)}, tmp_path / "endpoints.json", renew_s=0.01) as file:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        deadline = time.monotonic() + 30
        while json.loads(file.read_text())["token"] < 3:
            assert time.monotonic() < deadline
    assert not file.exists()
    assert not any(thread.name == "endpoints" for thread in threading.enumerate())


_LAUNCHER = """
import fcntl, sys, time
from pathlib import Path
from deploy.local.system.endpoints import publish_endpoints
lock = open(sys.argv[1] + "/lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
with publish_endpoints(lambda: {"token": "secret"}, Path(sys.argv[1]) / "endpoints.json"):
    print("up", flush=True)
    time.sleep(60)
"""


def start_launcher(folder: Path) -> subprocess.Popen[str]:
    launcher = subprocess.Popen([sys.executable, "-c", _LAUNCHER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert launcher.stdout is not None
    assert launcher.stdout.readline() == "up\n"
    return launcher


def test_a_killed_launcher_leaves_no_file(tmp_path: Path) -> None:
    file = tmp_path / "endpoints.json"
    with start_launcher(tmp_path) as launcher:
        assert file.exists()
        launcher.kill()
    wait_until(lambda: not file.exists())


def test_the_file_of_the_next_launcher_stays(tmp_path: Path) -> None:
    file, lock = tmp_path / "endpoints.json", tmp_path / "lock"
    file.write_text("of the next launcher")
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        remover.remove_unless_locked(file, lock)
        assert file.exists()
    remover.remove_unless_locked(file, lock)
    assert not file.exists()


def test_a_disk_that_is_full_for_a_while_ends_no_renewal(tmp_path: Path) -> None:
    calls = []

    def facts() -> dict[str, int]:
        calls.append(1)
        if len(calls) == 2:
            raise OSError
        return {"token": len(calls)}

    with publish_endpoints(facts, tmp_path / "endpoints.json", renew_s=0.01) as file:
        deadline = time.monotonic() + 30
        while json.loads(file.read_text())["token"] < 3:
            assert time.monotonic() < deadline


def test_a_launcher_that_fails_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(KeyError), publish_endpoints(dict, tmp_path / "endpoints.json") as file:
        raise KeyError
    assert not file.exists()


def test_whoever_reads_the_file_has_most_of_an_hour(tmp_path: Path) -> None:
    token = developer_token(write_issuer(tmp_path, port=1), life_s=TOKEN_LIFE_S)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == TOKEN_LIFE_S <= 3600
    assert TOKEN_LIFE_S - RENEW_S >= 3000
