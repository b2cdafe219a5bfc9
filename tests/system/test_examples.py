"""The commands of the examples of docs/examples, as their pages print them, and what comes of them.

`tracks` has a test of its own (test_demo.py), as has `release`.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.local.system.stack import Stack
from deploy.local.system.wiring import EXAMPLES_DIRECTORY
from tests.system.conftest import plain_environment


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory in which the accounts of tasks can read."""
    for one in (tmp_path, tmp_path.parent):
        one.chmod(0o755)
    return tmp_path


def type_commands(stack: Stack, name: str, directory: Path) -> str:
    """Type the commands of an example's page in a copy of the example. Return what they print."""
    copy = shutil.copytree(EXAMPLES_DIRECTORY / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    commands = re.findall(r"```sh\n(.*?)```", (copy / "README.md").read_text(), re.DOTALL)
    assert commands
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(commands)],
        env={**plain_environment(), "EWMS_GATEWAY": stack.gateway, "EWMS_TOKEN": stack.token, "PATH": path},
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_showers_are_simulated_one_by_one(stack: Stack, directory: Path) -> None:
    printed = type_commands(stack, "showers", directory)
    told = re.search(r"^20 showers: mean ([\d.]+), resolution ([\d.]+)$", printed, re.MULTILINE)
    assert told is not None, printed
    assert float(told[1]) == pytest.approx(1, abs=0.05)
    assert 0.005 < float(told[2]) < 0.1


def test_the_map_is_merged_from_all_tiles_and_names_the_source(stack: Stack, directory: Path) -> None:
    told = type_commands(stack, "skymap", directory)
    assert "48 tiles: the source is near zenith 75.0, azimuth 202.5" in told


def test_the_model_of_birds_is_learned_once(stack: Stack, directory: Path) -> None:
    printed = type_commands(stack, "species", directory)
    told = re.search(r"^(\d+) of 60 birds are right; the model was learned 1 time", printed, re.MULTILINE)
    assert told is not None, printed
    assert int(told[1]) >= 58


def test_frames_with_a_bad_pixel_are_measured_after_the_replay(stack: Stack, directory: Path) -> None:
    lines = type_commands(stack, "beamline", directory).splitlines()
    assert any("is saturated; mask it if it is broken" in line for line in lines)
    measured = [json.loads(line) for line in lines if line.startswith("{")]
    assert sorted(one["shot"] for one in measured) == list(range(10))
    assert all(900 < one["intensity"] < 1100 for one in measured)


def test_quakes_are_located_by_a_workflow_of_a_step_list(with_worker: Stack, directory: Path) -> None:
    told = type_commands(with_worker, "quakes", directory)
    assert "✓ Locate each quake" in told
    detail: dict[str, Any] = json.loads(next(line for line in told.splitlines() if line.startswith("{")))
    state = detail["current_state"]
    assert [place["quake"] for place in state["catalogue"]] == [0, 1, 2, 3, 4]
    assert state["worst_error_km"] < 1
