"""What an exit code says by itself."""

import pytest

from pilot.failures.container_failures import container_ended, container_failed
from pilot.failures.error_text import NOTHING
from pilot.failures.exit_codes import explain_exit


@pytest.mark.parametrize(
    ("exit_code", "text"),
    [
        (0, ""),
        (1, ""),
        (2, ""),
        (255, ""),
        (128, ""),
        (200, ""),
        (137, "killed by SIGKILL (most often out of memory)"),
        (139, "killed by SIGSEGV (an invalid memory access)"),
        (129, "killed by SIGHUP"),
        (143, "killed by SIGTERM (another process asked it to end)"),
        (127, "the command was not found: is it in the image, and in its PATH?"),
    ],
)
def test_an_exit_code_is_explained_where_it_says_something(exit_code: int, text: str) -> None:
    assert explain_exit(exit_code) == text


def test_a_task_that_was_killed_hears_what_memory_its_worker_had() -> None:
    failure = container_failed("task", 137, NOTHING, memory_bytes=512 * 1024 * 1024)
    assert failure.text == (
        "task failed (exit code 137): killed by SIGKILL (most often out of memory; worker_memory was 512 MB)"
    )


def test_what_it_said_last_is_not_lost() -> None:
    assert container_failed("task", 139, "reading run 7").text.endswith("its last output: reading run 7")


def test_a_shell_that_finds_no_command_says_so_itself() -> None:
    text = "/bin/sh: 1: reco: not found"
    assert container_failed("task", 127, text).text == f"task failed (exit code 127): {text}"
    assert "not found" in container_failed("task", 127, NOTHING).text


def test_other_exit_codes_keep_the_text_as_it_was() -> None:
    assert container_failed("task", 1, NOTHING).text == f"task failed (exit code 1): {NOTHING}"


def test_a_warm_container_that_was_killed_is_explained_too_but_not_one_that_we_killed() -> None:
    assert "killed by SIGKILL" in container_ended(137, NOTHING).text
    assert "SIGKILL" not in container_ended(137, NOTHING, mute=True).text


@pytest.mark.parametrize(
    ("text", "has_hint"),
    [
        ("cat: /tmp/lib.txt: No such file or directory", True),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/tmp/model.pt'", True),
        ("cat: /data/lib.txt: No such file or directory", False),
        ("cat: /data/tmp/lib.txt: No such file or directory", False),
        ("cat: ../tmp/lib.txt: No such file or directory", False),
        ("/tmp/lib.txt: Permission denied", False),
    ],
)
def test_a_missing_file_in_tmp_comes_with_a_hint(text: str, has_hint: bool) -> None:
    hint = " (a task's /tmp may be another one than yours)" if has_hint else ""
    assert container_failed("task", 1, text).text == f"task failed (exit code 1): {text}{hint}"


@pytest.mark.parametrize(
    ("text", "has_hint"),
    [
        ("cat: /root/secret.txt: No such file or directory", True),
        ("cat: /root/secret.txt: Permission denied", True),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/home/ada/model.pt'", True),
        ("sh: 1: /data/homes/ada/run.sh: No such file or directory", True),
        ("cat: /root/secret.txt: Is a directory", False),
        ("cat: /data/root/lib.txt: No such file or directory", False),
        ("cat: ../home/ada/lib.txt: No such file or directory", False),
        ("cat: /ewms-pilot-data/home/lib.txt: No such file or directory", False),
        ("cat: /srv/homework/lib.txt: No such file or directory", False),
    ],
)
def test_a_file_in_a_home_that_a_task_cannot_read_comes_with_a_hint(text: str, has_hint: bool) -> None:
    told = container_failed("task", 1, text).text
    assert told.startswith(f"task failed (exit code 1): {text}")
    assert ("put its files where every account can read them" in told) == has_hint
