"""The two parts of a whole run: every test is in one of them, and their statuses make one."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import whole_run
from tests.scheduling import PARTS, PLAIN, SERVICES, is_in_part
from tests.whole_run import choose_status, list_runs

ROOT = Path(__file__).parents[3]


def test_every_test_file_is_in_one_part_and_its_folders_are_in_that_part() -> None:
    for file in (ROOT / "tests").rglob("test_*.py"):
        path = file.relative_to(ROOT)
        parts = [part for part in PARTS if is_in_part(path.as_posix(), part)]
        assert len(parts) == 1, path
        folders = [folder.as_posix() for folder in path.parents if folder.parts]
        assert all(is_in_part(folder, parts[0]) for folder in folders), path


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("tests/unit/test_cores.py", PLAIN),
        ("tests/contract/test_injection.py", PLAIN),
        ("tests/contract/conformance/test_requests.py", SERVICES),
        ("tests/integration", SERVICES),
        ("tests/system/test_story.py", SERVICES),
    ],
)
def test_what_needs_a_service_is_not_plain(path: str, part: str) -> None:
    assert [one for one in PARTS if is_in_part(path, one)] == [part]


def test_arguments_without_files_go_to_both_parts_and_files_to_one_run() -> None:
    plain, services = list_runs(["--numprocesses=5", "-k", "name"])
    assert plain[:3] == services[:3] == ["--numprocesses=5", "-k", "name"]
    assert f"--part={PLAIN}" in plain
    assert f"--part={SERVICES}" in services
    named = ["--numprocesses=5", f"{ROOT}/tests/unit/test_cores.py::test_x"]
    assert list_runs(named) == [named]


@pytest.mark.parametrize(
    ("statuses", "status"),
    [([0, 0], 0), ([1, 0], 1), ([0, 1], 1), ([5, 0], 0), ([0, 5], 0), ([5, 5], 5), ([5, 1], 1), ([2], 2), ([1, 2], 1)],
)
def test_a_part_without_chosen_tests_is_no_failure(statuses: list[int], status: int) -> None:
    assert choose_status(statuses) == status


@pytest.mark.parametrize(("first", "n_runs"), [(0, 2), (1, 2), (5, 2), (2, 1), (3, 1), (-9, 1)])
def test_failed_tests_do_not_keep_the_second_part_from_running_and_an_interrupt_does(
    monkeypatch: pytest.MonkeyPatch, first: int, n_runs: int
) -> None:
    runs: list[Any] = []

    class Process(subprocess.Popen[bytes]):
        def __init__(self, arguments: list[str]) -> None:
            runs.append(arguments)

        def __enter__(self) -> "Process":
            return self

        def __exit__(self, *_: object) -> None: ...

        def __del__(self) -> None: ...

        def wait(self, timeout: float | None = None) -> int:
            return first if len(runs) == 1 else 0

    monkeypatch.setattr("subprocess.Popen", Process)
    monkeypatch.setattr("sys.argv", ["whole_run"])
    assert whole_run.main() == (first if first != 5 else 0)
    assert len(runs) == n_runs
