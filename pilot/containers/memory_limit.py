"""Is a worker over its memory, and which of its containers has to go? (core)

`worker_memory` is what one worker may use: the pilot, and all that it has started. The kernel, or HTCondor, would end
whatever is largest, or the whole worker with all events that it has in hand. So the pilot looks first, and ends the
container that uses the most.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the worker: who started it, and what it uses."""

    parent: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Excess:
    """A worker that used `n_bytes`, more than its limit, and the process of the container that has to go."""

    pid: int
    n_bytes: int


def find_excess(processes: Mapping[int, Process], containers: Collection[int], limit_bytes: int) -> Excess | None:
    """Return what is over `limit_bytes`; None: nothing is, or no container runs that could go.

    `containers` are the processes that the pilot has started; what these have started counts to them.
    """
    n_bytes = sum(process.n_bytes for process in processes.values())
    used = dict.fromkeys(containers, 0)
    if n_bytes <= limit_bytes or not used:
        return None
    for pid, process in processes.items():
        if (container := _container_of(pid, processes, used)) is not None:
            used[container] += process.n_bytes
    largest = max(used, key=lambda pid: used[pid])
    # A pilot that is too large by itself gets no smaller by the end of a container that uses nothing.
    return Excess(largest, n_bytes) if used[largest] else None


def _container_of(pid: int, processes: Mapping[int, Process], containers: Mapping[int, int]) -> int | None:
    seen: set[int] = set()
    while pid not in containers:
        # Read one after the other, processes may have changed their parents meanwhile.
        if pid in seen or pid not in processes:
            return None
        seen.add(pid)
        pid = processes[pid].parent
    return pid
