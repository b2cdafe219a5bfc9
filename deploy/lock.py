"""Write requirements.lock from pyproject.toml, or check that it still answers it: `python -m deploy.lock [--check]`.

The lock holds a hash of every file and names no index host, so that it installs from any mirror.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
HEAD = "# Written by `make lock` from pyproject.toml: every dependency of every extra, with hashes.\n"


def resolve_lock(start_from: Path) -> str:
    """Return the text of a lock for pyproject.toml; versions already in `start_from` are kept where they still fit.

    Raises:
        subprocess.CalledProcessError: no set of versions answers pyproject.toml, or no index can be reached.
    """
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "requirements.lock"
        if start_from.exists():
            out.write_text(start_from.read_text())
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
        command += ["--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate", "--all-extras"]
        subprocess.run([*command, "pyproject.toml", "--output-file", str(out)], cwd=ROOT, check=True)
        return HEAD + out.read_text()


def main() -> int:
    """Write the lock, or with `--check` say by the exit status whether it is still true."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if the lock is not up to date")
    check: bool = parser.parse_args().check
    locked = LOCK.read_text() if LOCK.exists() else ""
    wanted = resolve_lock(LOCK)
    if wanted == locked:
        return 0
    if check:
        sys.stderr.write("requirements.lock does not answer pyproject.toml any more. Run: make lock\n")
        return 1
    LOCK.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
