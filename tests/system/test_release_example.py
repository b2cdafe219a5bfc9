"""docs/examples/release on the running system: its templates, both ends of its deployment, and its notifications."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy.local.system.stack import Stack
from deploy.local.system.wiring import EXAMPLES_DIRECTORY
from ewms import Client
from tests.waiting import wait_until

EXAMPLE = EXAMPLES_DIRECTORY / "release"
Receiver = tuple[str, list[dict[str, Any]]]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """The URL of a webhook, and what has come there."""
    came: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", came
    server.shutdown()
    server.server_close()


@pytest.fixture
def admin(with_worker: Stack) -> Iterator[Client]:
    with Client(with_worker.gateway, token=with_worker.list_endpoints()["tokens"]["org-admin"], timeout=60) as client:
        yield client


@pytest.fixture
def site(with_worker: Stack) -> Path:
    return Path(with_worker.list_endpoints()["examples"]) / "site"


def set_up(stack: Stack, directory: Path) -> int:
    """Call the example's program as its README does; return the template's id."""
    endpoints = directory / "endpoints.json"
    endpoints.write_text(json.dumps(stack.list_endpoints()))
    ended = subprocess.run(
        [sys.executable, str(EXAMPLE / "set_up.py")],
        env={**os.environ, "EWMS_ENDPOINTS": str(endpoints)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return int(ended.stdout)


def find_statuses(job: Any) -> dict[str, str]:
    return {node["identifier"]: node["status"] for node in job["graph"]["nodes"]}


def test_the_release_is_built_tested_signed_deployed_and_rolled_back(
    with_worker: Stack, admin: Client, receiver: Receiver, site: Path, tmp_path: Path
) -> None:
    template = set_up(with_worker, tmp_path)
    assert set_up(with_worker, tmp_path) == template, "a second call changes what is there"
    assert admin.trees.draw("release").count("-->|success|") == 7
    url, came = receiver
    admin.trees.notify("release", "the release's receiver", on=("any", "approvals"), webhook=url)

    def launch(version: str) -> Any:
        """Launch the release of this version; return it when it waits for its approval."""
        run = admin.trees.launch("release", variables={"version": version})
        wait_until(lambda: find_statuses(run.show())["sign"] not in ("pending", None), within_s=120, show=run.show)
        assert find_statuses(run.show())["sign"] == "waiting", run.show()
        return run

    good = launch("1.0")
    good.approve(comment="it looks good")
    job = good.wait(timeout="60s")
    assert job["status"] == "successful", job
    ran = ("build", "unit", "integration", "documents", "sign", "deploy")
    assert find_statuses(job) == {**dict.fromkeys(ran, "successful"), "rollback": "passed"}
    assert (site / "served").read_text() == "app-1.0"
    assert "roll back<br/>passed" in good.draw()
    (site / "broken").touch()
    try:
        bad = launch("1.1")
        bad.approve("sign the release")
        job = bad.wait(timeout="60s")
    finally:
        (site / "broken").unlink()
    # The rollback handles the failed deployment.
    assert (job["status"], job["handled_failures"]) == ("successful", 1)
    statuses = find_statuses(job)
    assert (statuses["deploy"], statuses["rollback"]) == ("failed", "successful")
    assert (site / "served").read_text() == "app-1.0"
    picture = (EXAMPLES_DIRECTORY.parent / "trees.md").read_text()
    assert bad.draw() in picture, "docs/trees.md shows this very picture"
    told = wait_until(lambda: [each for each in came if each["id"] == bad.id and each["status"] == "successful"])
    assert '"deploy", which finished with status failed' in told[0]["body"]
