"""Nothing needs root: the servers, a job of the pool and a container as a user without any privilege."""

import os
import pwd
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from deploy.local.cache import Installed

_CHECKOUT = Path(__file__).parents[3]
_SCRIPT = Path(__file__).with_name("ordinary_user.py")


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


def test_everything_runs_for_a_user_without_any_privilege(installed: Installed) -> None:
    with tempfile.TemporaryDirectory(prefix="u") as directory:
        home = Path(directory, "home")
        home.mkdir()
        environment = {
            **os.environ,
            "HOME": str(home),
            "TMPDIR": str(home),
            "XDG_CACHE_HOME": str(installed.mongod.parents[3]),
            "PYTHONPATH": str(_CHECKOUT),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        environment.pop("CONDOR_CONFIG", None)
        command = [sys.executable, str(_SCRIPT)]
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(home, nobody.pw_uid, nobody.pw_gid)
            Path(directory).chmod(0o755)
            stage = Path(directory, "stage")
            stage.mkdir(mode=0o700)
            needed = (installed.mongod.parents[2], _CHECKOUT, Path(sys.base_prefix))
            user = [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", "--bounding-set=-all"]
            inner = shlex.join(["setpriv", *user, "--no-new-privs", *command])
            command = ["unshare", "--mount", "sh", "-c", f"{_opened(dict.fromkeys(needed), stage)}\nexec {inner}"]
        outcome = subprocess.run(
            command, cwd=home, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout == "all is well\n"
