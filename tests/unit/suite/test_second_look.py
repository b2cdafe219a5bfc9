"""What a second look at failed tests may excuse, and what not."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.second_look import MOST_UNSTEADY, FailureRecorder, explain_refusal, load_failed

ROOT = Path(__file__).parents[3]
_CONFTEST = """
from tests.second_look import FailureRecorder

def pytest_addoption(parser):
    parser.addoption("--part", default=None)

def pytest_xdist_make_scheduler(config, log):
    config.pluginmanager.register(FailureRecorder(config))
"""
# Loading all plugins takes longer than the tests.
_ONLY_XDIST = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p xdist"}
# Fails in the runs of these numbers, from 0.
_UNSTEADY = """
from pathlib import Path

def test_unsteady():
    calls = Path(__file__).with_name("calls")
    n = len(calls.read_text()) if calls.exists() else 0
    calls.write_text("x" * (n + 1))
    assert n not in {FAILS}

def test_steady(): pass
"""


def _run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        env={**os.environ, "PYTHONPATH": str(ROOT)} | _ONLY_XDIST,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def _run_whole(folder: Path, *, fails: set[int]) -> None:
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "conftest.py").write_text(_CONFTEST)
    (folder / "test_some.py").write_text(_UNSTEADY.replace("{FAILS}", str(fails)))
    assert _run(folder, "pytest", "-n", "1").returncode == pytest.ExitCode.TESTS_FAILED


def test_a_test_that_passes_three_times_alone_is_told_as_unsteady(tmp_path: Path) -> None:
    _run_whole(tmp_path, fails={0})
    look = _run(tmp_path, "tests.second_look")
    assert look.returncode == 0, look.stdout + look.stderr
    assert "UNSTEADY" in look.stdout
    assert "test_some.py::test_unsteady" in look.stdout
    assert "test_steady" not in look.stdout
    assert (tmp_path / "calls").read_text() == "xxxx"


@pytest.mark.parametrize("again", [1, 3])
def test_a_test_that_fails_once_more_refuses_the_change(tmp_path: Path, again: int) -> None:
    _run_whole(tmp_path, fails={0, again})
    look = _run(tmp_path, "tests.second_look")
    assert look.returncode == 1
    assert "UNSTEADY" not in look.stdout


def test_a_run_that_broke_is_not_excused_by_the_record_of_an_earlier_one(tmp_path: Path) -> None:
    _run_whole(tmp_path, fails={0})
    assert load_failed(tmp_path) == ["test_some.py::test_unsteady"]
    cache = SimpleNamespace(set=lambda name, value: (tmp_path / ".pytest_cache/v" / name).write_text(json.dumps(value)))
    config: Any = SimpleNamespace(cache=cache, option=SimpleNamespace(part=None))
    FailureRecorder(config).pytest_sessionfinish(pytest.ExitCode.INTERNAL_ERROR)
    assert load_failed(tmp_path) is None
    assert _run(tmp_path, "tests.second_look").returncode == 1


@pytest.mark.parametrize(
    ("failed", "reason"),
    [
        (None, "did not come to its end"),
        ([], "did not come to its end"),
        (["a"] * MOST_UNSTEADY, ""),
        (["a"] * (MOST_UNSTEADY + 1), f"{MOST_UNSTEADY + 1} tests failed"),
    ],
)
def test_only_a_few_failures_of_a_run_that_ended_are_looked_at_again(failed: list[str] | None, reason: str) -> None:
    assert reason in explain_refusal(failed)
    assert bool(explain_refusal(failed)) == bool(reason)
