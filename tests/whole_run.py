"""Run all tests in two parts, one after the other: `python -m tests.whole_run --numprocesses=6`.

Each worker of pytest-xdist imports every test of its run. The tests that need no service are nine tenths of all, and
keep the cores busy: two workers run them as fast as four, and save two of four imports. The tests with services wait
for much of their time, so six workers share two cores; they import only what they run. With four workers the cores
idled for a fifth of the time. With eight they never did, and the same tests took 1.4 times the CPU of four: systems
that wait for their turn work too, and processes find the caches cold.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence

import pytest

from tests.scheduling import PLAIN, SERVICES

#: The plain tests take all cores, and no more workers than those.
_PLAIN_JOBS = len(os.sched_getaffinity(0))


def list_runs(arguments: Sequence[str]) -> list[list[str]]:
    """Return the arguments of each run of pytest: one run if `arguments` name files, or else one for each part."""
    names_files = any(os.path.exists(one.partition("::")[0]) for one in arguments if not one.startswith("-"))  # noqa: PTH110
    if names_files:
        return [list(arguments)]
    # The last of two equal options counts.
    plain = [*arguments, f"--part={PLAIN}", f"--numprocesses={_PLAIN_JOBS}", "-p", "no:schemathesis"]
    return [plain, [*arguments, f"--part={SERVICES}"]]


def choose_status(statuses: Iterable[int]) -> int:
    """Return the exit status of all runs together. That `-k` leaves a part without tests is no failure."""
    seen = list(statuses)
    failed = [status for status in seen if status not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}]
    return failed[0] if failed else min(seen)


def _run_pytest(arguments: Sequence[str]) -> int:
    """Run pytest to its end. Ctrl-C reaches pytest itself, which stops its servers before it ends."""
    with subprocess.Popen([sys.executable, "-m", "pytest", *arguments]) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue


def main() -> int:
    """Run the parts until one is interrupted or broken, and return pytest's exit status."""
    statuses: list[int] = []
    for arguments in list_runs(sys.argv[1:]):
        statuses.append(_run_pytest(arguments))
        if statuses[-1] not in {
            pytest.ExitCode.OK,
            pytest.ExitCode.TESTS_FAILED,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        }:
            break
    return choose_status(statuses)


if __name__ == "__main__":
    sys.exit(main())
