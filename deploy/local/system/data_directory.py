"""The data directory: everything that stays after a launch, so that the next launch can continue.

    DATA/                   0700, of the launcher's user
      ewms-data.json        marks the directory as EWMS's, and describes it (`kept_facts.py`)
      lock                  the running launcher locks this file, and its text names the launcher
      secrets/              the passwords and keys of this system
      mongodb/ rabbitmq/ condor/    the servers' data: documents, queues with their events, the queue of jobs
      mongodb-2/ rabbitmq-2/ …      those of the other nodes, if the servers have several
      tms/condor/ local/    job logs, checkpoints and epoch; one directory for each kind of pool
      tms/second/           the same of the second access point, if there are two
      accounts/             the ids and names of tasks' accounts, if root launches
      examples/             what the examples' steps do: a network and a cloud, as files
      programs/             apptainer for pilots that are plain child processes

Sockets, logs and the settings that each start writes anew lie in the run directory (`run_directory.py`): the path of a
run directory is short, and the directory ends with the launch.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from deploy.local.choices.numbering import NODE_COUNTS, number_names
from deploy.local.errors import LaunchError
from deploy.local.files.lock_files import LOCK, name_this_launcher
from deploy.local.files.secret_files import replace_secret
from deploy.local.system.kept_facts import KeptFacts

MARKER = "ewms-data.json"
#: This file exists while a launcher empties the directory. A start that finds the file finishes that work.
_EMPTYING = "emptying"
_CONTENTS = (
    *number_names(["mongodb", "rabbitmq"], max(NODE_COUNTS)),
    "condor",
    "tms",
    "programs",
    "secrets",
    "accounts",
    "examples",
    "images",
    "builder",
    "builder-programs",
)

#: Characters that a server's configuration or a submit description would misread in a path.
_UNSAYABLE = re.compile(r"[\x00-\x1f\x7f\"'$,;#%\\]")
_ELSEWHERE = "name another with DATA=<directory>"
_LEAST_FREE_MB = 500
#: Allowed modes of the directory itself. With 0711, other accounts can reach files they own in it but list nothing.
_MODES = (0o700, 0o711)

#: Kinds of file system, as /proc/mounts calls them.
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "afs", "lustre", "ceph", "beegfs", "gpfs", "9p"})
_MEMORY = frozenset({"tmpfs", "ramfs"})


class DataDirectory:
    """A data directory that only this launcher uses. `claim_data_directory` and `throwaway_data` make these objects."""

    def __init__(self, root: Path, facts: KeptFacts, *, is_kept: bool) -> None:
        self.root = root
        self.facts = facts
        #: Whether it stays after the launch.
        self.is_kept = is_kept

    def make_place(self, *names: str) -> Path:
        """Make the sub-directory `names`, readable by its owner only, if it does not exist. Return its path."""
        path = self.root
        for name in names:
            path = path / name
            path.mkdir(mode=0o700, exist_ok=True)
        return path

    @property
    def secrets(self) -> Path:
        """The directory of passwords and keys."""
        return self.make_place("secrets")

    def save_facts(self, facts: KeptFacts) -> None:
        """Save `facts` for the next launch."""
        self.facts = facts
        replace_secret(self.root / MARKER, facts.to_bytes())


def default_directory(folder: Path, environment: Mapping[str, str]) -> Path:
    """Return the default data directory of a launch in `folder`. Each folder has another one.

    Raises:
        LaunchError: this user has no home directory.
    """
    state = environment.get("XDG_STATE_HOME", "")
    if not state.startswith("/"):
        # Source: XDG Base Directory Specification: ignore a relative path.
        home = environment.get("HOME", "")
        if not home.startswith("/"):
            raise LaunchError("HOME names no directory, so the data have no default place", _ELSEWHERE)
        state = f"{home}/.local/state"
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", folder.name) or "root"
    return Path(state, "ewms", f"{plain}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]}")


@contextlib.contextmanager
def claim_data_directory(root: Path, *, folder: Path) -> Iterator[DataDirectory]:
    """Lock the data directory `root` for this launcher during the block. Make `root` if it does not exist.

    `folder` is the directory where the user has started the launcher.

    Raises:
        LaunchError: `root` belongs to another program or user, other users can write into it, another launcher uses it,
            or this user cannot write there. Then nothing in `root` has changed.
    """
    root = Path(os.path.abspath(root.expanduser()))  # noqa: PTH100 - `resolve` follows the link that `_check_owner` refuses
    if _UNSAYABLE.search(str(root)):
        raise LaunchError(
            f"the path of the data directory {str(root)!r} has a character that servers misread",
            f"{_ELSEWHERE}; letters, digits, blanks and _ - . / are fine",
        )
    with contextlib.ExitStack() as claimed:
        try:
            data = claimed.enter_context(_claim_root(root, folder))
        except OSError as error:
            raise LaunchError(
                f"cannot use the data directory {root}: {error.filename or root}: {error.strerror}",
                f"correct that, or {_ELSEWHERE}",
            ) from error
        yield data


@contextlib.contextmanager
def _claim_root(root: Path, folder: Path) -> Iterator[DataDirectory]:
    root.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        root.mkdir(mode=0o700)
    _check_owner(root)
    _read_facts(root)
    with _lock_root(root, folder):
        # Look again: another launcher may have made it meanwhile.
        facts = _read_facts(root)
        if stat.S_IMODE(root.stat().st_mode) not in _MODES:
            root.chmod(_MODES[0])
        data = DataDirectory(root, facts or KeptFacts(folder=str(folder)), is_kept=True)
        if facts is None:
            data.save_facts(data.facts)
        if (root / _EMPTYING).exists():
            delete_data(data)
        yield data


def throwaway_data(root: Path) -> DataDirectory:
    """Return `root`, a new directory, as a data directory. EWMS keeps nothing in it for a later launch."""
    return DataDirectory(root, KeptFacts(), is_kept=False)


def delete_data(data: DataDirectory) -> None:
    """Delete the files that EWMS has put into the data directory, and its remembered ports and versions. Keep other
    files.
    """
    (data.root / _EMPTYING).touch(mode=0o600)
    for name in _CONTENTS:
        path = data.root / name
        if path.is_symlink():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)
    # New servers get new ports: a client with an old address or token must not reach them by chance.
    data.save_facts(replace(data.facts, pool=None, n_nodes=None, is_in_use=False, versions={}, ports={}))
    (data.root / _EMPTYING).unlink()


def check_disk(data: DataDirectory) -> list[str]:
    """Return sentences that warn the user about the disk of the data. Return an empty list if nothing is wrong.

    Raises:
        LaunchError: the disk has too little room.
    """
    free_mb = shutil.disk_usage(data.root).free // 1_000_000
    if free_mb < _LEAST_FREE_MB:
        raise LaunchError(
            f"the disk of {data.root} has {free_mb} MB left; EWMS needs {_LEAST_FREE_MB} MB to start",
            f"make room there, or {_ELSEWHERE}",
        )
    kind = file_system_kind(data.root, Path("/proc/mounts").read_text())
    if kind in _NETWORK:
        slow = "databases are slow there, and end when it hangs"
        return [f"{data.root} lies on a network file system ({kind}): {slow}; {_ELSEWHERE} on a disk of this machine"]
    if kind in _MEMORY:
        return [f"{data.root} lies in memory ({kind}) and does not outlive a reboot; {_ELSEWHERE} on a disk"]
    return []


def file_system_kind(path: Path, mounts: str) -> str:
    """Return the kind of the file system that holds `path`. Return "" if no file system in `mounts` does.

    `mounts` is the text of /proc/mounts.
    """
    found, kind = "", ""
    for line in mounts.splitlines():
        # A blank in a mount point appears as \040. Source: fstab(5).
        _, point, name, *_ = [*line.split(), "", "", ""]
        point = point.replace("\\040", " ")
        if point and path.is_relative_to(point) and len(point) >= len(found):
            found, kind = point, name
    return kind


def _check_owner(root: Path) -> None:
    found = root.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise LaunchError(f"the data directory {root} is a symbolic link", "name the directory that it leads to")
    if not stat.S_ISDIR(found.st_mode):
        raise LaunchError(f"the data directory {root} is not a directory", _ELSEWHERE)
    if found.st_uid != os.getuid():
        raise LaunchError(
            f"the data directory {root} belongs to user id {found.st_uid}, and you are {os.getuid()}", _ELSEWHERE
        )
    if found.st_mode & 0o022:
        raise LaunchError(
            f"other users may write into the data directory {root}, so EWMS does not trust its contents",
            f"check that nobody changed it, then run `chmod go-rwx {root}`; or {_ELSEWHERE}",
        )


def _read_facts(root: Path) -> KeptFacts | None:
    """Return the facts stored in the directory `root`. Return None if `root` is empty.

    Raises:
        LaunchError: `root` has files of another program, or its facts cannot be read.
    """
    marker = root / MARKER
    try:
        return KeptFacts.from_bytes(marker.read_bytes())
    except FileNotFoundError:
        others = sorted({entry.name for entry in root.iterdir()} - {LOCK})
        if others:
            raise LaunchError(
                f"{root} holds a file that is not EWMS's ({others[0]}), so EWMS does not use it for data",
                "name an empty directory, or one that does not exist yet, with DATA=<directory>",
            ) from None
        return None
    except ValueError as error:
        raise LaunchError(
            f"cannot read the data directory {root}: {MARKER}: {error}; nothing in it changed", _ELSEWHERE
        ) from error


@contextlib.contextmanager
def _lock_root(root: Path, folder: Path) -> Iterator[None]:
    lock = os.open(root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 1000).decode(errors="replace").strip() or "another launcher"
            raise LaunchError(
                f"the data in {root} are in use by {holder}",
                f"use that system, or end it: Ctrl-C in its terminal, or `make down DATA={root}`; "
                f"to run a second one, {_ELSEWHERE}",
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, os.fsencode(name_this_launcher(folder) + "\n"))
        yield
    finally:
        os.close(lock)
