"""Launchers as processes of their own, whose data and run directories lie below a scratch directory."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.waiting import wait_until

LAUNCHER = (sys.executable, "-m", "deploy.local")

#: What a launcher hears of the tests' settings: how many schedulers its broker has.
_KEPT = "EWMS_BROKER_SCHEDULERS"


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A directory whose path is short enough for the servers' sockets."""
    directory = Path(tempfile.mkdtemp(prefix="e"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


class Launch(Protocol):
    """Start the launcher with `arguments` in `folder` of the scratch directory; `errors` there has what it says.

    `settings` are added to its environment.
    """

    def __call__(self, *arguments: str, folder: str = ".", **settings: str) -> "subprocess.Popen[str]": ...


def wait_for(is_true: Callable[[], bool], launcher: "subprocess.Popen[str]", errors: Path) -> None:
    """Wait until `is_true`, no longer than the launcher lives."""
    wait_until(lambda: is_true() or launcher.poll() is not None, within_s=300, pause_s=0.1, show=errors.read_text)
    assert is_true(), errors.read_text()


def wait_until_up(launcher: "subprocess.Popen[str]", folder: Path) -> dict[str, Any]:
    """Return the endpoints of a system that is being started in `folder`, once it is up."""
    errors = folder / "errors"
    wait_for(lambda: "EWMS is up" in errors.read_text(), launcher, errors)
    endpoints: dict[str, Any] = json.loads((folder / ".ewms/endpoints.json").read_text())
    return endpoints


@pytest.fixture
def launch(scratch: Path) -> Iterator[Launch]:
    """Start launchers that the test's end ends too."""
    (scratch / "tmp").mkdir()
    kept = {name: value for name, value in os.environ.items() if name == _KEPT or not name.startswith("EWMS_")}
    started: list[subprocess.Popen[str]] = []

    def launched(*arguments: str, folder: str = ".", **settings: str) -> "subprocess.Popen[str]":
        with (scratch / folder / "errors").open("w") as errors:
            launcher = subprocess.Popen(
                [*LAUNCHER, *arguments],
                cwd=scratch / folder,
                env={
                    **kept,
                    "TMPDIR": str(scratch / "tmp"),
                    "XDG_STATE_HOME": str(scratch),
                    "PYTHONPATH": str(Path.cwd()),
                    **settings,
                },
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        started.append(launcher)
        return launcher

    yield launched
    for launcher in started:
        launcher.kill()
        launcher.communicate()
