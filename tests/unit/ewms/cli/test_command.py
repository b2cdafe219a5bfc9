"""The command as a user runs it, as far as it needs no server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

#: What costs time to import; none of it may be loaded for `ewms --help`.
HEAVY = ("pydantic", "httpx2", "aio_pika", "aiormq", "asyncio", "rich.live")


def ewms(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EWMS_")}
    environment["PYTHONPATH"] = str(Path(__file__).parents[4])
    return subprocess.run(
        [sys.executable, "-m", "ewms.cli", *words],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys; from ewms.cli.__main__ import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[4]
    )
    loaded = set(done.stderr.split())
    assert "typer" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["workflow", "nonsense"], 2, "nonsense"),
        (["workflow", "show"], 2, "WORKFLOW"),
        (["workflow", "show", "WF-1"], 2, "EWMS_GATEWAY"),
        (["workflow", "show", "WF-1", "--server", "x"], 2, "not a server address"),
        (["workflow", "show", "WF-1-00000000", "--server", "http://ewms.example.org"], 3, "token"),
        (["workflow", "show", "WF-1/../x", "--server", "http://127.0.0.1:9"], 2, "no id of a workflow"),
        (["task", "logs", "TF-1?x", "--server", "http://127.0.0.1:9"], 2, "no id of a taskforce"),
        (["task", "show", "TF-1", "--server", "http://127.0.0.1:9"], 2, "ewms task list"),
        (["task", "add-workers", "TK-1", "-n", "0"], 2, "-n"),
        (["workflow", "abort", "WF-1"], 2, "--yes"),
        (["workflow", "submit", "no-such-file.json"], 2, "no-such-file.json"),
        (["workflow", "wait", "WF-1", "--for", "christmas"], 2, "condor-submit"),
        (["--timeout", "soon", "workflow", "list", "--server", "http://127.0.0.1:9"], 2, "--timeout"),
    ],
)
def test_mistakes_end_with_a_message_and_the_documented_status(
    words: list[str], status: int, says: str, tmp_path: Path
) -> None:
    done = ewms(*words, cwd=tmp_path)
    assert done.returncode == status
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_nothing_listening_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    done = ewms("workflow", "list", "--server", "http://127.0.0.1:9", "--token-file", "token", cwd=tmp_path)
    assert done.returncode == 7
    assert "cannot reach http://127.0.0.1:9" in done.stderr


def test_the_version_can_be_read_by_a_program(tmp_path: Path) -> None:
    done = ewms("version", "-o", "json", cwd=tmp_path)
    assert done.returncode == 0
    assert set(json.loads(done.stdout)) == {"version"}


def test_a_broken_request_file_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text("{")
    done = ewms("workflow", "submit", "w.json", cwd=tmp_path)
    assert (done.returncode, "w.json is not JSON" in done.stderr) == (2, True)
    (tmp_path / "w.json").write_text("{}")
    done = ewms("workflow", "submit", "w.json", "--set", "tasks.0.n_workers", cwd=tmp_path)
    assert (done.returncode, "PATH=VALUE" in done.stderr) == (2, True)
