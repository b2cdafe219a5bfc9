"""Run one command so that none of its processes outlives the launcher: `python keeper.py LAUNCHER_PID COMMAND…`.

A pid namespace does this better. But some machines let no process open one, and container engines do not run in every
namespace. The keeper adopts every process that the command leaves behind, also a process with its own session. When the
command ends, or the launcher ends (the kernel then sends SIGTERM to the keeper), the keeper kills these processes and
ends.

The launcher starts this file by its path. The file imports nothing of EWMS and no site-packages, so it starts in 15 ms.
"""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

# Source: linux/prctl.h.
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_NOT_FOUND = 127


def main(launcher: int, command: list[str]) -> int:
    """Run `command`, then kill all processes that it has left. Return its exit status, or 128 + n if signal n ended it.

    If the process `launcher` ends first, or a SIGTERM comes, kill the command, too, and return 128 + SIGTERM.
    """
    _call_prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _call_prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    awaited = {signal.SIGCHLD, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    if os.getppid() != launcher:
        # The launcher died before we asked the kernel for a signal at its end.
        return 128 + signal.SIGTERM
    child = os.fork()
    if child == 0:
        _run_command(command, awaited)
    status = None
    while status is None:
        if signal.sigwait(awaited) == signal.SIGTERM:
            _end_all()
            return 128 + signal.SIGTERM
        status = _reap_children().get(child)
    _end_all()
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _run_command(command: list[str], awaited: Iterable[signal.Signals]) -> None:
    keeper = os.getppid()
    _call_prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, awaited)
    try:
        if os.getppid() == keeper:
            os.execvp(command[0], command)  # noqa: S606 - the launcher's own argv, never a shell
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    os._exit(_NOT_FOUND)


def _reap_children() -> dict[int, int]:
    """Collect the exit statuses of the children that have ended, adopted children too. Return pid -> wait status."""
    statuses: dict[int, int] = {}
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            statuses[ended[0]] = ended[1]
    return statuses


def _end_all() -> None:
    """Kill all descendants of this process, until none is left. A later loop finds the orphans that an earlier one
    missed.
    """
    while descendants := _find_descendants(os.getpid()):
        for pid in descendants:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, 0)
        _reap_children()


def _find_descendants(ancestor: int) -> set[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The name of the command, in brackets, may contain anything.
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1])
    found: set[int] = set()
    newest = {ancestor}
    while newest:
        newest = {pid for pid, parent in parents.items() if parent in newest} - found
        found |= newest
    return found


def _call_prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
