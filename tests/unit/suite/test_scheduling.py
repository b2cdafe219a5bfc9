"""How the suite is spread over workers: one system for each group, the groups that took longest first."""

import json
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
        ("tests/system/test_tokens.py::test_five_new_keys_in_a_row", "chosen"),
        ("tests/system/test_tokens.py::test_a", "short-lived"),
        ("tests/contract/conformance/test_find.py::test_a", "conformance"),
        ("tests/fuzz/test_filters.py::test_a", "fuzz"),
        ("tests/unit/wms/gateway/test_auth.py::TestA::test_a", "tests/unit/wms/gateway/test_auth.py"),
    ],
)
def test_tests_that_share_a_system_share_a_worker_and_all_others_go_by_file(nodeid: str, group: str) -> None:
    assert group_of(nodeid) == group


def _config(recorded: Any = None, **changes: Any) -> Any:
    """Return the part of pytest's configuration that counts here, of a run without arguments."""
    kept = {"ewms/durations": recorded}
    options = {"keyword": "", "markexpr": "", "deselect": None, "maxfail": 0, "lf": False, **changes}
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


def test_a_new_file_comes_first_unless_it_needs_no_service() -> None:
    assert expected_s("tests/integration/mqs/test_groups.py", {}) > expected_s("system", {"system": 400.0})
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


@pytest.mark.parametrize("changes", [{"keyword": "name"}, {"markexpr": "hypothesis"}, {"maxfail": 1}, {"lf": True}])
def test_a_run_of_some_tests_is_no_whole_run(changes: dict[str, Any]) -> None:
    assert is_whole_run(_config())
    assert not is_whole_run(_config(**changes))


def test_every_group_of_the_committed_record_exists() -> None:
    files = [name for name in json.loads(COMMITTED.read_text()) if "/" in name]
    assert len(files) > 50
    assert [name for name in files if not (ROOT / name).exists()] == []
