"""Nothing that a child starts outlives its launcher, whichever way that ends, with and without namespaces."""

import os
import secrets
import select
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.children.processes import LaunchedProcess, LaunchedProcesses, await_end, await_ready
from deploy.local.errors import LaunchError
from tests.waiting import wait_until

#: Leaves a daemon behind: its own session, its parent gone. Obeys SIGTERM, as no first process of a namespace does by
#: itself.
DAEMONIZING = (
    'trap "exit 0" TERM; setsid sh -c "setsid sleep 300 & echo daemon" & wait $!; echo server; sleep 300 & wait $!'
)


def _marked(mark: str) -> set[int]:
    """Return the living processes whose environment carries `mark`."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if f"MARK={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.add(int(entry.name))
            except OSError:
                continue
    return found


def _until_none_is_left(mark: str) -> None:
    wait_until(lambda: _marked(mark), lambda left: not left, pause_s=0.01)


@pytest.fixture
def mark() -> Iterator[str]:
    mark = secrets.token_hex(8)
    yield mark
    for pid in _marked(mark):
        os.kill(pid, signal.SIGKILL)


def _daemonizing(children: LaunchedProcesses, log: Path, mark: str, *, namespaced: bool) -> LaunchedProcess:
    environment = {"MARK": mark, "PATH": os.environ["PATH"]}
    child = children.launch(
        "server", ["sh", "-c", DAEMONIZING], log=log, environment=environment, namespaced=namespaced
    )
    await_ready(child, lambda: log.exists() and "server" in log.read_text(), timeout_s=10)
    assert len(_marked(mark)) >= 3, "the holder, the server and its daemon"
    return child


@pytest.mark.parametrize("namespaced", [True, False])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_launcher_that_is_killed_takes_everything_with_it(
    tmp_path: Path, mark: str, namespaced: bool, number: signal.Signals
) -> None:
    launcher = textwrap.dedent(f"""
        import sys, time
        from pathlib import Path
        from tests.integration.deploy.test_processes import LaunchedProcesses, _daemonizing
        _daemonizing(LaunchedProcesses(), Path({str(tmp_path / "log")!r}), {mark!r}, namespaced={namespaced})
        print("ready", flush=True)
        time.sleep(300)
    """)
    with subprocess.Popen([sys.executable, "-c", launcher], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
    _until_none_is_left(mark)


@pytest.mark.parametrize("namespaced", [True, False])
@pytest.mark.parametrize("way", ["kill", "stop", "block"])
def test_all_of_a_child_is_gone_when_its_end_returns(tmp_path: Path, mark: str, namespaced: bool, way: str) -> None:
    with LaunchedProcesses() as children:
        child = _daemonizing(children, tmp_path / "log", mark, namespaced=namespaced)
        match way:
            case "kill":
                child.kill()
            case "stop":
                assert child.stop(signal.SIGTERM)
        if way != "block":
            assert not _marked(mark)
            assert not child.is_running
    assert not _marked(mark)


def test_a_child_that_ignores_the_signal_is_ended_after_its_grace(tmp_path: Path, mark: str) -> None:
    with LaunchedProcesses() as children:
        child = children.launch(
            "deaf",
            ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 300; done"],
            log=(log := tmp_path / "log"),
            environment={"MARK": mark, "PATH": os.environ["PATH"]},
            namespaced=False,
        )
        await_ready(child, lambda: log.exists() and "deaf" in log.read_text(), timeout_s=10)
        assert not child.stop(signal.SIGTERM, grace_s=0.2)
        assert not _marked(mark)


def test_a_killed_keeper_takes_its_process_with_it(tmp_path: Path, mark: str) -> None:
    with LaunchedProcesses() as children:
        child = children.launch(
            "kept", ["sleep", "300"], log=tmp_path / "log", environment={"MARK": mark, "PATH": os.environ["PATH"]},
            namespaced=False,
        )  # fmt: skip
        await_ready(child, lambda: child.pid is not None, timeout_s=10)
        assert child.pid is not None
        keeper = int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(keeper, signal.SIGKILL)
        _until_none_is_left(mark)


@pytest.mark.parametrize("namespaced", [True, False])
def test_a_start_that_fails_names_the_child_its_status_its_last_words_and_its_log(
    tmp_path: Path, namespaced: bool
) -> None:
    with LaunchedProcesses() as children:
        child = children.launch(
            "server", ["sh", "-c", "echo no room for me; exit 3"], log=tmp_path / "server.log",
            environment={"PATH": os.environ["PATH"]}, namespaced=namespaced,
        )  # fmt: skip
        with pytest.raises(LaunchError) as failed:
            await_ready(child, lambda: False, timeout_s=10)
    assert "server ended while it was starting (exit status 3)" in failed.value.what
    assert "no room for me" in failed.value.what
    assert failed.value.log == tmp_path / "server.log"


def test_a_program_that_is_not_there_says_so_in_the_log(tmp_path: Path) -> None:
    with LaunchedProcesses() as children:
        child = children.launch(
            "server", ["/nowhere/server"], log=tmp_path / "log", environment={}, namespaced=False
        )  # fmt: skip
        assert await_end([child]) is child
        assert "No such file" in child.describe_failure("has ended").what


def test_nothing_is_started_once_a_launch_is_over(tmp_path: Path) -> None:
    with LaunchedProcesses() as children:
        children.kill_all()
        with pytest.raises(LaunchError):
            children.launch("late", ["sleep", "300"], log=tmp_path / "log", environment={})


def test_the_end_of_a_child_wakes_whoever_waits_for_it(tmp_path: Path) -> None:
    with LaunchedProcesses() as children:
        environment = {"PATH": os.environ["PATH"]}
        long = children.launch("long", ["sleep", "300"], log=tmp_path / "long", environment=environment)
        short = children.launch("short", ["sleep", "0.3"], log=tmp_path / "short", environment=environment)
        assert await_end([long, short]) is short
        assert long.is_running
        descriptor = long.open_pidfd()
        assert descriptor is not None
        long.kill()
        assert select.select([descriptor], [], [], 0)[0]
        os.close(descriptor)
