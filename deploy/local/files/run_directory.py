"""Run directories: each launch has its own. The directory is removed at the end of the launch, or by a later launch.

    $TMPDIR/ewms-xxxxxxxx/
      .lock                                       its launcher locks this file; the kernel unlocks it
      logs/mongod.log rabbitmq.log condor/ …      stay if the launch failed, and nothing else does
      rabbitmq/ condor/ …                         the servers' settings and sockets
      data/                                       the data of a launch that keeps none (`data_directory.py`)

A killed launcher cannot clean up. So each launch first removes the directories that killed launchers left.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_PREFIX = "ewms-"
# A directory with this prefix is not ready: only its own launcher looks into it.
_UNFINISHED = ".ewms-new-"
_LOCK = ".lock"
# The logs of a failed launch stay for three days, and an unfinished directory without a lock for an hour.
_KEPT_S = 3 * 86_400
_UNFINISHED_S = 3_600

# HTCondor's daemons have sockets below the run directory, and a socket's path has at most 108 bytes.
_LONGEST_BASE = 40
_SHORT_BASE = Path("/tmp")  # noqa: S108 - mkdtemp makes a private directory in it


@contextlib.contextmanager
def run_directory(*, base: Path | None = None, keep_logs: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """Make a new run directory with a short path, below `base` or that of temporary files. Remove it at the end of the
    block.

    The logs in it stay if the block fails, or if `keep_logs()` then returns True.
    """
    base = base or _base_directory()
    sweep_directories(base, now=time.time())
    run, lock = _make_locked(base)
    (run / "logs").mkdir(mode=0o700)
    try:
        yield run
    except Exception:
        _leave_logs(run)
        raise
    except BaseException:
        # After Ctrl-C there is no failure to look into, so remove the logs too.
        shutil.rmtree(run, ignore_errors=True)
        raise
    else:
        if keep_logs():
            _leave_logs(run)
        else:
            shutil.rmtree(run, ignore_errors=True)
    finally:
        os.close(lock)


def make_empty(directory: Path) -> Path:
    """Make `directory`, or empty it if it exists, so that a start finds no files of an earlier try. Return
    `directory`.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    return directory


def sweep_directories(base: Path, *, now: float) -> None:
    """Remove this user's run directories below `base` that no launcher uses any more.

    A directory with only the logs of a failed launch stays for three days. A directory whose launcher has not finished
    making it stays for an hour. `now` is in seconds since 1970.
    """
    for directory in (*base.glob(f"{_PREFIX}*"), *base.glob(f"{_UNFINISHED}*")):
        with contextlib.suppress(OSError):
            if directory.is_symlink() or directory.stat().st_uid != os.getuid():
                continue
            age_s = now - directory.stat().st_mtime
            if directory.name.startswith(_UNFINISHED):
                if age_s > _UNFINISHED_S:
                    shutil.rmtree(directory, ignore_errors=True)
            elif _is_abandoned(directory) and (not _holds_only_logs(directory) or age_s > _KEPT_S):
                shutil.rmtree(directory, ignore_errors=True)


def _base_directory() -> Path:
    base = Path(tempfile.gettempdir())
    return base if len(str(base)) < _LONGEST_BASE else _SHORT_BASE


def _make_locked(base: Path) -> tuple[Path, int]:
    """Make a run directory and lock it. Return its path, and the descriptor of the lock.

    The directory gets its final name after it is locked, so that no other launch removes it in between.
    """
    unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=base))
    lock = os.open(unfinished / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return unfinished.rename(base / f"{_PREFIX}{unfinished.name.removeprefix(_UNFINISHED)}"), lock


def _is_abandoned(directory: Path) -> bool:
    # A directory without a lock file raises here, so the sweep leaves it alone: it is not EWMS's.
    with (directory / _LOCK).open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _holds_only_logs(directory: Path) -> bool:
    return {entry.name for entry in directory.iterdir()} <= {_LOCK, "logs"}


def _leave_logs(run: Path) -> None:
    if not any((run / "logs").iterdir()):
        # The launch failed before it started anything.
        shutil.rmtree(run, ignore_errors=True)
        return
    for entry in run.iterdir():
        if entry.name not in {_LOCK, "logs"}:
            shutil.rmtree(entry, ignore_errors=True)
