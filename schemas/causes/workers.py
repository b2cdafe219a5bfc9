"""The causes why workers take no events. Each text goes on after `3 worker(s) `."""

import re
from collections.abc import Mapping

from schemas.causes.entry import BLOCKED, FAILING, PASSING, SLOWED, CauseEntry

_ELSEWHERE = "ewms cluster list"
_SHOW = "ewms taskforce show {taskforce}"
_ERRORS = "ewms task errors {workflow}"
_LOGS = "ewms task logs {workflow}"
_MORE = "ewms task add-workers {task} -n {n_wanted}"
_UNMATCHED = "find no slot: {why}"
_ASK_LESS = "Submit the request again with the value that the text names, or at a place with larger machines."

WORKER_CAUSES: Mapping[str, CauseEntry] = {
    "tms-unanswered": CauseEntry(
        BLOCKED,
        "not started: the TMS of {schedd} does not answer",
        "Ask the operator of that place to start its TMS, or add workers at another place.",
        _ELSEWHERE,
    ),
    "tms-not-asking": CauseEntry(
        BLOCKED,
        "not started: the TMS of {schedd} has not asked for them since {since}",
        "Ask the operator of that place to start its TMS, or add workers at another place.",
        _ELSEWHERE,
    ),
    "statuses-missing": CauseEntry(
        BLOCKED,
        "not seen: the TMS of {schedd} has sent no statuses since {since}",
        "The workers may go on meanwhile. Ask the operator of that place to start its TMS.",
        _ELSEWHERE,
    ),
    "tms-given-up": CauseEntry(
        BLOCKED,
        "not started: {why}",
        "Ask the operator of that place to start its TMS, or add workers at another place.",
        _ELSEWHERE,
    ),
    "start-failed": CauseEntry(
        BLOCKED, "not started: {why}", "Correct what the text names, and submit the workflow again.", _SHOW
    ),
    "location-drained": CauseEntry(
        BLOCKED,
        "not started: {why}",
        "They start when the operator opens the place again. Wait, or add workers at another place.",
        _ELSEWHERE,
    ),
    "location-lost": CauseEntry(
        BLOCKED,
        "ended: {why}",
        "These workers do not come back. Add workers at another place.",
        _ELSEWHERE,
    ),
    "no-slot-memory": CauseEntry(BLOCKED, _UNMATCHED, f"No machine has that much memory. {_ASK_LESS}", _ELSEWHERE),
    "no-slot-cores": CauseEntry(BLOCKED, _UNMATCHED, f"No machine has that many cores. {_ASK_LESS}", _ELSEWHERE),
    "no-slot-disk": CauseEntry(BLOCKED, _UNMATCHED, f"No machine has that much disk. {_ASK_LESS}", _ELSEWHERE),
    "no-slot": CauseEntry(
        BLOCKED,
        _UNMATCHED,
        "Relax condor_requirements, or submit at a place whose machines fit them.",
        _ELSEWHERE,
    ),
    "gone": CauseEntry(
        BLOCKED, "ended{ends}", "These workers do not come back: add others, and read the logs to see why.", _MORE
    ),
    "ended": CauseEntry(
        BLOCKED, "ended with their taskforce{ends}", "These workers do not come back: add others.", _MORE
    ),
    "suspended": CauseEntry(
        BLOCKED,
        "suspended by their machine",
        "The machine's owner uses it. Wait until the machine goes on, or add workers.",
        _SHOW,
    ),
    "killed-memory": CauseEntry(
        FAILING,
        "killed by {signal}, and start again by themselves after a pause",
        "If it happens again, submit the request with a larger worker_memory.",
        _LOGS,
    ),
    "killed": CauseEntry(
        FAILING,
        "killed by {signal}, and start again by themselves after a pause",
        "Read what the workers logged before. If it happens again, ask the operator of the pool.",
        _LOGS,
    ),
    "paused": CauseEntry(
        FAILING,
        "ended early, and start again by themselves after a pause",
        "Read the errors: a worker ends early after several failures in a row.",
        _ERRORS,
    ),
    "pilot-failed": CauseEntry(
        FAILING,
        "failed, and keep their slots for some minutes before they start again",
        "Read the errors: the same failure comes again unless you remove its cause.",
        _ERRORS,
    ),
    "all-bad-elsewhere": CauseEntry(
        FAILING,
        "wait for another machine: every worker failed on all events that it tried, so the task itself is most often "
        "the cause",
        "Try the task on one event by hand, correct it, and submit the workflow again.",
        _ERRORS,
    ),
    "start-again": CauseEntry(
        PASSING,
        "not started: the start failed, and WMS tries again at {at}",
        "Wait for the next attempt. The taskforce's log has the error of the last one.",
        _SHOW,
    ),
    "phase-unknown": CauseEntry(
        PASSING,
        "are in the phase {phase}, which this version does not know",
        "A newer WMS manages this workflow: use that version.",
        _SHOW,
    ),
    "turn-awaited": CauseEntry(
        PASSING, "wait for their turn to be started", "Wait: WMS starts taskforces of a place by priority.", _SHOW
    ),
    "being-started": CauseEntry(PASSING, "are being started", "Wait: the TMS submits them now.", _SHOW),
    "no-status-yet": CauseEntry(
        PASSING, "are submitted, without a status yet", "Wait for the first report of the TMS.", _SHOW
    ),
    "slot-awaited": CauseEntry(
        SLOWED,
        "wait for a free slot",
        "The pool is busy. Wait, raise the priority of the next workflow, or add workers at another place.",
        _SHOW,
    ),
    "not-reported": CauseEntry(PASSING, "have not reported yet", "Wait: their pilots start.", _SHOW),
    "preparing": CauseEntry(
        PASSING, "start, and take no events yet", "Wait: they fetch the image or run the init container.", _SHOW
    ),
    "leaving": CauseEntry(
        PASSING,
        "leave, and take no more events",
        "Their runtime ends, or they found no event for their idle time. Add workers if events are left.",
        _SHOW,
    ),
}

_UNMATCHED_FIELDS = {"worker_memory": "no-slot-memory", "n_cores": "no-slot-cores", "worker_disk": "no-slot-disk"}


def find_slot_cause(reason: str) -> str:
    """Return the cause for jobs that no slot can take. `reason` is the TMS's text, or a complaint with its field."""
    named = re.search(r"\b(worker_memory|n_cores|worker_disk)\b", reason)
    return _UNMATCHED_FIELDS[named[1]] if named else "no-slot"


def find_kill_cause(signal: str) -> str:
    """Return the cause for pilots that `signal` has killed."""
    return "killed-memory" if "SIGKILL" in signal else "killed"
