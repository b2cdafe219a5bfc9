"""Write requirements.lock from pyproject.toml, or check that the two agree: `python -m deploy.lock [--check]`.

The lock has a hash of every file and names no index host, so it installs from any mirror.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
#: Requirements of packages that we install for their files alone, and whose code we never import (decision 0002).
UNUSED = ("fastapi",)  # of fastapi-offline
HEAD = "# Written by `make lock` from pyproject.toml: every dependency of every extra, with hashes.\n"


def resolve_lock(start_from: Path) -> str:
    """Return the text of a lock for pyproject.toml. Keep the versions in the lock `start_from` where they still fit.

    Raises:
        subprocess.CalledProcessError: no set of versions fits pyproject.toml, or no package index answers.
    """
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "requirements.lock"
        if start_from.exists():
            out.write_text(start_from.read_text())
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
        command += ["--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate", "--all-extras"]
        command += [argument for name in UNUSED for argument in ("--no-emit-package", name)]
        subprocess.run([*command, "pyproject.toml", "--output-file", str(out)], cwd=ROOT, check=True)
        return HEAD + out.read_text()


def main() -> int:
    """Write the lock. With `--check`, only return 1 if it is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if the lock is not up to date")
    check: bool = parser.parse_args().check
    locked = LOCK.read_text() if LOCK.exists() else ""
    wanted = resolve_lock(LOCK)
    if wanted == locked:
        return 0
    if check:
        sys.stderr.write("requirements.lock does not fit pyproject.toml any more. Run: make lock\n")
        return 1
    LOCK.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
