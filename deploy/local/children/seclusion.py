"""Hide EWMS's files from users' tasks: run each task under an account of its own, which sees only the files it needs.

    secluded = choose_accounts(directory, …)    once a launch; None if the launcher is not root
    secluded.account_command(TMS, …)            a prefix: the command after it runs as that account

An ordinary user cannot give tasks other accounts. If an ordinary user launches, tasks run as that user, in a mount
namespace without EWMS's files (`CoveredDirectories`).
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import deploy
from deploy.local.children import accounts, unprivileged
from deploy.local.children.accounts import N_IDS, Accounts
from deploy.local.choices.launch_options import is_switched_on
from deploy.local.choices.prerequisites import find_tool
from deploy.local.errors import LaunchError
from deploy.local.files.secret_files import replace_secret

#: This variable set to `on` lets root run tasks as root.
AS_ROOT = "EWMS_TASKS_AS_ROOT"

_PACKAGES = ("schemas", "runtime", "tms", "pilot", "ewms", "deploy")


@dataclass(frozen=True, slots=True)
class SecludedAccounts:
    """The accounts of a launch, and the files that all of these accounts see."""

    accounts: Accounts
    #: The directory of the accounts' own `passwd` and `group`.
    etc: Path
    #: Paths that the accounts may read although a directory above is closed to other users.
    readable: tuple[Path, ...] = field(default=())

    def account_command(
        self,
        account: int,
        *,
        readable: Iterable[Path] = (),
        writable: Iterable[Path] = (),
    ) -> list[str]:
        """Return the command prefix that runs a command as `account`.

        The command can reach `readable` and `writable` at their paths even if a directory above is closed to other
        users.
        """
        paths = dict.fromkeys((*self.readable, *readable), False) | dict.fromkeys(writable, True)
        closed = {path: directory for path in paths if (directory := _find_closed_directory(path)) is not None}
        return _unprivileged_command(
            {
                "opens": False,
                "first_id": self.accounts.first_id,
                "n_ids": N_IDS,
                "id": account,
                "covered": sorted({str(directory) for directory in closed.values()}),
                # Mount an inner path after the outer one, so that it lies on top.
                "shown": [[str(path), paths[path]] for path in sorted(closed)],
                "laid_over": {"/etc": str(self.etc)},
            }
        )

    def give_tree(self, path: Path, account: int) -> None:
        """Make `account` the owner of `path` and of everything below it."""
        for one in (path, *path.rglob("*")):
            self.give_alone(one, account)

    def give_alone(self, path: Path, account: int) -> None:
        """Make `account` the owner of `path`, but not of its contents."""
        owner = self.accounts.machine_id(account)
        os.chown(path, owner, owner, follow_symlinks=False)


@dataclass(frozen=True, slots=True)
class CoveredDirectories:
    """Directories that are hidden from the tasks of an ordinary user, although the tasks run as this user.

    `readable` are the paths in these directories that every command may still read.
    """

    directories: tuple[Path, ...]
    readable: tuple[Path, ...] = ()

    def covering_command(self, *, readable: Iterable[Path] = (), writable: Iterable[Path] = ()) -> list[str]:
        """Return the prefix for a command that needs no new user namespace (it runs in one with a single id).

        Of the hidden directories, the command sees only `readable` and `writable`.
        """
        return self._shown_paths(readable, writable, opens=False)

    def job_command(self, *, writable: Iterable[Path] = (), files: Sequence[str] = ()) -> list[str]:
        """Return the command prefix with which an ordinary user runs one job.

        Of the hidden directories, the job sees only `writable`, the directory that it starts in, and the directories of
        the files that the environment variables `files` name. The job may write in all of these. The job can read the
        environment and the memory of its own processes only.
        """
        return self._shown_paths((), writable, opens=True, files=files)

    def _shown_paths(
        self, readable: Iterable[Path], writable: Iterable[Path], *, opens: bool, files: Sequence[str] = ()
    ) -> list[str]:
        paths = dict.fromkeys((*self.readable, *readable), False) | dict.fromkeys(writable, True)
        shown = [path for path in sorted(paths) if any(path.is_relative_to(one) for one in self.directories)]
        return _unprivileged_command(
            {
                "opens": opens,
                "files": list(files),
                "first_id": None,
                "id": [os.getuid(), os.getgid()],
                "covered": [str(one) for one in self.directories if not set(one.parents) & set(self.directories)],
                "shown": [[str(path), paths[path]] for path in shown],
                "laid_over": {},
            }
        )


def _unprivileged_command(plan: dict[str, Any]) -> list[str]:
    return [sys.executable, "-I", "-S", unprivileged.__file__, json.dumps(plan)]


def is_covering(command: Sequence[str], directory: Path) -> bool:
    """Return whether `command`, made by `CoveredDirectories.job_command`, can run a program in `directory` on this
    machine.
    """
    tried = subprocess.run(
        [*command, sys.executable, "-I", "-S", "-c", ""],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        cwd=directory,
    )
    return tried.returncode == 0


def has_accounts(environment: Mapping[str, str]) -> bool:
    """Return whether tasks get accounts of their own: root launches, and `AS_ROOT` is not switched on."""
    return os.getuid() == 0 and not is_switched_on(environment, AS_ROOT)


def choose_accounts(
    directory: Path, environment: Mapping[str, str], *, readable: Iterable[Path] = ()
) -> SecludedAccounts | None:
    """Return the tasks' accounts. Return None if tasks run under the launcher's account.

    `directory` keeps the ids of the accounts for later launches. The accounts may read the paths in `readable`.

    Raises:
        LaunchError: root launches and cannot give tasks accounts of their own; or `AS_ROOT` is on, and accounts of
            tasks own the data.
    """
    if not has_accounts(environment):
        if os.getuid() == 0 and (directory / "first_id").exists():
            raise LaunchError(
                f"accounts of tasks own the data in {directory.parent}, and {AS_ROOT} lets tasks be root",
                f"start without {AS_ROOT}; or with other data; or with FRESH=1 (--fresh), which deletes these data",
            )
        return None
    etc = directory / "etc"
    etc.mkdir(mode=0o755, exist_ok=True)
    etc.chmod(0o755)
    for name, text in (("passwd", accounts.passwd_text()), ("group", accounts.group_text())):
        (etc / name).write_text(text)
        (etc / name).chmod(0o644)
    secluded = SecludedAccounts(Accounts(_first_id(directory)), etc, (*_interpreter_paths(), *readable))
    _check_accounts(secluded)
    return secluded


def _first_id(files: Path) -> int:
    """Return the first id that the directory `files` keeps. If there is none, choose one and keep it."""
    known = files / "first_id"
    if known.exists():
        return int(known.read_text())
    usable = accounts.spans_of_map(Path("/proc/self/uid_map").read_text())
    taken = [
        *(span for name in ("passwd", "group") for span in accounts.spans_of_accounts(_read_text(f"/etc/{name}"))),
        *(span for name in ("subuid", "subgid") for span in accounts.spans_of_subordinates(_read_text(f"/etc/{name}"))),
    ]
    first_id = accounts.choose_first_id(usable, taken, secrets.choice)
    if first_id is None:
        raise _refusal_error(f"this machine has no free range of {N_IDS} ids")
    replace_secret(known, f"{first_id}\n".encode())
    return first_id


def _interpreter_paths() -> list[Path]:
    """Return the paths that a process of EWMS must be able to read: Python and EWMS's packages."""
    ours = Path(deploy.__file__).parents[1]
    packages = [ours / name for name in _PACKAGES if (ours / name).is_dir()]
    return list(dict.fromkeys(path for path in (Path(sys.base_prefix), Path(sys.prefix), *packages)))


def _check_accounts(secluded: SecludedAccounts) -> None:
    """Check that the account of a task can run Python and import the pilot.

    Raises:
        LaunchError: it cannot.
    """
    find_tool("setpriv")
    command = [*secluded.account_command(accounts.FIRST_SLOT), sys.executable, "-c", "import pilot.settings"]
    tried = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd="/")
    if tried.returncode:
        last = (tried.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise _refusal_error(f"that account cannot run a pilot ({last[:300]})")


def _refusal_error(why: str) -> LaunchError:
    return LaunchError(
        f"if root starts EWMS, it runs users' tasks under an unprivileged account, but {why}",
        f"start it as an ordinary user, or let tasks be root on this machine with {AS_ROOT}=on",
    )


def _find_closed_directory(path: Path) -> Path | None:
    """Return the topmost directory above `path` that other users cannot enter. Return None if there is none."""
    return next((one for one in reversed(path.parents) if not one.stat().st_mode & 0o001), None)


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
