"""`ewms-admin` keeps its exit status if its output, or its messages, cannot be written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.admin.__main__ import EXIT_UNUSABLE

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(
    ("shell", "status", "message"),
    [
        ("config chekc 2> /dev/full", EXIT_UNUSABLE, ""),
        ("broker users /proc/nowhere 2> /dev/full", EXIT_UNUSABLE, ""),
        ("config check wms --env-file nowhere 2> /dev/full", EXIT_UNUSABLE, ""),
        ("config check wms --env-file nowhere 2>&-", EXIT_UNUSABLE, ""),
        ("--help > /dev/full", EXIT_UNUSABLE, "No space left"),
        ("--help >&-", EXIT_UNUSABLE, "standard output is closed"),
        ("--help | true", 0, ""),
        ("config chekc", EXIT_UNUSABLE, "invalid choice"),
    ],
)
def test_the_exit_status_does_not_depend_on_who_reads(shell: str, status: int, message: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m deploy.admin {shell}"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False, timeout=150, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert message in done.stderr
    for word in ("Traceback", "Exception ignored"):
        assert word not in done.stderr
