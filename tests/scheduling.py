"""How `make test` spreads the tests over its workers: whole files, what took longest first.

Each worker starts the servers that its tests ask for, once, and keeps them. Files that share a whole running system
go to one worker, which starts that system once:

    system        tests/system, on the system with HTCondor (`stack`)
    chosen        tests/system, on the system with other choices (`chosen`)
    short-lived   tests/system, on the system whose tokens live for seconds
    conformance   tests/contract/conformance
    fuzz          tests/fuzz

Every other file is a group of its own. Groups go one by one to the next worker that has time. A long group that comes
last leaves the other workers idle, so each whole run records in pytest's cache how long the groups took, and the next
run begins with the longest. `tests/data/durations.json` is such a record, for a checkout that has had no run yet.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

#: Beginning of a test's id -> its group; the first that fits. A test that is named for a system in brackets goes there.
_GROUPS = {
    "tests/system/test_deployment_choices.py": "chosen",
    "tests/system/test_failures.py": "chosen",
    "tests/system/test_stalled.py": "chosen",
    "tests/system/test_tokens.py::test_five_new_keys": "chosen",
    "tests/system/test_tokens.py": "short-lived",
    "tests/system/test_ways_in.py": "chosen",
    "tests/system/": "system",
    "tests/contract/conformance/": "conformance",
    "tests/fuzz/": "fuzz",
}

#: The record of a checkout that has had no run yet: group -> seconds.
COMMITTED = Path(__file__).parent / "data/durations.json"
_RECORD = "ewms/durations"
# What no record names is new: it may be long, unless it needs no service.
_UNKNOWN_S = 3600.0
_WITHOUT_SERVICES = ("tests/unit/", "tests/contract/")


def group_of(nodeid: str) -> str:
    """Return the group of a test. One worker runs all tests of a group, in order."""
    if nodeid.startswith("tests/system/") and nodeid.endswith(("[stack]", "[chosen]")):
        return "chosen" if nodeid.endswith("[chosen]") else "system"
    found = (group for start, group in _GROUPS.items() if nodeid.startswith(start))
    return next(found, nodeid.partition("::")[0])


def load_durations(config: pytest.Config) -> dict[str, float]:
    """Return how many seconds each group took in the last whole run here, or else in that of the committed record."""
    recorded = config.cache.get(_RECORD, None) if config.cache else None
    found: dict[str, float] = recorded or json.loads(COMMITTED.read_text())
    return found


def sort_longest_first(items: list[pytest.Item], durations: Mapping[str, float]) -> None:
    """Put the groups that take longest first; the tests of a group keep their order."""
    items.sort(key=lambda item: -expected_s(group_of(item.nodeid), durations))


def expected_s(group: str, durations: Mapping[str, float]) -> float:
    """Return how many seconds a group will take."""
    return durations.get(group, 0.0 if group.startswith(_WITHOUT_SERVICES) else _UNKNOWN_S)


class DurationRecorder:
    """A plugin of the process that spreads the tests: after a whole run it records how long each group took."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[group_of(report.nodeid)] += report.duration

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        ended = exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
        if ended and is_whole_run(self._config) and self._config.cache:
            self._config.cache.set(_RECORD, {name: round(s, 1) for name, s in sorted(self._seconds.items())})


def is_whole_run(config: pytest.Config) -> bool:
    """Say whether no argument leaves tests out."""
    option = config.option
    chosen = (option.keyword, option.markexpr, option.deselect, option.maxfail, option.lf)
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not any(chosen)


class LongestFirst(LoadScopeScheduling):
    """Give groups of tests to workers in the order in which the workers collected them."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        """Keep the collected order; pytest-xdist would begin with the group of the most tests."""
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
