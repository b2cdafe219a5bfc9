"""Find and kill processes with all their descendants, by reading /proc."""

import os
import signal
from contextlib import suppress

#: Processes may fork during the kill. So the pilot looks for descendants again, at most this many times.
_MAX_WALKS = 20


def kill_tree(pid: int) -> None:
    """Send SIGKILL to the process `pid`, to the process group that it leads, and to all its descendants."""
    for _ in range(_MAX_WALKS):
        descendants = _find_descendants(pid)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        for victim in (pid, *descendants):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(victim, signal.SIGKILL)
        if not descendants:
            return


def _find_descendants(pid: int) -> list[int]:
    """Return the pids of the living descendants of `pid`. This reads all processes once."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (status := read_status(int(name))) is not None and status[0] not in "ZX":
            children.setdefault(int(status[1]), []).append(int(name))
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def read_status(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat after the process's name: state, ppid, pgrp, session, ...

    Return None if there is no such process.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2].decode().split()
    except OSError:
        return None


def read_session(pid: int) -> int:
    """Return the session id of the process `pid`. Return 0 if there is no such process."""
    status = read_status(pid)
    return int(status[3]) if status else 0


def reap_child(pid: int) -> bool:
    """Take the exit status of the child `pid` if it has ended. Return False if the child still runs, else True."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
