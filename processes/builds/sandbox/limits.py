"""The limits of a sandboxed program, and which of them it exceeds. (core)"""

from dataclasses import dataclass

#: A build ends before it takes the last part of the disk from everybody else.
_KEPT_FREE_BYTES = 512 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """What one program may take, with all its processes together."""

    time_s: float
    memory_bytes: int
    disk_bytes: int
    log_bytes: int
    n_processes: int = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a program has taken. `free_bytes` is the free space of its disk; None: it was not measured."""

    time_s: float
    memory_bytes: int = 0
    disk_bytes: int = 0
    log_bytes: int = 0
    n_processes: int = 0
    free_bytes: int | None = None


def describe_excess(measured: Measured, limits: RunLimits) -> str:
    """Return a sentence about the first limit that is exceeded, with the limit. Return "" if there is none."""
    if measured.time_s >= limits.time_s:
        return f"it took longer than {limits.time_s:g} s"
    if measured.memory_bytes > limits.memory_bytes:
        return f"it took more than {describe_bytes(limits.memory_bytes)} of memory"
    if measured.disk_bytes > limits.disk_bytes:
        return f"it took more than {describe_bytes(limits.disk_bytes)} of disk"
    if measured.log_bytes > limits.log_bytes:
        return f"it wrote more than {describe_bytes(limits.log_bytes)} of log"
    if measured.n_processes > limits.n_processes:
        return f"it started more than {limits.n_processes} processes at once"
    if measured.free_bytes is not None and measured.free_bytes < _KEPT_FREE_BYTES:
        return f"the disk of the builder has less than {describe_bytes(_KEPT_FREE_BYTES)} left"
    return ""


def describe_bytes(n_bytes: int) -> str:
    """Return a number of bytes for people, as `4 GiB`."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if n_bytes >= size:
            return f"{n_bytes / size:.4g} {unit}"
    return f"{n_bytes} bytes"


def sum_sizes(told: bytes, *, n_places: int) -> int | None:
    """Return the sum in bytes of what `du -sk` printed about `n_places` places. Return None if a place is missing."""
    sizes = [line.split()[0] for line in told.splitlines() if line.split()]
    if len(sizes) != n_places or not all(size.isdigit() for size in sizes):
        return None
    return sum(int(size) << 10 for size in sizes)
