"""Which Python the virtual environment is made from."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).parents[3] / "deploy/choose_python.sh"


def make_python(path: Path, answer: str) -> Path:
    """Return a program that answers the question for version and time as a Python would; "": it cannot."""
    path.write_text(f"#!/bin/sh\n{f'echo {answer}' if answer else 'exit 1'}\n")
    path.chmod(0o755)
    return path


def choose(directory: Path, own: Path) -> str:
    """Return which of the `python3` in `directory` and `own` the script chooses. It says nothing else."""
    chosen = subprocess.run(
        ["sh", str(_SCRIPT), str(own)],
        env={"PATH": f"{directory}{os.pathsep}/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert chosen.stderr == ""
    return chosen.stdout.rstrip()


@pytest.mark.parametrize(
    ("of_path", "own", "is_own_chosen"),
    [
        ("3.11 10000", "3.11 8000", True),
        ("3.11 10000", "3.11 9000", False),
        ("3.12 10000", "3.11 5000", False),
        ("3.11 10000", "", False),
        ("", "3.11 8000", False),
        ("", "", False),
    ],
)
def test_the_own_python_of_the_machine_is_chosen_if_it_is_clearly_quicker(
    of_path: str, own: str, is_own_chosen: bool, tmp_path: Path
) -> None:
    make_python(tmp_path / "python3", of_path)
    other = make_python(tmp_path / "own", own)
    assert choose(tmp_path, other) == (f"{other}" if is_own_chosen else "python3")


def test_a_real_python_is_measured(tmp_path: Path) -> None:
    version = ".".join(map(str, sys.version_info[:2]))
    make_python(tmp_path / "python3", f"{version} 999999999")
    assert choose(tmp_path, Path(sys.executable)) == sys.executable
