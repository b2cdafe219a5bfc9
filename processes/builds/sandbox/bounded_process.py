"""Run a program until it ends, or until it exceeds a limit. Then kill it with all its processes.

The kernel's limits for one process do not bound what many processes take together, and an ordinary user has no control
groups. So this looks every half second.
"""

import os
import selectors
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from processes.builds.sandbox.limits import Measured, RunLimits, describe_excess

_LOOK_S = 0.5
#: So long the kernel may take to end the processes of a sandbox that was killed.
_ENDING_S = 30.0
#: bubblewrap's holder, itself, and the first process of the sandbox are among so many.
_N_OLDEST = 8
#: A measurement of the disk must take at most this part of the time.
_MEASURING_SHARE = 0.25
#: So many failed measurements of the disk in a row end the program.
_MAX_UNMEASURED = 2
_CHUNK = 65_536
_SHORT_BYTES = 4096
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a program ended. `excess` is a sentence about the limit that it exceeded, or ""."""

    status: int
    excess: str = ""

    @property
    def is_success(self) -> bool:
        """Return whether the program ended by itself, without an error."""
        return self.status == 0 and not self.excess


def run_bounded(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    limits: RunLimits,
    take_output: Callable[[bytes], None],
    measure_disk: Callable[[], int | None] = lambda: 0,
    disk: Path | None = None,
    keeps_errors: bool = True,
    pass_fds: Sequence[int] = (),
    enter_run: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> RunEnd:
    """Run `argv` and pass its output to `take_output`. Return how it ended; no process of it is left then.

    `measure_disk` returns how many bytes the program takes below `disk`; None: it could not look. Two such answers in a
    row end the program. Without `keeps_errors` its stderr is dropped.
    The block of `enter_run()` begins when the program has started, and ends before the program is killed.

    Raises:
        OSError: the program cannot be started.
    """
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if keeps_errors else subprocess.DEVNULL,
        env=dict(environment),
        pass_fds=pass_fds,
        cwd="/",
    )
    try:
        with enter_run():
            return _follow_process(process, limits, take_output, measure_disk, disk)
    finally:
        _end_all(process)
        assert process.stdout is not None
        process.stdout.close()


def _end_all(process: "subprocess.Popen[bytes]") -> None:
    """Kill a sandbox, and wait until the kernel has ended all its processes.

    They end after bubblewrap's own process, and on a busy machine noticeably later. The first process of the sandbox is
    among its oldest descendants, and ends after all others.
    """
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for pid in islice(_list_descendants(process.pid), _N_OLDEST):
            with suppress(ProcessLookupError):
                descriptor = os.pidfd_open(pid)
                stack.callback(os.close, descriptor)
                selector.register(descriptor, selectors.EVENT_READ)
        process.kill()
        process.wait()
        end_at = time.monotonic() + _ENDING_S
        while selector.get_map() and (left_s := end_at - time.monotonic()) > 0:
            for ended, _ in selector.select(left_s):
                selector.unregister(ended.fileobj)


def _follow_process(
    process: "subprocess.Popen[bytes]",
    limits: RunLimits,
    take_output: Callable[[bytes], None],
    measure_disk: Callable[[], int | None],
    disk: Path | None,
) -> RunEnd:
    assert process.stdout is not None
    began_at = time.monotonic()
    log_bytes = disk_bytes = n_unmeasured = 0
    # A program that ends sooner is not looked at.
    look_at = measure_at = began_at + _LOOK_S
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if selector.select(_LOOK_S):
                chunk = os.read(process.stdout.fileno(), _CHUNK)
                if not chunk:
                    break
                log_bytes += len(chunk)
                take_output(chunk if log_bytes <= limits.log_bytes else chunk[: limits.log_bytes - log_bytes])
            now = time.monotonic()
            if now < look_at and log_bytes <= limits.log_bytes:
                continue
            look_at = now + _LOOK_S
            if now >= measure_at:
                found = measure_disk()
                n_unmeasured = n_unmeasured + 1 if found is None else 0
                if n_unmeasured >= _MAX_UNMEASURED:
                    return RunEnd(-1, "the builder could not measure the disk that it takes")
                disk_bytes = disk_bytes if found is None else found
                took_s = time.monotonic() - now
                measure_at = now + max(_LOOK_S, took_s / _MEASURING_SHARE)
            memory_bytes, n_processes = _sum_descendants(process.pid)
            measured = Measured(
                time_s=now - began_at,
                memory_bytes=memory_bytes,
                disk_bytes=disk_bytes,
                log_bytes=log_bytes,
                n_processes=n_processes,
                free_bytes=_read_free_bytes(disk),
            )
            if excess := describe_excess(measured, limits):
                return RunEnd(-1, excess)
    left_s = max(0.0, began_at + limits.time_s - time.monotonic())
    try:
        return RunEnd(process.wait(timeout=left_s))
    except subprocess.TimeoutExpired:
        # It closed its output and runs on.
        return RunEnd(-1, describe_excess(Measured(time_s=time.monotonic() - began_at), limits))


def _read_free_bytes(disk: Path | None) -> int | None:
    if disk is None:
        return None
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


def _sum_descendants(pid: int) -> tuple[int, int]:
    """Return the resident memory of all descendants of `pid` in bytes, and their number."""
    pages = _list_descendants(pid)
    return sum(pages.values()) * _PAGE_BYTES, len(pages)


def _list_descendants(pid: int) -> dict[int, int]:
    """Return the pids of all descendants of `pid`, generation by generation, each with its resident memory in pages."""
    children: dict[int, list[int]] = {}
    pages: dict[int, int] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                fields = _read_short(f"{entry.path}/stat").rpartition(b") ")[2].split(maxsplit=22)
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
            pages[int(entry.name)] = int(fields[21])
    found: dict[int, int] = {}
    generation = [pid]
    while generation:
        generation = [child for parent in generation for child in children.get(parent, [])]
        found.update((child, pages[child]) for child in generation)
    return found


def _read_short(path: str) -> bytes:
    """Return the beginning of a file. A machine has many processes, and this costs a third of `Path.read_bytes`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _SHORT_BYTES)
    finally:
        os.close(descriptor)
