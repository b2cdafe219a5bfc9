"""A fork gets what a start gets: arguments, environment, directory, streams; and it tells its exit status."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.campaigns.fork_server import ForkServer

TELLS = """
import json, os, sys
print(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd(), sys.stdin.read(), sys.stdout.isatty()]))
print("ä" * 100_000, file=sys.stderr)
sys.exit({"7": 7, "text": "it failed", "none": None}[sys.argv[1]])
"""


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with pytest.MonkeyPatch.context() as patch:
        # Unbuffered streams would hide what is not flushed.
        patch.delenv("PYTHONUNBUFFERED", raising=False)
        with ForkServer("json") as started:
            yield started


@pytest.mark.parametrize(("word", "status"), [("7", 7), ("text", 1), ("none", 0)])
def test_a_fork_has_its_own_words_environment_directory_and_streams(
    server: ForkServer, tmp_path: Path, word: str, status: int
) -> None:
    script = tmp_path / "tells.py"
    script.write_text(TELLS)
    given = "line\n" * 50_000
    ended = server.run(str(script), word, "b c", stdin=given, environment={"A": "1"}, directory=tmp_path)
    assert ended.returncode == status
    assert json.loads(ended.stdout) == [[word, "b c"], {"A": "1"}, str(tmp_path), given, False]
    assert ended.stderr == "ä" * 100_000 + "\n" + ("it failed\n" if word == "text" else "")


def test_what_goes_to_a_stream_from_before_the_fork_is_not_lost(server: ForkServer, tmp_path: Path) -> None:
    script = tmp_path / "prints.py"
    script.write_text("import sys; print('kept', file=sys.__stdout__); print('too', file=sys.__stderr__)")
    ended = server.run(str(script), environment={})
    assert (ended.stdout, ended.stderr) == ("kept\n", "too\n")


def test_a_fork_that_fails_is_killed_or_takes_too_long_is_told_apart(server: ForkServer, tmp_path: Path) -> None:
    script = tmp_path / "ends.py"
    script.write_text("1 / 0")
    ended = server.run(str(script), environment={})
    assert (ended.returncode, "ZeroDivisionError" in ended.stderr) == (1, True)
    script.write_text("import os; os.kill(os.getpid(), 9)")
    assert server.run(str(script), environment={}).returncode == -9
    script.write_text("import subprocess; subprocess.run(['sleep', '600'])")
    with pytest.raises(TimeoutError, match=r"did not end within 0\.5 s"):
        server.run(str(script), environment={}, timeout_s=0.5)
