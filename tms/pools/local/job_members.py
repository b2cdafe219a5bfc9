"""Find and kill all processes of one job of the local pool, also those that left the pilot's session."""

import asyncio
import os
import signal
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path

from schemas.pilot.job_names import LOCAL_JOB

#: How many processes TMS waits for at a time; each takes a file descriptor. TMS kills the others without waiting.
_MAX_AWAITED = 16
#: After this long TMS looks for further processes, even if a killed one is still there. A process that the kernel holds
#: (on a network disk that does not answer) ends only when the kernel lets it go.
_LOOK_AGAIN_S = 1.0


async def kill_members(leader: int, name: str, account: int | None) -> None:
    """Kill the processes of the job `name` by SIGKILL, until no process of the job is alive.

    These processes belong to the job: those that run under its `account`, those in the session of the pilot `leader`,
    those with the job's name in their environment, and the descendants of all these. If `account` is None, the first
    rule does not apply.
    """
    while members := await asyncio.to_thread(find_members, leader, name, account):
        with ExitStack() as opened:
            # Open first, then kill: a number that is free after the kill may soon name another process.
            pidfds = [fd for pid in islice(members, _MAX_AWAITED) if (fd := _open_pidfd(pid, opened)) is not None]
            for pid in members:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await await_ends(pidfds, timeout_s=_LOOK_AGAIN_S)


async def await_ends(pidfds: Iterable[int], *, timeout_s: float) -> None:
    """Wait until the processes of all `pidfds` have ended, but at most `timeout_s` seconds.

    A pidfd becomes readable when its process ends. The process need not be a child of TMS, and its exit status need not
    have been collected.
    """
    loop = asyncio.get_running_loop()
    running = set(pidfds)
    all_ended = asyncio.Event()

    def note_end(pidfd: int) -> None:
        loop.remove_reader(pidfd)
        running.discard(pidfd)
        if not running:
            all_ended.set()

    if not running:
        return
    try:
        for pidfd in running:
            loop.add_reader(pidfd, note_end, pidfd)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await all_ended.wait()
    finally:
        for pidfd in running:
            loop.remove_reader(pidfd)


def _open_pidfd(pid: int, opened: ExitStack) -> int | None:
    """Open a pidfd of the process, and return it. `opened` closes the pidfd.

    Return None if the process has ended, or if no descriptor is free.
    """
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return None
    opened.callback(os.close, pidfd)
    return pidfd


def find_members(leader: int, name: str, account: int | None) -> set[int]:
    """Return the ids of the living processes of the job `name`. `kill_members` says which processes belong to a job.

    `leader` is the process id of the job's pilot. `account` is the user id that only this job has, or None.
    """
    parents: dict[int, int] = {}
    members: set[int] = set()
    mark = f"{LOCAL_JOB}={name}".encode()
    for pid in _list_pids():
        try:
            # The command's name stands in brackets and may contain anything, so split after the last bracket.
            state, ppid, _, session = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:4]
            if state in "ZX":
                continue
            parents[pid] = int(ppid)
            # No other job has this account while this one runs.
            has_account = account is not None and Path(f"/proc/{pid}").stat().st_uid == account
            has_mark = mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if has_account or has_mark or int(session) == leader:
                members.add(pid)
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
    return members | _find_descendants(parents, members | {leader}) - {os.getpid()}


def _find_descendants(parents: Mapping[int, int], ancestors: Iterable[int]) -> set[int]:
    found: set[int] = set()
    newest = set(ancestors)
    while newest:
        newest = {pid for pid, parent in parents.items() if parent in newest} - found
        found |= newest
    return found


def _list_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
