"""A forked module is what a started one is: arguments, streams, descriptors, signals and the exit status."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked_processes
from tests.forked_processes import start_module

#: It tells of itself, and ends with 3 if it has an argument.
MODULE = """
import beside, os, sys, time
held = [int(name) for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")]
print(os.getcwd(), sys.argv[1:], dict(os.environ), held, __name__, beside.__file__, flush=True)
print(sys.stdin.read() + "said", file=sys.stderr)
if len(sys.argv) > 1:
    sys.exit(3)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory where the module is and runs."""
    monkeypatch.setitem(forked_processes._IMPORTED, "told", ("json",))
    (tmp_path / "told.py").write_text(MODULE)
    (tmp_path / "beside.py").write_text("")
    return tmp_path


async def test_it_has_what_a_started_module_has(directory: Path) -> None:
    environment = {"LC_CTYPE": "C.UTF-8", "A": "1"}
    given = os.open(os.devnull, os.O_RDONLY)
    started = subprocess.run(
        [sys.executable, "-m", "told", "b c"], env=environment, cwd=directory, pass_fds=[given], capture_output=True,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    forked = await start_module(
        "told",
        "b c",
        environment=environment,
        directory=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        passed_on=[given],
    )
    os.close(given)
    assert await forked.communicate() == (started.stdout, started.stderr)
    assert (forked.returncode, await forked.wait()) == (started.returncode, 3)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_signal_ends_it_and_its_status_names_the_signal(directory: Path, number: signal.Signals) -> None:
    process = await start_module("told", environment={}, directory=directory, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert (await process.stdout.readline()).startswith(bytes(directory))
    assert process.returncode is None
    process.send_signal(number)
    async with asyncio.timeout(60):
        assert await process.wait() == -number
    process.kill()
    assert process.returncode == -number
