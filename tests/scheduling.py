"""How `make test` spreads the tests over its workers: whole files, what took longest first.

Each worker starts the servers that its tests ask for, once, and keeps them. Files that share a whole running system
go to one worker, which starts that system once:

    system        tests/system, on the system with HTCondor (`stack`)
    steps         tests/system, on the system with a step worker that offers the examples (`with_worker`)
    chosen        tests/system, on the system with other choices (`chosen`)
    short-lived   tests/system, on the system whose tokens live for seconds
    conformance   tests/contract/conformance
    fuzz          tests/fuzz

Every other file is a group of its own. Groups go one by one to the next worker that has time. A long group that comes
last leaves the other workers idle, so each whole run records in pytest's cache how long the groups took, and the next
run begins with the longest. `tests/data/durations.json` is such a record, for a checkout that has had no run yet. A
whole run writes it anew with `make test ARGS=--record-durations`.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

#: Beginning of a test's id -> its group; the first that fits. A test that is named for a system in brackets goes there.
_GROUPS = {
    "tests/system/test_awx_command.py": "steps",
    "tests/system/test_awx_library.py": "steps",
    "tests/system/test_catalogue_story.py": "steps",
    "tests/system/test_deployment_choices.py": "chosen",
    "tests/system/test_failures.py": "chosen",
    "tests/system/test_process_commands.py": "steps",
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
_SHORTEST_RECORDED_S = 1.0
# What no record names is new. If it needs a service it may be long, but nine of ten files take less than a minute: they
# must not hold up those that take several.
_UNKNOWN_S = 60.0
_WITHOUT_SERVICES = ("tests/unit/", "tests/contract/")
_WITH_SERVICES = "tests/contract/conformance/"

#: The two parts of a whole run (`tests.whole_run`): the tests that need no service, and all others.
PLAIN, SERVICES = "plain", "services"
PARTS = (PLAIN, SERVICES)


def group_of(nodeid: str) -> str:
    """Return the group of a test. One worker runs all tests of a group, in order."""
    if nodeid.startswith("tests/system/") and nodeid.endswith(("[stack]", "[chosen]")):
        return "chosen" if nodeid.endswith("[chosen]") else "system"
    found = (group for start, group in _GROUPS.items() if nodeid.startswith(start))
    return next(found, nodeid.partition("::")[0])


def is_in_part(path: str, part: str) -> bool:
    """Return whether the file or folder `path`, relative to the root, belongs to `part`. Folders above both do."""
    if any(start.startswith(f"{path}/") for start in (*_WITHOUT_SERVICES, _WITH_SERVICES)):
        return True
    is_plain = f"{path}/".startswith(_WITHOUT_SERVICES) and not f"{path}/".startswith(_WITH_SERVICES)
    return is_plain == (part == PLAIN)


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

    def __init__(self, config: pytest.Config, *, committed: Path = COMMITTED) -> None:
        self._config = config
        self._committed = committed
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # The time of a subtest is a part of its test's.
        if not isinstance(report, pytest.SubtestReport):
            self._seconds[group_of(report.nodeid)] += report.duration

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        ended = exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
        if not ended or not is_whole_run(self._config):
            return
        found = {name: round(s, 1) for name, s in sorted(self._seconds.items())}
        # The plain tests are too short to need a record.
        if self._config.option.part == PLAIN:
            return
        if self._config.cache:
            self._config.cache.set(_RECORD, found)
        if self._config.option.record_durations:
            # What takes less needs no place of its own.
            long = {name: s for name, s in found.items() if s >= _SHORTEST_RECORDED_S}
            self._committed.write_text(json.dumps(long, indent=1) + "\n")


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

    def remove_node(self, node: WorkerController) -> str | None:
        """Take a worker out, hand on what it has not run, and return the test that it died in, if it died in one.

        pytest-xdist alone runs that test once more, in another worker, and hands out groups that are done, too: the
        worker that gets one waits until the end.
        """
        left = {group: tests for group, tests in self.assigned_work[node].items() if not all(tests.values())}
        crashed = next((test for tests in left.values() for test, done in tests.items() if not done), None)
        if crashed is not None:
            left[self._split_scope(crashed)][crashed] = True
        self.assigned_work[node] = {group: tests for group, tests in left.items() if not all(tests.values())}
        super().remove_node(node)
        return crashed

    def _reschedule(self, node: WorkerController) -> None:
        """Give the worker more to do, once it has told its tests: one that replaces another takes seconds for that."""
        if node in self.registered_collections:
            super()._reschedule(node)

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
