"""The tests of docs/examples/enrollment pass without a server, and its registrations fit its code."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]
EXAMPLE = ROOT / "docs" / "examples" / "enrollment"


def run_python(*arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, *arguments], cwd=EXAMPLE, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_example_passes_its_own_tests_in_a_rehearsal() -> None:
    assert "4 passed" in run_python("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis", ".")


def test_each_registration_of_the_example_has_its_code() -> None:
    code = "import enrollment; from ewms.steps.registrations import list_mismatches; print(list_mismatches())"
    assert run_python("-c", code).strip() == "[]"
