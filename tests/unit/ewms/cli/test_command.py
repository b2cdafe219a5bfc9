"""The command as a user runs it, as far as it needs no server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import run_ewms

#: What costs time to import; none of it may be loaded for `ewms --help`.
HEAVY = ("pydantic", "httpx2", "aio_pika", "aiormq", "asyncio", "rich.console", "rich.markdown", "importlib.metadata")


def ewms(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EWMS_")}
    return run_ewms(*words, environment=environment, directory=cwd)


def test_a_started_command_does_what_a_forked_one_does(tmp_path: Path) -> None:
    """Most tests fork a process that has imported the command. This one starts it."""
    for words in (["--version"], ["workflow", "show", "WF-1", "-o", "json"], ["image"], ["queue", "--help"]):
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[4])}
        started = subprocess.run(
            [sys.executable, "-m", "ewms.cli", *words],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        forked = run_ewms(*words, environment=environment, directory=tmp_path)
        assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys; from ewms.cli.__main__ import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[4]
    )
    loaded = set(done.stderr.split())
    assert "typer" in loaded
    assert not loaded & set(HEAVY)


def test_errors_are_json_where_results_are(tmp_path: Path) -> None:
    for words, status in ((["workflow", "show"], 2), (["workflow", "show", "WF-1"], 2), (["version", "--nonsense"], 2)):
        done = ewms(*words, "-o", "json", cwd=tmp_path)
        assert done.returncode == status
        assert json.loads(done.stderr)["status"] == status
        assert json.loads(done.stderr)["error"]


def test_version_and_help_have_their_usual_options(tmp_path: Path) -> None:
    done = ewms("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout.split()[0]) == (0, "ewms")
    for words in (["-h"], ["queue", "-h"], ["queue", "consume", "-h"]):
        done = ewms(*words, cwd=tmp_path)
        assert (done.returncode, "Usage:" in done.stdout) == (0, True)


def test_the_package_lists_what_it_has_without_loading_it() -> None:
    code = "import sys, ewms; print(*dir(ewms)); assert 'ewms.client' not in sys.modules; from ewms import *"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[4]
    )
    listed = set(done.stdout.split())
    assert {"Client", "AsyncClient", "Task", "Workflow", "Event", "TimedOut"} <= listed
    assert not listed & {"Any", "TYPE_CHECKING", "import_module"}


def test_each_format_of_a_result_is_there(tmp_path: Path) -> None:
    version = ewms("version", cwd=tmp_path).stdout.split()[1]
    for output, text in (("yaml", f'version: "{version}"'), ("name", version), ("wide", f"ewms {version}")):
        assert ewms("version", "-o", output, cwd=tmp_path).stdout == f"{text}\n"


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["workflow", "nonsense"], 2, "nonsense"),
        (["workflow", "show"], 2, "WORKFLOW"),
        (["workflow", "show", "WF-1"], 2, "EWMS_GATEWAY"),
        (["workflow", "show", "WF-1", "--server", "x"], 2, "not a server address"),
        (["workflow", "show", "WF-1-00000000", "--server", "http://ewms.example.org"], 3, "token"),
        (["workflow", "show", "WF-1/../x", "--server", "http://127.0.0.1:9"], 2, "not the id of a workflow"),
        (["task", "logs", "TF-1?x", "--server", "http://127.0.0.1:9"], 2, "not the id of a taskforce"),
        (["task", "show", "TF-1", "--server", "http://127.0.0.1:9"], 2, "ewms task list"),
        (["task", "add-workers", "TK-1", "-n", "0"], 2, "-n"),
        (["workflow", "abort", "WF-1"], 2, "--yes"),
        (["workflow", "submit", "no-such-file.json"], 2, "no-such-file.json"),
        (["image", "build", "no-such-directory", "image"], 2, "no-such-directory does not exist"),
        (["image", "build", "no-such-directory", "image", "-o", "json"], 2, '"status": 2}'),
        (["catalogue", "test", ".", "--command", "true"], 2, "has no Dockerfile"),
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


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("null", "a request is a JSON object, and this is null"),
        ("[]", "a request is a JSON object, and this is a list"),
        ("7", "a request is a JSON object, and this is 7"),
        ('"text"', "a request is a JSON object, and this is a text"),
        ("", "w.json is empty"),
        ("{tasks: []}", "a field's name must stand in double quotes"),
        ('{"priority": 1, "priority": 2}', "it has the field 'priority' twice in one object"),
        ('{"priority": ' + "9" * 5000 + "}", "it has a number that is too long"),
        ('{"tasks": [NaN]}', "is not JSON in UTF-8: JSON has no NaN"),
        ('{"x": "\\ud800"}', "half of a surrogate pair"),
        ('{"x": 1e400}', "'x': is inf, which is not a number in JSON; write a finite number"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_request_file_of_any_content_is_no_defect(content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text(content)
    done = ewms("workflow", "submit", "w.json", "--server", "http://127.0.0.1:9", cwd=tmp_path)
    assert (done.returncode, says in done.stderr, "defect" in done.stderr) == (2, True, False), done.stderr


def test_a_check_says_everything_that_is_wrong_and_needs_no_server(tmp_path: Path) -> None:
    task = {
        "task_image": "none",
        "task_args": "cp {{INFIEL}} {{OUTFILE}}",
        "cluster_locations": ["local"],
        "input_queue_aliases": "words",
        "output_queue_aliases": ["out"],
        "n_workers": 0,
    }
    right = task | {"task_args": "cp {{INFILE}} {{OUTFILE}}", "input_queue_aliases": ["words"], "n_workers": 1}
    for name, body in (("wrong", task), ("right", right)):
        request = {"tasks": [body], "public_queue_aliases": ["words", "out"]}
        (tmp_path / f"{name}.json").write_text(json.dumps(request))
    done = ewms("workflow", "submit", "wrong.json", "--check", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "ewms: the request cannot run:",
        "  'tasks.0.input_queue_aliases': is the text 'words', and must be a list of names; write [\"words\"]",
        "  'tasks.0.n_workers': is 0, and must be 1 or more; write it like 10",
        "  'tasks.0.task_args': {{INFIEL}} stays unchanged, because it is not a placeholder; did you mean {{INFILE}}?",
    ]
    done = ewms("workflow", "submit", "right.json", "--check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "did not check the names of clusters" in done.stderr


@pytest.mark.parametrize(
    ("shell", "status", "says"),
    [
        ("version > /dev/full", 1, "cannot write the output: No space left"),
        ("--help > /dev/full", 1, "cannot write the output: No space left"),
        ("workflow show WF-1 2> /dev/full", 2, ""),
        ("version >&-", 2, "standard output is closed"),
        ("workflow show WF-1 2>&-", 2, ""),
        ("workflow submit - <&-", 2, "standard input is closed"),
        ("workflow submit /dev/zero", 2, "/dev/zero has more than"),
        ("workflow submit .", 2, "Is a directory"),
        (
            "queue publish WF-1-00000000 \"$(printf 'a\\377')\" --server http://127.0.0.1:9",
            2,
            "not a character that UTF-8",
        ),
        ("workflow list --server http://127.0.0.1:9 --token-file /dev/zero", 3, "the token has characters"),
        ("queue depth WF-1-00000000 \"$(printf 'a\\377')\" --server http://127.0.0.1:9", 7, "cannot reach"),
        ("workflow show \"$(printf 'WF-\\377')\" --server http://127.0.0.1:9", 2, "is not the id of a workflow"),
        ("version | true", 0, ""),
    ],
)
def test_streams_and_arguments_of_any_kind_are_no_defect(shell: str, status: int, says: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m ewms.cli {shell}"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[4])},
        capture_output=True, text=True, check=False, timeout=150, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert says in done.stderr
    for word in ("defect", "Traceback", "Exception ignored"):
        assert word not in done.stderr


def test_a_terminal_of_another_encoding_gets_json_in_ascii(tmp_path: Path) -> None:
    code = (
        "import sys; from ewms.cli.text.terminal.streams import *; prepare_streams(); "
        "print(json_text({'a': 'ä\\ud800'}), 'ä→…ж')"
    )
    for encoding, expected in [
        ("latin-1", '{"a": "\\u00e4\\ud800"} ä->...\\u0436\n'.encode("latin-1")),
        ("utf-8", '{"a": "\\u00e4\\ud800"} ä→…ж\n'.encode()),
    ]:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, cwd=Path(__file__).parents[4],
            env=os.environ | {"PYTHONIOENCODING": encoding},
        )  # fmt: skip
        assert done.stdout == expected


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
