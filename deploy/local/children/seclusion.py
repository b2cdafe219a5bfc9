"""Run what handles users' tasks as accounts that own nothing of ours, and that see nothing of ours but what they need.

    secluded = choose_accounts(run)            once a launch; None where the launcher is no root
    secluded.command(TMS, shown=…)    put before a command: it runs as that account

An ordinary user has no such accounts to give: there tasks run as that user, in a view that leaves out what is ours
(`CoveredDirectories`).
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
from deploy.local.errors import LaunchError
from deploy.local.launch_options import is_switched_on
from deploy.local.prerequisites import find_tool
from deploy.local.secret_files import replace_secret

#: Lets root run tasks as root all the same.
AS_ROOT = "EWMS_TASKS_AS_ROOT"

_PACKAGES = ("schemas", "runtime", "tms", "pilot", "ewms", "deploy")


@dataclass(frozen=True, slots=True)
class SecludedAccounts:
    """The accounts of a launch, and the files that all of them see."""

    accounts: Accounts
    #: Holds the accounts' own `passwd` and `group`.
    etc: Path
    #: What they may read, where the way to it is closed to others.
    readable: tuple[Path, ...] = field(default=())

    def account_command(
        self,
        account: int,
        *,
        readable: Iterable[Path] = (),
        writable: Iterable[Path] = (),
    ) -> list[str]:
        """Return the words that, put before a command, run it as `account`.

        It finds `readable` and `writable` at their paths even where the way to them is closed to others.
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
                # What lies in another comes later, and over it.
                "shown": [[str(path), paths[path]] for path in sorted(closed)],
                "laid_over": {"/etc": str(self.etc)},
            }
        )

    def give_tree(self, path: Path, account: int) -> None:
        """Make `path`, and all in it, the property of `account`."""
        for one in (path, *path.rglob("*")):
            self.give_alone(one, account)

    def give_alone(self, path: Path, account: int) -> None:
        """Make `path` the property of `account`, but not what is in it."""
        owner = self.accounts.machine_id(account)
        os.chown(path, owner, owner, follow_symlinks=False)


@dataclass(frozen=True, slots=True)
class CoveredDirectories:
    """The files hidden from an ordinary user's tasks: they run as the user who owns the launch's files."""

    directories: tuple[Path, ...]
    readable: tuple[Path, ...] = ()

    def covering_command(self, *, readable: Iterable[Path] = (), writable: Iterable[Path] = ()) -> list[str]:
        """Return the words that, before a command in a namespace of one id, show it of the directories only this."""
        return self._shown_paths(readable, writable, opens=False)

    def job_command(self, *, writable: Iterable[Path] = (), files: Sequence[str] = ()) -> list[str]:
        """Return the words that an ordinary user puts before the command of one job.

        They show it of the directories only this and, to be written, the directory in which it is started and those of
        the files that the variables `files` name. It sees no environment and no memory of a process that is not of the
        job.
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
    """Say whether `command`, of `CoveredDirectories.job_command`, runs a program in `directory` on this machine."""
    tried = subprocess.run(
        [*command, sys.executable, "-I", "-S", "-c", ""],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        cwd=directory,
    )
    return tried.returncode == 0


def has_accounts(environment: Mapping[str, str]) -> bool:
    """Return whether tasks get accounts of their own: they do if root launches, unless root wants them to be root."""
    return os.getuid() == 0 and not is_switched_on(environment, AS_ROOT)


def choose_accounts(
    directory: Path, environment: Mapping[str, str], *, readable: Iterable[Path] = ()
) -> SecludedAccounts | None:
    """Return the accounts for what is kept in `directory`; `None`: the launcher's own account, which is no root.

    Raises:
        LaunchError: the launcher is root and cannot give tasks an account of their own.
    """
    if not has_accounts(environment):
        if os.getuid() == 0 and (directory / "first_id").exists():
            raise LaunchError(
                f"what is kept in {directory.parent} belongs to accounts of tasks, and {AS_ROOT} lets tasks be root",
                f"start without {AS_ROOT}; or with other data, or with FRESH=1 (--fresh), which deletes these",
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
    """Return the first id: the owner of the kept files, or a new one."""
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
        raise _refusal_error(f"this machine has no {N_IDS} ids that are nobody's")
    replace_secret(known, f"{first_id}\n".encode())
    return first_id


def _interpreter_paths() -> list[Path]:
    """Return what a process of EWMS must be able to read."""
    ours = Path(deploy.__file__).parents[1]
    packages = [ours / name for name in _PACKAGES if (ours / name).is_dir()]
    return list(dict.fromkeys(path for path in (Path(sys.base_prefix), Path(sys.prefix), *packages)))


def _check_accounts(secluded: SecludedAccounts) -> None:
    """Raise unless a task's account can run a pilot here."""
    find_tool("setpriv")
    command = [*secluded.account_command(accounts.FIRST_SLOT), sys.executable, "-c", "import pilot.settings"]
    tried = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd="/")
    if tried.returncode:
        last = (tried.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise _refusal_error(f"that account cannot run a pilot ({last[:300]})")


def _refusal_error(why: str) -> LaunchError:
    return LaunchError(
        f"as root EWMS runs users' tasks as an unprivileged account, and {why}",
        f"start it as an ordinary user, or let tasks be root on this machine with {AS_ROOT}=on",
    )


def _find_closed_directory(path: Path) -> Path | None:
    """Return the first directory on the way to `path` that others may not pass."""
    return next((one for one in reversed(path.parents) if not one.stat().st_mode & 0o001), None)


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
