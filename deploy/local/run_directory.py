"""Run directories: one a launch, its own while it lives, and gone when nobody wants it any more.

$TMPDIR/ewms-xxxxxxxx/
  .lock                                       locked by the launcher that it belongs to; the kernel unlocks it
  logs/mongod.log rabbitmq.log condor/ …      all that is kept when the launch failed
  rabbitmq/ condor/ …                         the servers' settings and sockets
  data/                                       the data of a launch that keeps none (`data_directory.py`)

A launcher that was killed cannot clean up behind itself, so each launch begins by removing what such ones left.
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
# Its bearer is still being made: nobody else looks into it.
_UNFINISHED = ".ewms-new-"
_LOCK = ".lock"
# Kept logs of failed launches stay this long; so may a directory whose launcher was killed before it could lock it.
_KEPT_S = 3 * 86_400
_UNFINISHED_S = 3_600

# HTCondor's daemons meet at sockets below the run directory, whose paths may have 108 bytes.
_LONGEST_BASE = 40
_SHORT_BASE = Path("/tmp")  # noqa: S108 - mkdtemp makes a private directory in it


@contextlib.contextmanager
def run_directory(*, keep_logs: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """Make a fresh run directory with a short path for the block.

    Removed at the end, except for its logs when the block fails or `keep_logs()` says so then.
    """
    base = _base_directory()
    sweep_directories(base, now=time.time())
    run, lock = _make_locked(base)
    (run / "logs").mkdir(mode=0o700)
    try:
        yield run
    except Exception:
        _leave_logs(run)
        raise
    except BaseException:
        # Whoever presses Ctrl-C has no failure to look into.
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
    """Make `directory` empty, and return it: a start must not meet the traces of an earlier try."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    return directory


def sweep_directories(base: Path, *, now: float) -> None:
    """Remove the run directories of this user below `base` that no launcher holds: old logs, and all else at once.

    `now` is in seconds since the epoch.
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
    """Make a directory and lock it; it gets its final name when it is locked, so that no sweep can take it before."""
    unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=base))
    lock = os.open(unfinished / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return unfinished.rename(base / f"{_PREFIX}{unfinished.name.removeprefix(_UNFINISHED)}"), lock


def _is_abandoned(directory: Path) -> bool:
    # A directory without a lock file is nobody's we know of, and is left alone.
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
        # It failed before anything was started.
        shutil.rmtree(run, ignore_errors=True)
        return
    for entry in run.iterdir():
        if entry.name not in {_LOCK, "logs"}:
            shutil.rmtree(entry, ignore_errors=True)
