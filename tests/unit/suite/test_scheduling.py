"""How the suite is spread over workers: one system for each group, the groups that took longest first."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.scheduling import (
    COMMITTED,
    DurationRecorder,
    expected_s,
    group_of,
    is_whole_run,
    load_durations,
    sort_longest_first,
)

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        ("tests/system/test_story.py::test_a[x/y]", "system"),
        ("tests/system/test_ways_in.py::test_a", "chosen"),
        ("tests/system/test_ways_in.py::test_a[stack]", "system"),
        ("tests/system/test_task_accounts.py::test_a[chosen]", "chosen"),
        ("tests/system/test_process_commands.py::test_a", "steps"),
        ("tests/system/test_tokens.py::test_five_new_keys_in_a_row", "chosen"),
        ("tests/system/test_tokens.py::test_a", "short-lived"),
        ("tests/contract/conformance/test_find.py::test_a", "conformance"),
        ("tests/fuzz/test_filters.py::test_a", "fuzz"),
        ("tests/unit/wms/gateway/test_roles.py::TestA::test_a", "tests/unit/wms/gateway/test_roles.py"),
    ],
)
def test_tests_that_share_a_system_share_a_worker_and_all_others_go_by_file(nodeid: str, group: str) -> None:
    assert group_of(nodeid) == group


def _config(recorded: Any = None, **changes: Any) -> Any:
    """Return the part of pytest's configuration that counts here, of a run without arguments."""
    kept = {"ewms/durations": recorded}
    options = {
        "keyword": "",
        "markexpr": "",
        "deselect": None,
        "maxfail": 0,
        "lf": False,
        "record_durations": False,
        "part": None,
    }
    options |= changes
    return SimpleNamespace(
        cache=SimpleNamespace(get=kept.get, set=kept.__setitem__, kept=kept),
        option=SimpleNamespace(**options),
        args_source=pytest.Config.ArgsSource.TESTPATHS,
    )


def test_the_group_that_took_longest_comes_first_and_its_tests_keep_their_order() -> None:
    names = [
        "tests/unit/test_cores.py::b",
        "tests/unit/test_cores.py::a",
        "tests/integration/mqs/test_groups.py::x",
        "tests/system/test_story.py::x",
    ]
    items: list[Any] = [SimpleNamespace(nodeid=name) for name in names]
    sort_longest_first(
        items, {"tests/unit/test_cores.py": 3.0, "tests/integration/mqs/test_groups.py": 2.0, "system": 90.0}
    )
    assert [item.nodeid for item in items] == [names[3], names[0], names[1], names[2]]


def test_a_new_file_comes_before_the_many_short_ones_but_after_the_few_long_ones() -> None:
    durations = {"system": 400.0, "tests/integration/mqs/test_sweep.py": 20.0}
    new = expected_s("tests/integration/mqs/test_groups.py", durations)
    assert durations["tests/integration/mqs/test_sweep.py"] < new < durations["system"]
    assert expected_s("tests/unit/test_cores.py", {}) == 0


def test_a_whole_run_is_recorded_for_the_next_one() -> None:
    config = _config()
    recorder = DurationRecorder(config)
    for seconds in (1.26, 2.0):
        report: Any = SimpleNamespace(nodeid="tests/fuzz/test_filters.py::b", duration=seconds)
        recorder.pytest_runtest_logreport(report)
    recorder.pytest_sessionfinish(pytest.ExitCode.INTERRUPTED)
    assert load_durations(config) == json.loads(COMMITTED.read_text())
    recorder.pytest_sessionfinish(pytest.ExitCode.OK)
    assert load_durations(config) == {"fuzz": 3.3}


def test_the_time_of_a_subtest_counts_once() -> None:
    config = _config()
    recorder = DurationRecorder(config)
    told: Any = {"nodeid": "tests/fuzz/test_openapi.py::b", "location": ("", 0, ""), "keywords": {}, "longrepr": None}
    told |= {"outcome": "passed", "when": "call"}
    recorder.pytest_runtest_logreport(pytest.SubtestReport(**told, duration=2.0, context=None))
    recorder.pytest_runtest_logreport(pytest.TestReport(**told, duration=2.5))
    recorder.pytest_sessionfinish(pytest.ExitCode.OK)
    assert load_durations(config) == {"fuzz": 2.5}


def test_a_whole_run_writes_the_committed_record_only_if_it_is_asked_to(tmp_path: Path) -> None:
    committed = tmp_path / "durations.json"
    for asked in (False, True):
        recorder = DurationRecorder(_config(record_durations=asked), committed=committed)
        for name, seconds in (("tests/fuzz/test_filters.py::b", 3.0), ("tests/unit/test_cores.py::b", 0.2)):
            report: Any = SimpleNamespace(nodeid=name, duration=seconds)
            recorder.pytest_runtest_logreport(report)
        recorder.pytest_sessionfinish(pytest.ExitCode.OK)
        assert committed.exists() == asked
    assert json.loads(committed.read_text()) == {"fuzz": 3.0}


@pytest.mark.parametrize("changes", [{"keyword": "name"}, {"markexpr": "hypothesis"}, {"maxfail": 1}, {"lf": True}])
def test_a_run_of_some_tests_is_no_whole_run(changes: dict[str, Any]) -> None:
    assert is_whole_run(_config())
    assert not is_whole_run(_config(**changes))


def test_every_group_of_the_committed_record_exists() -> None:
    files = [name for name in json.loads(COMMITTED.read_text()) if "/" in name]
    assert len(files) > 50
    assert [name for name in files if not (ROOT / name).exists()] == []


_SPREAD = """
from tests.scheduling import LongestFirst

def pytest_xdist_make_scheduler(config, log):
    return LongestFirst(config, log)
"""
_DEADLY = """
import os

def test_before(): pass
def test_deadly(): os._exit(3)
def test_after(): pass
"""
_LONG = """
import time, pytest

@pytest.mark.parametrize("number", range(3))
def test_long(number): time.sleep(0.2)
"""


def test_a_test_that_ends_its_worker_fails_once_and_all_others_run(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(_SPREAD)
    for number in range(2):
        (tmp_path / f"test_deadly_{number}.py").write_text(_DEADLY)
    for number in range(8):
        (tmp_path / f"test_long_{number}.py").write_text(_LONG)
    command = [sys.executable, "-m", "pytest", "-n", "2", "-c", os.devnull, "--rootdir", str(tmp_path), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False
    )
    assert "2 failed, 28 passed" in run.stdout, run.stdout + run.stderr
