"""`ewms down`: end the launcher that runs in this folder, or on a data directory, and wait until it has ended.

A pid in a file proves nothing: the launcher may have ended long ago, and another process may have its pid. So this
module sends a signal only to a process of the same user that has the lock file open.
"""

import contextlib
import fcntl
import os
import select
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from deploy.local.errors import LaunchError
from deploy.local.files.lock_files import LOCK, LockHolder
from deploy.local.system.endpoints import ENDPOINTS

#: How many seconds to wait for the end. Each process of a system finishes its work first.
END_WITHIN_S = 300.0


def down(data: Path | None = None, *, within_s: float = END_WITHIN_S) -> int:
    """End the launcher that uses the directory `data`. If `data` is None, end the launcher of this folder.

    Return the exit status: 0 when it has ended, or 1 after a printed error. Wait at most `within_s` seconds.
    """
    console = Console(stderr=True)
    try:
        folder = end_launcher((data.expanduser() if data else ENDPOINTS.parent) / LOCK, within_s=within_s)
    except LaunchError as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    console.print(
        f"stopped the system that was started in {folder}. Its data stay.", style="dim", markup=False, soft_wrap=True
    )
    return 0


def end_launcher(lock: Path, *, within_s: float) -> str:
    """Ask the launcher that holds the file `lock` to end, and wait for its end. Return the folder in which it was
    started.

    Raises:
        LaunchError: no launcher holds `lock`, the launcher belongs to another user or runs on another machine, or it
            does not end in time.
    """
    place = lock.parent.absolute()
    holder = _read_holder(lock, place)
    if holder.machine != socket.gethostname():
        raise LaunchError(f"the system of {place} runs as {holder.to_text()}", f"type this on {holder.machine}")
    with _open_process(holder.pid, place) as process:
        # From here on `process` means this one process, even if it ends and another gets its pid.
        if not _has_open(holder.pid, lock):
            if _has_ended(process, within_s=0):
                raise _just_ended(place)
            raise LaunchError(
                f"{lock} names process {holder.pid}, and that process does not hold it",
                "find the launcher (`pgrep -u $USER -f deploy.local`), and end it with SIGTERM",
            )
        try:
            signal.pidfd_send_signal(process, signal.SIGTERM)
        except ProcessLookupError:
            raise _just_ended(place) from None
        has_ended = _has_ended(process, within_s=within_s)
    if not has_ended:
        raise LaunchError(
            f"process {holder.pid} still ends after {within_s:.0f} s", "wait, or look at what it says in its terminal"
        )
    return holder.folder


def _read_holder(lock: Path, place: Path) -> LockHolder:
    """Return the launcher that holds the file `lock`.

    Raises:
        LaunchError: no launcher holds the file, this user cannot read it, or its text names no launcher.
    """
    nothing = LaunchError(
        f"no EWMS runs on {place}", "run this in the folder of `make up`, or name its data: make down DATA=<directory>"
    )
    try:
        with lock.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = LockHolder.from_text(file.read(5000))
            else:
                raise nothing
    except (FileNotFoundError, NotADirectoryError):
        raise nothing from None
    except PermissionError as error:
        raise LaunchError(f"cannot read {lock} ({error.strerror})", "only the user who started it can end it") from None
    if holder is None:
        raise LaunchError(
            f"a launcher of another version holds {lock}, and does not name itself",
            "end it with Ctrl-C in its terminal, or name its data: make down DATA=<directory>",
        )
    return holder


@contextlib.contextmanager
def _open_process(pid: int, place: Path) -> Iterator[int]:
    """Open a pidfd of the process `pid` for the block, and yield it.

    Raises:
        LaunchError: the process has ended, or belongs to another user.
    """
    with contextlib.ExitStack() as opened:
        try:
            process = os.pidfd_open(pid)
            opened.callback(os.close, process)
            owner = Path("/proc", str(pid)).stat().st_uid
        except (ProcessLookupError, FileNotFoundError):
            raise _just_ended(place) from None
        if owner != os.getuid():
            raise LaunchError(
                f"the system of {place} belongs to user id {owner}, and you are {os.getuid()}",
                "only the user who started it can end it",
            )
        yield process


def _just_ended(place: Path) -> LaunchError:
    return LaunchError(f"the system of {place} has just ended", "nothing is left to do")


def _has_ended(process: int, *, within_s: float) -> bool:
    """Wait until the process of the pidfd `process` ends, but at most `within_s`. Return whether it has ended."""
    ended, _, _ = select.select([process], [], [], within_s)
    return bool(ended)


def _has_open(pid: int, file: Path) -> bool:
    """Return whether process `pid` has `file` open. Return False if the process has ended."""
    wanted = file.stat()
    try:
        descriptors = list(Path("/proc", str(pid), "fd").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return False
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            if os.path.samestat(descriptor.stat(), wanted):
                return True
    return False
