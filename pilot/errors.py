"""The failures of a task, with the names that users know, and the errors that stop a pilot. (core)

The contract fixes the names of the failures: users list them in `EWMS_PILOT_OKAY_ERRORS`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pilot.failures.error_text import NOTHING, without_names
from pilot.failures.exit_codes import explain_exit, round_bytes
from schemas.errors import Rejected, Unavailable
from schemas.payloads.data_events import DeadReason
from schemas.rules.sizes import print_size

#: The exit code of a program that SIGKILL has ended.
_KILLED = 128 + 9


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one run of a task failed.

    `EWMS_PILOT_OKAY_ERRORS` may list a failure by the names `type` or `aka`. `reason` goes into a dead letter. A
    `final` failure would repeat at every attempt, so the event becomes a dead letter at once.
    """

    type: str
    text: str
    reason: DeadReason = DeadReason.TASK_FAILED
    final: bool = False
    aka: str = ""
    traceback: str = ""
    #: 128 + n if signal n ended the task; None if the task did not exit.
    exit_code: int | None = None
    #: Whether the container runtime failed, and not the task in the container.
    by_runtime: bool = False
    #: Whether the task has surely not run. The end of a runtime's command alone does not prove that.
    never_ran: bool = False

    def __str__(self) -> str:
        return f"{self.type}({self.text!r})"

    @property
    def signature(self) -> str:
        """The key under which to count this failure. Equal failures of different events have the same key."""
        return without_names(str(self))


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


def container_timed_out(alias: str, timeout_s: float) -> Failure:
    """Return the failure of a container that was killed after `timeout_s`."""
    return Failure(
        "ContainerRunError",
        f"{alias} failed: [Timeout-Error] timed out after {timeout_s:g}s",
        reason=DeadReason.TASK_TIMED_OUT,
        aka="TimeoutError",
    )


def task_outlived(runtime_s: float) -> Failure:
    """Return the failure of a task that ran for the worker's whole runtime, and that the pilot killed at the end."""
    return Failure(
        "TaskOutlivedWorker",
        f"the task ran longer than its worker lives ({runtime_s:g} s): "
        "raise max_worker_runtime, or give each event less to do",
        reason=DeadReason.TASK_OUTLIVED_WORKER,
        aka="TimeoutError",
    )


def task_cut_off(runtime_s: float) -> Failure:
    """Return the failure of a task that began late in the worker's runtime, and that the pilot killed at the end.

    This run does not count as an attempt.
    """
    return Failure(
        "TaskCutOff",
        f"the worker's runtime ({runtime_s:g} s) ended before the task, which had begun late; "
        "the event comes again, and this attempt does not count",
        reason=DeadReason.TASK_OUTLIVED_WORKER,
    )


def init_too_long_failure(runtime_s: float) -> Failure:
    """Return the failure of an init container that took all of the worker's runtime, so that no event could run."""
    return Failure(
        "InitOutlivedWorker",
        f"the init container ran longer than its worker lives ({runtime_s:g} s): raise max_worker_runtime",
        reason=DeadReason.TASK_OUTLIVED_WORKER,
        aka="TimeoutError",
    )


def task_stopped() -> Failure:
    """Return the failure of a task that the pilot killed because it had to end, and that must not run twice."""
    return Failure(
        "TaskStopped",
        "the pilot had to end and killed the task, which must not run twice",
        reason=DeadReason.TASK_OUTLIVED_WORKER,
        final=True,
    )


def event_in_doubt() -> Failure:
    """Return the failure of an event that must not run twice, and that a lost pilot may have run."""
    return Failure(
        "EventInDoubt",
        "a pilot was lost with this event, so its task may have run; it does not run twice: look what it has done",
        reason=DeadReason.KILLED_WORKERS,
        final=True,
    )


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


def container_not_started(alias: str, why: str) -> Failure:
    """Return the failure of a container whose command could not be started."""
    return Failure(
        "ContainerRunError", f"{alias} could not be started: {why}", aka="OSError", by_runtime=True, never_ran=True
    )


def invalid_infile(why: str) -> Failure:
    """Return the failure of an event that cannot become an infile."""
    return Failure("InvalidDataForInfile", why, reason=DeadReason.UNREADABLE, final=True)


def codec_missing(why: str) -> Failure:
    """Return the failure of an event that this worker cannot decode. Another worker may have the codec."""
    return Failure("CodecMissing", why, reason=DeadReason.UNREADABLE)


def outfile_too_large(n_bytes: int, limit_bytes: int) -> Failure:
    """Return the failure of a task whose outfile is larger than an event may be."""
    return Failure(
        "OutfileTooLarge",
        f"the outfile has {n_bytes} bytes and an event may have {limit_bytes}: "
        "write large results to storage and send their address",
        reason=DeadReason.OUTPUT_TOO_LARGE,
        final=True,
    )


def outfile_unreadable(why: str) -> Failure:
    """Return the failure of a task whose outfile cannot be read."""
    return Failure("InvalidOutfile", why, reason=DeadReason.OUTPUT_UNREADABLE)


def output_refused(why: str) -> Failure:
    """Return the failure of a task whose output event the broker refuses."""
    return Failure("OutputRefused", why)


def task_said(text: str, traceback: str = "") -> Failure:
    """Return the failure that a warm task itself reported."""
    return Failure("ContainerRunError", f"task failed: {text}", traceback=traceback)


def invalid_answer(what: str, remedy: str) -> Failure:
    """Return the failure of a warm task whose answer cannot be used. `what` goes on after "the task's answer"."""
    return Failure(
        "InvalidAnswer",
        f"the task's answer {what}; {remedy}",
        reason=DeadReason.OUTPUT_UNREADABLE,
        aka="InvalidOutfile",
    )


def answer_too_long(limit_bytes: int) -> Failure:
    """Return the failure of a warm task whose answer is larger than an event may be."""
    return Failure(
        "OutfileTooLarge",
        f"the task's answer has more than {limit_bytes} bytes: write large results to storage and send their address",
        reason=DeadReason.OUTPUT_TOO_LARGE,
        final=True,
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


def os_text(error: OSError | ValueError) -> str:
    """Return the operating system's text of `error`. Return Python's text if the system gave none."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


class SettingsInvalid(Rejected):
    """The pilot's variables are wrong. `problems` has one line for each problem."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class ImageUnusable(Rejected):
    """The worker lacks the task's image or the program that runs it, or tasks may not use the image."""


class MountRefused(Rejected):
    """A directory that may not be mounted into a task container."""


class TokenUnusable(Rejected):
    """The token file is missing, readable by others, or contains no token."""


class SecretsUnusable(Rejected):
    """The file with the task's secrets is missing, readable by others, or lacks a secret."""


class BrokerAway(Unavailable):
    """The pilot cannot reach the broker, or the broker refuses the pilot."""


class QueueGone(BrokerAway):
    """A queue of the pilot does not exist: the workflow is over, or the queue was deleted."""


class StartOutlivedWorker(Unavailable):
    """The worker's runtime ended before the pilot could take an event."""
