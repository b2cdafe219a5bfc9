"""Decide whether a worker uses too much memory, and which of its containers must end. (core)

`worker_memory` limits what one worker may use: the pilot and all processes that it has started. Above the limit, the
kernel or HTCondor would end the largest process, or the whole worker with all its events. So the pilot checks first,
and ends the container that uses the most memory.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """A process of the worker: its parent's pid, and the memory that it uses."""

    parent: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class MemoryExcess:
    """A worker uses `n_bytes`, more than its limit. `pid` is the first process of the container that must end."""

    pid: int
    n_bytes: int


def find_excess(
    processes: Mapping[int, ProcessMemory], containers: Collection[int], limit_bytes: int
) -> MemoryExcess | None:
    """Return the excess over `limit_bytes`. Return None if there is no excess, or if no container uses memory.

    `processes` maps pids to processes. `containers` are the pids that the pilot has started; each counts with all its
    descendants.
    """
    n_bytes = sum(process.n_bytes for process in processes.values())
    used = dict.fromkeys(containers, 0)
    if n_bytes <= limit_bytes or not used:
        return None
    for pid, process in processes.items():
        if (container := _container_of(pid, processes, used)) is not None:
            used[container] += process.n_bytes
    largest = max(used, key=lambda pid: used[pid])
    # If the pilot itself is too large, it does not help to end a container that uses nothing.
    return MemoryExcess(largest, n_bytes) if used[largest] else None


def _container_of(pid: int, processes: Mapping[int, ProcessMemory], containers: Mapping[int, int]) -> int | None:
    seen: set[int] = set()
    while pid not in containers:
        # The processes were read one after the other: some may have changed their parents meanwhile.
        if pid in seen or pid not in processes:
            return None
        seen.add(pid)
        pid = processes[pid].parent
    return pid
