"""Which limit a program exceeds, in words."""

from dataclasses import replace

import pytest

from processes.builds.sandbox.limits import Measured, RunLimits, describe_bytes, describe_excess, sum_sizes

LIMITS = RunLimits(time_s=10, memory_bytes=1 << 20, disk_bytes=1 << 30, log_bytes=1 << 10, n_processes=4)
WITHIN = Measured(
    time_s=9.9, memory_bytes=1 << 20, disk_bytes=1 << 30, log_bytes=1 << 10, n_processes=4, free_bytes=1 << 40
)


def test_a_program_at_its_limits_goes_on() -> None:
    assert describe_excess(WITHIN, LIMITS) == ""
    assert describe_excess(replace(WITHIN, free_bytes=None), LIMITS) == ""


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("time_s", 10, "it took longer than 10 s"),
        ("memory_bytes", (1 << 20) + 1, "it took more than 1 MiB of memory"),
        ("disk_bytes", (1 << 30) + 1, "it took more than 1 GiB of disk"),
        ("log_bytes", 1025, "it wrote more than 1 KiB of log"),
        ("n_processes", 5, "it started more than 4 processes at once"),
        ("free_bytes", 1 << 20, "the disk of the builder has less than 512 MiB left"),
    ],
)
def test_an_excess_names_the_limit(field: str, value: float, says: str) -> None:
    assert describe_excess(replace(WITHIN, **{field: value}), LIMITS) == says  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("n_bytes", "text"), [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (4 << 30, "4 GiB")]
)
def test_bytes_have_units(n_bytes: int, text: str) -> None:
    assert describe_bytes(n_bytes) == text


@pytest.mark.parametrize(
    ("told", "n_bytes"),
    [
        (b"4\t/work\n8\t/tmp\n0\t/builder-home\n", 12 << 10),
        (b"4\t/work\n8\t/tmp\n", None),
        (b"4\t/work\n8\t/tmp\nx\t/builder-home\n", None),
        (b"", None),
    ],
)
def test_a_disk_that_was_not_measured_wholly_has_no_size(told: bytes, n_bytes: int | None) -> None:
    assert sum_sizes(told, n_places=3) == n_bytes
