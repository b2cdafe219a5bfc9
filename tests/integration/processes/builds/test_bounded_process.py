"""A program ends with a reason when the builder cannot see what it takes."""

import sys

from processes.builds.sandbox.bounded_process import RunEnd, run_bounded
from processes.builds.sandbox.limits import RunLimits

LIMITS = RunLimits(time_s=60.0, memory_bytes=1 << 40, disk_bytes=1 << 40, log_bytes=1 << 20)


def run_program(code: str, answers: list[int | None]) -> RunEnd:
    """Run Python code while measurements of its disk give `answers`, the last one again and again."""
    return run_bounded(
        [sys.executable, "-I", "-S", "-c", code],
        environment={},
        limits=LIMITS,
        take_output=lambda _: None,
        measure_disk=lambda: answers.pop(0) if len(answers) > 1 else answers[0],
    )


def test_two_failed_measurements_of_the_disk_in_a_row_end_the_program() -> None:
    end = run_program("import time; time.sleep(50)", [1, None])
    assert end.excess == "the builder could not measure the disk that it takes"


def test_one_failed_measurement_ends_nothing() -> None:
    assert run_program("import time; time.sleep(2)", [None, 1]).is_success
