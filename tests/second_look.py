"""Run the few tests that failed in a whole run again, each alone and three times: `python -m tests.second_look`.

Four workers share two cores, so now and then some of 13 000 tests wait in vain. Such a test is unsteady: it is told by
name and must be mended, but it does not refuse a change. A test that fails once more does.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scheduling import PARTS, is_in_part

#: Where the run of a part keeps its failed tests, in pytest's cache; None: the run did not come to its end.
_RECORD = "ewms/failed-"
#: More tests than this do not fail by chance.
MOST_UNSTEADY = 8
#: How often each failed test must pass, one run after the other.
N_PASSES = 3
#: The longest time for all of it.
_LIMIT_S = 2400


class FailureRecorder:
    """A plugin of the process that spreads the tests: it records which tests failed, at the end of the run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._failed: set[str] = set()
        # The record of an earlier run must not stand for a run that breaks.
        self._keep_failed(None)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        if exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
            self._keep_failed(sorted(self._failed))

    def _keep_failed(self, failed: list[str] | None) -> None:
        part = self._config.option.part
        for one in [part] if part else PARTS:
            mine = None if failed is None else [test for test in failed if is_in_part(test.partition("::")[0], one)]
            if self._config.cache:
                self._config.cache.set(_RECORD + one, mine)


def explain_refusal(failed: list[str] | None) -> str:
    """Return why a second look at `failed` tests cannot excuse them; empty if it can."""
    if not failed:
        return "the run did not come to its end"
    if len(failed) > MOST_UNSTEADY:
        return f"{len(failed)} tests failed, and at most {MOST_UNSTEADY} fail by chance"
    return ""


def load_failed(root: Path) -> list[str] | None:
    """Return the failed tests of the last run below `root`, by their ids; None if a part did not come to its end."""
    failed: list[str] = []
    for part in PARTS:
        record = root / ".pytest_cache/v" / (_RECORD + part)
        found: list[str] | None = json.loads(record.read_text()) if record.exists() else None
        if found is None:
            return None
        failed += found
    return failed


def main() -> int:
    """Look again at the failed tests of the last run, and return 0 if each of them passed three times."""
    failed = load_failed(Path.cwd())
    if refusal := explain_refusal(failed):
        print(f"No second look: {refusal}.", flush=True)
        return 1
    assert failed
    # Without workers: only a process that spreads tests records failures.
    command = [sys.executable, "-m", "pytest", "-n", "0", "--color=no", *failed]
    for number in range(1, N_PASSES + 1):
        print(f"Second look, {number} of {N_PASSES}: {', '.join(failed)}", flush=True)
        try:
            status = subprocess.run(command, check=False, timeout=_LIMIT_S / N_PASSES).returncode
        except subprocess.TimeoutExpired:
            status = -1
        if status:
            print("It failed again.", flush=True)
            return 1
    print(
        "\nUNSTEADY, to be mended: they failed beside other tests, and passed three times alone:", *failed, sep="\n  "
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
