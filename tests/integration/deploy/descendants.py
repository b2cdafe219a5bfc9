"""The processes below one, told apart from later ones that get the same pid."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from tests.waiting import holds_within, wait_until


class Process(NamedTuple):
    """A process by pid and start, which no other process of this boot has."""

    pid: int
    started: str
    parent: int
    command: str


def below(pid: int) -> set[Process]:
    """Return all descendants of `pid` as they are now."""
    everybody = [process for entry in Path("/proc").glob("[0-9]*") if (process := _read(entry)) is not None]
    found: set[Process] = set()
    parents = {pid}
    while parents:
        children = {process for process in everybody if process.parent in parents} - found
        found |= children
        parents = {process.pid for process in children}
    return found


def gather_below(pid: int, until: Callable[[Process], bool], errors: Path) -> set[Process]:
    """Return all descendants of `pid` that were seen until one of them was as `until` wants; `errors` is its log."""
    seen: set[Process] = set()

    def is_there() -> bool:
        seen.update(below(pid))
        return any(map(until, seen))

    wait_until(is_there, within_s=300, show=errors.read_text)
    return seen


def survivors(processes: Iterable[Process], *, within_s: float = 60) -> set[Process]:
    """Wait until none of `processes` is left; return those that still are after `within_s`."""
    left = set(processes)

    def are_gone() -> bool:
        left.intersection_update([process for process in left if _is_alive(process)])
        return not left

    holds_within(are_gone, within_s)
    return left


def _read(entry: Path) -> Process | None:
    try:
        name, _, rest = (entry / "stat").read_text().rpartition(")")
        command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (OSError, ValueError):
        return None
    # Source: proc_pid_stat(5): after the name come state, parent, ..., and the start time as field 22.
    fields = rest.split()
    if fields[0] in {"Z", "X"}:
        return None
    return Process(int(entry.name), fields[19], int(fields[1]), command or name)


def _is_alive(process: Process) -> bool:
    now = _read(Path("/proc") / str(process.pid))
    return now is not None and now.started == process.started
