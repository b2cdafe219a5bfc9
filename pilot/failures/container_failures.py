"""The failures of containers: they did not start, ended badly, took too long or needed too much memory. (core)"""

import re

from pilot.failures.error_text import NOTHING
from pilot.failures.exit_codes import explain_exit, round_bytes
from pilot.failures.failure import Failure
from schemas.payloads.data_events import DeadReason
from schemas.rules.sizes import print_size

#: The exit code of a program that SIGKILL has ended.
_KILLED = 128 + 9

#: The beginning of a path that begins with /tmp/, and of a path in a home directory that is not the task's own.
_IN_TMP = re.compile(r"(?<![\w/.])/tmp/")
_IN_HOME = re.compile(r"(?<![\w/.])(?!/ewms-pilot-data/)/(?:root|(?:[\w.-]+/)*homes?)/\S")

#: The names of an init container and of a task's container in error texts. Source: contract, 8.3.
INIT, TASK = "init-container", "task"


def container_failed(
    alias: str, exit_code: int, text: str, traceback: str = "", *, memory_bytes: int | None = None
) -> Failure:
    """Return the failure of a container that ended with a non-zero `exit_code`. `text` is its last output."""
    said = _with_hint(_with_explanation(exit_code, text, memory_bytes))
    return Failure(
        "ContainerRunError",
        f"{alias} failed (exit code {exit_code}): {said}",
        traceback=traceback,
        exit_code=exit_code,
    )


def container_not_started(alias: str, why: str) -> Failure:
    """Return the failure of a container whose command could not be started."""
    return Failure(
        "ContainerRunError", f"{alias} could not be started: {why}", aka="OSError", by_runtime=True, never_ran=True
    )


def container_timed_out(alias: str, timeout_s: float) -> Failure:
    """Return the failure of a container that was killed after `timeout_s`."""
    return Failure(
        "ContainerRunError",
        f"{alias} failed: [Timeout-Error] timed out after {timeout_s:g}s",
        reason=DeadReason.TASK_TIMED_OUT,
        aka="TimeoutError",
    )


def container_ended(
    exit_code: int, text: str, traceback: str = "", *, mute: bool = False, memory_bytes: int | None = None
) -> Failure:
    """Return the failure of a warm container that ended during an event.

    `mute` means that the container only closed its standard input or output, and that the pilot then killed it.
    """
    what = "closed its standard input or output" if mute else f"ended (exit code {exit_code})"
    # We killed a container that only closed its streams, so its exit code explains nothing.
    said = text if mute else _with_explanation(exit_code, text, memory_bytes)
    return Failure(
        "ContainerRunError",
        f"task {what} in the middle of an event: {said}; "
        "a warm task answers every line, and ends when its standard input does",
        traceback=traceback,
        exit_code=exit_code,
    )


def task_said(text: str, traceback: str = "") -> Failure:
    """Return the failure that a warm task itself reported."""
    return Failure("ContainerRunError", f"task failed: {text}", traceback=traceback)


def worker_memory_exceeded(n_bytes: int, limit_bytes: int) -> Failure:
    """Return the failure of a container that the pilot killed because its worker used more than `worker_memory`."""
    return Failure(
        "WorkerMemoryExceeded",
        f"the worker used {print_size(round_bytes(n_bytes))}, worker_memory is {print_size(limit_bytes)}: "
        "raise worker_memory, or give each event less to do",
        reason=DeadReason.OUT_OF_MEMORY,
        aka="MemoryError",
        exit_code=_KILLED,
    )


def kernel_out_of_memory(limit_bytes: int) -> Failure:
    """Return the failure of a container in which the kernel killed a process for lack of memory."""
    limit = f"worker_memory is {print_size(limit_bytes)}: raise it" if limit_bytes else "give the worker more memory"
    return Failure(
        "WorkerMemoryExceeded",
        f"the kernel killed the task for lack of memory, {limit}, or give each event less to do",
        reason=DeadReason.OUT_OF_MEMORY,
        aka="MemoryError",
        exit_code=_KILLED,
    )


def os_text(error: OSError | ValueError) -> str:
    """Return the operating system's text of `error`. Return Python's text if the system gave none."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _with_hint(text: str) -> str:
    """Return `text`. If it says that the task cannot read a file in /tmp or in a home directory, add a hint."""
    if "No such file" in text and _IN_TMP.search(text):
        return f"{text} (a task's /tmp may be another one than yours)"
    if ("No such file" in text or "Permission denied" in text) and _IN_HOME.search(text):
        return (
            f"{text} (a task may run under another account, without your home directory: put its files where every "
            "account can read them)"
        )
    return text


def _with_explanation(exit_code: int, text: str, memory_bytes: int | None) -> str:
    why = explain_exit(exit_code, memory_bytes=memory_bytes)
    if not why:
        return text
    if text in ("", NOTHING):
        return why
    # A shell explains why it cannot run a command. A signal explains nothing.
    return f"{why}; its last output: {text}" if why.startswith("killed") else text
