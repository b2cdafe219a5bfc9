"""The causes that concern a whole run: a process of a step list, or a job of a template."""

from collections.abc import Mapping

from schemas.causes.entry import BLOCKED, FAILING, NOTE, PASSING, CauseEntry

_SHOW = "ewms {noun} show {id}"
_WATCH = "ewms {noun} watch {id}"

RUN_CAUSES: Mapping[str, CauseEntry] = {
    "engine-locked": CauseEntry(
        BLOCKED,
        "the engine is locked, so no step begins: {who} locked it at {at}",
        "Ask an administrator to unlock it (PUT /api/settings/status). It goes on by itself then.",
        "ewms audit list --kind engine",
    ),
    "form-unchecked": CauseEntry(
        PASSING,
        "a step worker of the pool {pool!r} must check its form first",
        "Wait: it is asked every 15 s. If no worker of the pool is there, start one.",
        "ewms pool list",
    ),
    "not-begun": CauseEntry(
        BLOCKED, "it was created, and has not begun", "Begin it when its context is complete.", "ewms flow resume {id}"
    ),
    "template-busy": CauseEntry(
        PASSING,
        "job {holder} of the same template is under way, and the template allows one job at a time",
        "Wait until that job is over, cancel it, or set allow_simultaneous on the template.",
        "ewms tree explain {holder}",
    ),
    "being-stopped": CauseEntry(
        PASSING, "{who} stopped it, and the step under way ends first{why}", "Wait for the end of that step.", _WATCH
    ),
    "being-canceled": CauseEntry(
        PASSING,
        "{who} canceled it, and the work under way ends first{why}",
        "Wait. If this lasts, the node that still runs is named below.",
        _WATCH,
    ),
    "run-stopped": CauseEntry(
        BLOCKED, "{who} stopped it{why}", "Resume it: it goes on with the next step.", "ewms {noun} resume {id}"
    ),
    "run-halted": CauseEntry(
        BLOCKED,
        "{n} step(s) failed for good, and it waits for a person",
        "Remove the cause that is named below, and retry; or abort it.",
        "ewms process retry {id}",
    ),
    "run-successful": CauseEntry(NOTE, "it is over, and ended well", "Nothing is left to do.", _SHOW),
    "run-failed": CauseEntry(
        FAILING,
        "it is over, and failed{why}",
        "Remove the cause that is named below, and start it again.",
        _SHOW,
    ),
    "run-error": CauseEntry(
        FAILING, "the engine could not carry it on{why}", "Correct what the text names, and start it again.", _SHOW
    ),
    "run-canceled": CauseEntry(NOTE, "{who} canceled it{why}", "Start it again if you need its results.", _SHOW),
    "occurrences-skipped": CauseEntry(
        NOTE,
        "{n} earlier occurrence(s) of the schedule {schedule!r} were missed while no WMS ran, and are skipped",
        "Launch the template by hand if you need them.",
        "ewms tree schedule show {schedule}",
    ),
}
