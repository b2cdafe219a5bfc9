"""`make up` outlives the kill of each server and of itself: all of it is there again, at the same addresses."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from deploy.local.datadir import MARKER
from ewms import Client, Task, Workflow
from ewms.client import Run
from tests.integration.deploy.conftest import Launch
from tests.integration.deploy.descendants import Process, below, survivors

N_EVENTS = 40


def _until(reached: Callable[[], object], what: str, scratch: Path, *, timeout_s: float = 120) -> None:
    deadline = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < deadline, f"waited for {what}:\n{(scratch / 'errors').read_text()}"
        time.sleep(0.1)


def _up(scratch: Path, launcher: "subprocess.Popen[str]") -> dict[str, Any]:
    """Return the endpoints of a launcher once it is up."""
    errors = scratch / "errors"
    _until(lambda: "EWMS is up" in errors.read_text() or launcher.poll() is not None, "the start", scratch)
    assert launcher.poll() is None, errors.read_text()
    endpoints: dict[str, Any] = json.loads((scratch / ".ewms/endpoints.json").read_text())
    return endpoints


def _named(launcher: int, name: str) -> Process:
    """Return the newest child of the launcher that runs the program or module `name`."""
    found = []
    for child in below(launcher):
        program, *words = child.command.split() or [""]
        if Path(program).name == name or words[:2] == ["-m", name]:
            found.append(child)
    return max(found, key=lambda child: child.pid)


def _kill(launcher: int, name: str, scratch: Path, called: str) -> None:
    """Kill a server or a process as a crash would; return when it is back."""
    before = (scratch / "errors").read_text().count(f"{called} is back")
    victim = _named(launcher, name)
    os.kill(victim.pid, signal.SIGKILL)
    assert survivors([victim]) == set()
    _until(lambda: (scratch / "errors").read_text().count(f"{called} is back") > before, f"{called}", scratch)


def _workflow(cluster: str) -> Workflow:
    task = Task(
        image="none",
        args="sh -c 'sleep 0.2; cp $1 $2' sh {{INFILE}} {{OUTFILE}}",
        n_workers=2,
        inputs=["in"],
        outputs=["out"],
        clusters=[cluster],
        memory="64M",
        disk="64M",
        pilot={"_EWMS_PILOT_CONTAINER_PLATFORM": "none", "EWMS_PILOT_DRAIN_GRACE": "1"},
    )
    return Workflow(public=["in", "out"], tasks=[task])


def _send(run: Run, numbers: range) -> None:
    with run.queue("in").publisher() as publisher:
        for number in numbers:
            publisher.send(str(number))


def _received(run: Run, expected: range) -> None:
    """Take results until each of `expected` has come; some may come twice."""
    missing = set(expected)
    for event in run.queue("out").results(idle_timeout=120):
        missing.discard(int(str(event.body)))
        if not missing:
            return
    assert missing == set()


@pytest.mark.usefixtures("installed")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("pool", ["condor", "local"])
def test_nothing_is_lost_when_servers_and_launcher_are_killed(scratch: Path, launch: Launch, pool: str) -> None:
    launcher = launch("up", "--pool", pool)
    first = _up(scratch, launcher)
    with Client(first["gateway"], token=first["token"], timeout=120) as client:
        run = client.submit(_workflow(first["cluster"]))
        _send(run, range(N_EVENTS))

        # Each server once, while events wait and workers run.
        victims = [
            ("mongod", "mongod"),
            ("beam.smp", "RabbitMQ"),
            *([("condor_master", "HTCondor")] * (pool == "condor")),
        ]
        for program, called in victims:
            _kill(launcher.pid, program, scratch, called)
        # A service far more often than anybody would by chance.
        for _ in range(6 if pool == "local" else 1):
            _kill(launcher.pid, "wms", scratch, "wms")
        assert launcher.poll() is None
        _received(run, range(N_EVENTS))

        # The launcher itself, with events waiting and a job running.
        _send(run, range(N_EVENTS, 2 * N_EVENTS))
        children = below(launcher.pid)
        launcher.kill()
        launcher.wait()
        assert survivors(children, within_s=30) == set()

        launcher = launch("up", "--pool", pool)
        second = _up(scratch, launcher)
        assert {name: second[name] for name in ("gateway", "amqp", "issuer")} == {
            name: first[name] for name in ("gateway", "amqp", "issuer")
        }
        # The token of the first start, and a client that had been connected to it.
        answer = httpx2.get(
            f"{first['gateway']}/v1/workflows/{run.workflow_id}", headers={"Authorization": f"Bearer {first['token']}"}
        )
        assert answer.status_code == 200
        _received(run, range(N_EVENTS, 2 * N_EVENTS))
        run.finish()
        run.wait("over", timeout="120s")

    # A second launcher on the same data, from another folder, is told who has them.
    (data,) = (scratch / "ewms").iterdir()
    (scratch / "elsewhere").mkdir()
    refused = launch("up", "--pool", pool, "--data", str(data), folder="elsewhere")
    assert refused.wait(60) == 1
    assert f"in use by process {launcher.pid} on " in (scratch / "elsewhere/errors").read_text()

    launcher.send_signal(signal.SIGTERM)
    assert launcher.wait(120) == 0
    assert f"All of it stays in {data}" in (scratch / "errors").read_text()
    assert not (scratch / ".ewms/endpoints.json").exists()
    assert (data / MARKER).exists()


@pytest.mark.usefixtures("installed")
def test_a_fresh_start_forgets_workflows_and_tokens_and_a_foreign_directory_is_refused(
    scratch: Path, launch: Launch
) -> None:
    (scratch / "thesis").mkdir()
    (scratch / "thesis/chapter.tex").write_text("all my work")
    refused = launch("up", "--pool", "local", "--data", "thesis", "--fresh")
    assert refused.wait(60) == 1
    assert "chapter.tex" in (scratch / "errors").read_text()
    assert [file.name for file in (scratch / "thesis").iterdir()] == ["chapter.tex"]

    launcher = launch("up", "--pool", "local", "--data", "data")
    first = _up(scratch, launcher)
    with Client(first["gateway"], token=first["token"], timeout=60) as client:
        client.submit(_workflow(first["cluster"]))
    launcher.kill()
    launcher.wait()

    launcher = launch("up", "--pool", "local", "--data", "data", "--fresh")
    second = _up(scratch, launcher)
    assert f"deleting the workflows, events, jobs and keys in {scratch / 'data'}" in (scratch / "errors").read_text()
    with Client(second["gateway"], token=second["token"], timeout=60) as client:
        assert client.workflows() == []
    assert second["gateway"] != first["gateway"]
