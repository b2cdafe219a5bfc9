"""The causes of failures: errors that workers report, exit statuses of pilots, dead letters, events that wait."""

import re
from collections.abc import Mapping

from schemas.causes.entry import FAILING, NOTE, CauseEntry
from schemas.pilot.exits import PilotExit

_ERRORS = "ewms task errors {workflow}"
_LOGS = "ewms task logs {workflow}"
_LETTERS = "ewms dlq list {workflow}"
_ERROR = "{n} worker(s): {why}"
_ENDED = "{n} pilot(s) ended with {why}"

#: Cause -> the names of errors that it covers, what helps, and the command. The text has the error itself.
_ERROR_CAUSES: Mapping[str, tuple[tuple[str, ...], str, str]] = {
    # If an image cannot be used, no attempt at an event is reported: only the logs show why.
    "error-image": (
        ("ImageUnusable",),
        "Check the name of the image, and that the place can read it. The worker's log has the details.",
        _LOGS,
    ),
    "error-bad-worker": (
        ("BadWorker",),
        "These workers failed on different events. If all do, correct the task; if few do, tell the pool's operator.",
        _ERRORS,
    ),
    "error-memory": (
        ("WorkerMemoryExceeded", "MemoryError"),
        "The task needs more memory: submit again with a larger worker_memory.",
        _ERRORS,
    ),
    "error-timeout": (
        ("TimeoutError", "TaskOutlivedWorker", "InitOutlivedWorker", "StartOutlivedWorker"),
        "The task needs more time: raise its timeout or max_worker_runtime, or make its events smaller.",
        _ERRORS,
    ),
    "error-output": (
        ("OutfileTooLarge", "InvalidOutfile", "InvalidAnswer", "OutputRefused"),
        "The task's result cannot be published: write it where {{OUTFILE}} says, smaller than an event may be.",
        _ERRORS,
    ),
    "error-input": (
        ("InvalidDataForInfile", "CodecMissing"),
        "The event cannot become an input file: check what was published, and the form that the task reads.",
        _ERRORS,
    ),
    "error-broker": (
        ("BrokerAway",),
        "Workers do not reach the broker: check its address and the network of the place (ewms doctor).",
        _LOGS,
    ),
    "error-queue-gone": (
        ("QueueGone",),
        "A queue of the task does not exist: the workflow has ended, or the queue was deleted.",
        "ewms workflow show {workflow}",
    ),
    "error-token": (
        ("TokenUnusable",),
        "The pilot cannot use its queue token: tell the operator of the place's TMS.",
        _LOGS,
    ),
    "error-secrets": (
        ("SecretsUnusable",),
        "A secret of the task is missing: set it (ewms secret set), and submit again.",
        "ewms secret list",
    ),
    "error-settings": (
        ("SettingsInvalid", "MountRefused"),
        "A variable of pilot_config.environment is wrong: correct the one that the text names.",
        _LOGS,
    ),
    "error-in-doubt": (
        ("EventInDoubt", "TaskCutOff", "TaskStopped"),
        "A worker was lost while it ran events that must not run twice: check these events by hand.",
        _ERRORS,
    ),
    "error-task": (
        ("ContainerRunError", "OSError"),
        "The task itself failed: read its last lines, and try it on one event by hand.",
        _ERRORS,
    ),
}

#: Cause -> the exit status of a pilot, its meaning, and what helps.
_EXIT_CAUSES: Mapping[str, tuple[int, str, str]] = {
    "exit-failed": (
        PilotExit.FAILED,
        "exit code {code}: tasks failed, or the broker stayed away",
        "Read the errors of the tasks.",
    ),
    "exit-unusable": (
        PilotExit.UNUSABLE,
        "exit code {code}: its variables are invalid",
        "Correct pilot_config.environment, and submit again: these workers would fail again.",
    ),
    "exit-closed": (
        PilotExit.CLOSED,
        "exit code {code}: its queues were deleted",
        "Nothing is left to do: the workflow is over.",
    ),
    "exit-bad-worker": (
        PilotExit.BAD_WORKER,
        "exit code {code}: the worker is bad",
        "Read the errors: the init container failed, or different events failed one after the other.",
    ),
}

FAILURE_CAUSES: Mapping[str, CauseEntry] = {
    "all-failed": CauseEntry(
        FAILING,
        "every event has failed: {letters}; replay or discard them (ewms dlq replay|discard), or let the run end "
        "(ewms workflow close-inputs {workflow})",
        "Read one dead letter, remove the cause, and replay.",
        _LETTERS,
    ),
    "all-discarded": CauseEntry(
        FAILING,
        "every event has failed: {letters}; publish others, or let the run end",
        "Close the inputs, or publish events that the task can process.",
        "ewms workflow close-inputs {workflow}",
    ),
    "all-failed-closed": CauseEntry(
        FAILING,
        "every event has failed: {letters}; the inputs are closed, so the run ends by itself now",
        "Read the dead letters. Replay them into a new workflow once the cause is removed.",
        _LETTERS,
    ),
    "dead-letters": CauseEntry(
        FAILING, "{n} event(s) given up: dead letters", "Read one, remove the cause, and replay or discard.", _LETTERS
    ),
    "start-attempts": CauseEntry(
        FAILING,
        "{taskforce}: {n} failed attempt(s) at {phase}: {why}",
        "WMS tries again with growing pauses. Correct what the text names.",
        "ewms taskforce show {taskforce}",
    ),
    "events-delayed": CauseEntry(
        FAILING,
        "{n} event(s) failed and are put off until their next attempt",
        "Read the errors of the failed attempts. After the last attempt the events become dead letters.",
        _ERRORS,
    ),
    "pilots-failed": CauseEntry(FAILING, "{n} pilot(s) ended with an error", "Read the logs of these workers.", _LOGS),
    **{key: CauseEntry(FAILING, _ERROR, remedy, command) for key, (_, remedy, command) in _ERROR_CAUSES.items()},
    "error-other": CauseEntry(FAILING, _ERROR, "Read the errors, and try the task on one event by hand.", _ERRORS),
    **{
        key: CauseEntry(NOTE if key == "exit-closed" else FAILING, _ENDED, remedy, _LOGS)
        for key, (_, _, remedy) in _EXIT_CAUSES.items()
    },
    "exit-signal": CauseEntry(FAILING, _ENDED, "The kernel or the pool ended them: most often memory ran out.", _LOGS),
    "exit-other": CauseEntry(FAILING, _ENDED, "The pilot crashed: read its log, and tell the developers.", _LOGS),
}


def find_error_cause(error: str) -> str:
    """Return the cause of a worker's error, whose text begins with the error's name: `ImageUnusable('...')`."""
    found = re.match(r"[A-Za-z]+", error)
    name = found[0] if found else ""
    return next((key for key, (names, _, _) in _ERROR_CAUSES.items() if name in names), "error-other")


def find_exit_cause(code: str) -> tuple[str, str]:
    """Return the cause for pilots that ended with `code` (`-9` is a signal), and the code in words.

    A pilot that ended as planned has no cause: return ("", "").
    """
    if code.startswith("-"):
        return "exit-signal", f"signal {code[1:]}"
    if code == str(int(PilotExit.DONE)):
        return "", ""
    for key, (number, text, _) in _EXIT_CAUSES.items():
        if code == str(int(number)):
            return key, text.format(code=code)
    return "exit-other", f"exit code {code}"
