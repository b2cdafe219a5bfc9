"""Make the environment of the peers' programs once, in the cache: `pip` with the versions of `requirements.lock`."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from deploy.local.fetch.cache import cache_directory

_LOCK = Path(__file__).with_name("requirements.lock")


def prepare_peers(console: Console) -> Path:
    """Return the directory with the programs of the environment (`python`, `celery`). Make it if it is not there.

    Raises:
        subprocess.CalledProcessError: pip could not install what the lock names.
    """
    digest = hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:8]
    there = cache_directory(os.environ) / f"bench-peers-{digest}"
    stamp = there / ".ok"
    if not stamp.exists():
        console.print("installing the peers of the benchmarks (once) ...", style="dim")
        shutil.rmtree(there, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(there)], check=True)
        install = [str(there / "bin/python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*install, "--no-deps", "--require-hashes", "-r", str(_LOCK)], check=True)
        stamp.touch()
    return there / "bin"
