"""Watch the memory of the worker's processes. If their sum exceeds the limit, end the container that uses the most.

The exact measure is PSS: a process's own memory, and its part of the memory that it shares with other processes. PSS is
slow to read. So the watch first sums the resident memory, which counts shared memory in full for each process. The
watch reads PSS only if that sum exceeds the limit.
"""

import asyncio
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pilot.containers.memory_limit import MemoryExcess, ProcessMemory, find_excess
from pilot.containers.processes import TaskProcess, TaskProcesses
from pilot.failures.container_failures import kernel_out_of_memory, worker_memory_exceeded
from schemas.pilot.memory_groups import list_memory_groups

log = logging.getLogger(__name__)

_INTERVAL_S = 0.5
#: If the watch fails many times in a row, it logs the first failure, and then every hundredth.
_LOG_EVERY = 100
#: The file with the count of kernel kills, by the version of the control groups.
_COUNTERS = {1: "memory.oom_control", 2: "memory.events"}
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class MemoryWatch:
    """A loop that watches the memory while containers run. With a `limit_bytes` of 0 there is no loop."""

    def __init__(self, children: TaskProcesses, limit_bytes: int, *, interval_s: float = _INTERVAL_S) -> None:
        self._children = children
        self._limit_bytes = limit_bytes
        self._interval_s = interval_s
        self._n_kernel_kills = count_kernel_kills()
        self._n_failures = 0
        #: The largest sum of memory so far, in bytes; 0 before the first look. Below the limit it is resident memory,
        #: so memory that processes share counts for each of them.
        self.peak_bytes = 0
        self._loop: asyncio.Task[None] | None = None

    def start_watching(self) -> None:
        """Begin to watch, and to explain why the kernel killed a child."""
        self._children.on_killed = self._explain_kill
        if self._limit_bytes:
            self._loop = asyncio.create_task(self._watch_repeatedly(), name="memory watch")

    async def stop_watching(self) -> None:
        """Stop watching."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def _watch_repeatedly(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self._watch_once()
            except Exception:  # noqa: BLE001 - without this loop a task could take all the memory of its machine
                self._log_failure("the memory watch of this worker failed")

    async def _watch_once(self) -> None:
        containers = {child.pid: child for child in self._children.running}
        if not containers:
            return
        excess = await asyncio.to_thread(self._measure_excess, list(containers))
        if excess is not None and not containers[excess.pid].has_ended:
            self._end_container(containers[excess.pid], excess)
        self._n_failures = 0

    def _log_failure(self, text: str) -> None:
        """Log `text` with the current exception, if this failure is the first in a row or one of every hundred."""
        if self._n_failures % _LOG_EVERY == 0:
            log.exception("%s", text)
        self._n_failures += 1

    def _measure_excess(self, containers: list[int]) -> MemoryExcess | None:
        pids = list(_walk_tree(os.getpid()))
        processes = {pid: ProcessMemory(parent, _resident_bytes(pid)) for pid, parent in pids}
        if find_excess(processes, containers, self._limit_bytes) is None:
            self._note_peak(processes)
            return None
        exact = {pid: ProcessMemory(parent, _proportional_bytes(pid)) for pid, parent in pids}
        self._note_peak(exact)
        return find_excess(exact, containers, self._limit_bytes)

    def _note_peak(self, processes: Mapping[int, ProcessMemory]) -> None:
        self.peak_bytes = max(self.peak_bytes, sum(process.n_bytes for process in processes.values()))

    def _end_container(self, child: TaskProcess, excess: MemoryExcess) -> None:
        failure = worker_memory_exceeded(excess.n_bytes, self._limit_bytes)
        log.warning("the pilot ends a container: %s", failure.text)
        child.failure = failure
        child.on_failure(failure)
        self._children.kill_child(child)

    def _explain_kill(self, child: TaskProcess) -> None:
        """Set the failure of `child`, which SIGKILL ended, if the kernel has killed a process for lack of memory."""
        n_kills = count_kernel_kills()
        if n_kills > self._n_kernel_kills and child.failure is None:
            child.failure = kernel_out_of_memory(self._limit_bytes)
            child.on_failure(child.failure)
        self._n_kernel_kills = n_kills


def count_kernel_kills(proc: str = "/proc/self/cgroup", root: str = "/sys/fs/cgroup") -> int:
    """Return how many processes of this worker's control group the kernel has killed for lack of memory.

    `proc` is the file that names the groups; `root` is the directory in which the kernel shows them.
    """
    groups = list_memory_groups(_read_text(proc), root)
    return max((_read_kill_count(f"{directory}/{_COUNTERS[version]}") for version, directory in groups), default=0)


def _read_kill_count(path: str) -> int:
    for line in _read_text(path).splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill" and value.isdigit():
            return int(value)
    return 0


def _walk_tree(pid: int) -> Iterator[tuple[int, int]]:
    """Yield the pid and the parent's pid of each process: first `pid` (with parent 0), then all its descendants."""
    queue = [(pid, 0)]
    while queue:
        pid, parent = queue.pop()
        yield pid, parent
        try:
            threads = list(Path(f"/proc/{pid}/task").iterdir())
        except OSError:
            continue
        for thread in threads:
            queue += [(int(child), pid) for child in _read_text(f"{thread}/children").split()]


def _resident_bytes(pid: int) -> int:
    fields = _read_text(f"/proc/{pid}/statm").split()
    return int(fields[1]) * _PAGE_BYTES if len(fields) > 1 else 0


def _proportional_bytes(pid: int) -> int:
    for line in _read_text(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    # The kernel does not show the PSS of a process that has changed its rights.
    return _resident_bytes(pid)


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, ValueError):
        return ""
