"""Run a program as an account that owns nothing here: `nobody` where the tests run as root, else the tests' own."""

import os
import pwd
import shlex
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def run_as_nobody(
    command: Sequence[str], *, home: Path, stage: Path, needed: Iterable[Path], environment: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run `command` in `home`, which it may write; as root, without any privilege, and able to read what is `needed`.

    `stage` is an empty directory that only root needs.
    """
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        user = [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", "--bounding-set=-all"]
        inner = shlex.join(["setpriv", *user, "--no-new-privs", *command])
        opened = _opened(dict.fromkeys(needed), stage)
        command = ["unshare", "--mount", "sh", "-c", f"{opened}\nexec {inner}"]
    return subprocess.run(
        command, cwd=home, env=dict(environment), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def _closed_to_others(path: Path) -> Path | None:
    """Return the first directory on the way to `path` that only its owner may pass."""
    return next((folder for folder in reversed(path.parents) if not folder.stat().st_mode & 0o001), None)


def _opened(paths: Iterable[Path], stage: Path) -> str:
    """Return a shell script that opens the way to `paths` in a mount namespace of its own, as root's home is closed.

    A closed directory is covered by an empty one that holds nothing but the way to those of `paths` below it.
    """
    lines = ["set -e"]
    covers: dict[Path, Path] = {}
    for path in paths:
        closed = _closed_to_others(path)
        if closed is None:
            continue
        if closed not in covers:
            covers[closed] = stage / str(len(covers))
            covers[closed].mkdir()
            lines += [f"mount --bind {closed} {covers[closed]}", f"mount -t tmpfs -o mode=755 tmpfs {closed}"]
        lines += [f"mkdir -p {path}", f"mount --bind {covers[closed] / path.relative_to(closed)} {path}"]
    return "\n".join(lines)
