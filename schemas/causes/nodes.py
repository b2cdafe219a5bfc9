"""The causes that concern one node of a run: a step, a wait, or a job of a tree. Each text goes on after `NODE: `."""

from collections.abc import Mapping

from schemas.causes.entry import BLOCKED, FAILING, NOTE, PASSING, SLOWED, CauseEntry

_POOLS = "ewms pool list"
_LOG = "ewms {noun} show {id}"
_WATCH = "ewms {noun} watch {id}"
_FAILED = "failed: {why}"

#: Cause -> parts of the reason why no step worker can run a node, and what helps. The first match wins.
_UNSERVED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "pool-empty": (
        ("is there", "has ever been there"),
        "Start a step worker of this pool (ewms worker --pool POOL --module MODULE), or ask the operator to.",
    ),
    "definition-unoffered": (
        ("as it was when the run was launched",),
        "Start a step worker with the code from before. Or abort it, and start a new one with the code of today.",
    ),
}

#: Cause -> the classes of errors that it covers, and what helps. The text has the error's own message.
_FAILURES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "step-timed-out": (
        ("TimedOut",),
        "Check what the step did until then. Raise its timeout, or make it faster, and retry.",
    ),
    "step-workers-lost": (
        ("WorkerLost",),
        "The step most likely kills its worker: read the workers' logs, check what the step did, and retry.",
    ),
    "approval-denied": (("Denied",), "Ask the person who denied it. Launch again when the objection is gone."),
    "child-failed": (
        ("ChildEnded",),
        "Remove the cause of the failure below it, which the message names, and start it again.",
    ),
    "state-too-large": (
        ("StateTooLarge",),
        "Let the step keep large values elsewhere, and leave only references in the state.",
    ),
}

NODE_CAUSES: Mapping[str, CauseEntry] = {
    **{key: CauseEntry(BLOCKED, "{why}", remedy, _POOLS) for key, (_, remedy) in _UNSERVED.items()},
    "step-unserved": CauseEntry(
        BLOCKED,
        "no step worker can run it: {why}",
        "Correct what the text names. WMS tries every 30 s.",
        _POOLS,
    ),
    "step-queued": CauseEntry(
        SLOWED,
        "waits since {at} for a step worker: {n_workers} of the pool {pool!r} run {n_running} step(s)",
        "Wait for a free one, or start more step workers of this pool.",
        _POOLS,
    ),
    "step-running": CauseEntry(
        NOTE, "the step worker {worker} has run it since {at}", "Wait until the step ends.", _WATCH
    ),
    "step-sent-again": CauseEntry(
        SLOWED,
        "{n} step worker(s) were lost while they ran it, so it was sent again",
        "Read the logs of the lost workers. After three losses the step fails.",
        _POOLS,
    ),
    "child-starting": CauseEntry(PASSING, "WMS starts what it runs", "Wait: this takes seconds.", _WATCH),
    "child-running": CauseEntry(NOTE, "{what} is under way", "Look how far it is."),
    "workflow-running": CauseEntry(
        NOTE,
        "the workflow {workflow} is under way",
        "Wait, or ask why that workflow does not move.",
        "ewms workflow explain {workflow}",
    ),
    "workflow-stalled": CauseEntry(
        BLOCKED,
        "the workflow {workflow} is stalled: {why}",
        "Do what the explanation of that workflow says.",
        "ewms workflow explain {workflow}",
    ),
    "callback-awaited": CauseEntry(
        BLOCKED,
        "waits since {at} for a callback from the system that the step before called{until}",
        "That system must answer. If its answer is lost, a retry calls the step again.",
        "ewms process retry {id}",
    ),
    "event-awaited": CauseEntry(
        BLOCKED,
        "waits since {at} for the event {name!r} with the correlation {correlation!r}{until}",
        "Publish the event, or mend the system that should publish it.",
        "ewms process publish-event {name} --correlation {correlation}",
    ),
    "form-awaited": CauseEntry(
        BLOCKED,
        "waits since {at} for a person who fills in its form{until}",
        "Fill in the form, or abort the process.",
        "ewms process resume {id}",
    ),
    "approval-awaited": CauseEntry(
        BLOCKED,
        "waits since {at} for an approval{until}",
        "Approve or deny it, here or on the web page.",
    ),
    "poll-awaited": CauseEntry(
        PASSING,
        "its answer was `pending` {n} time(s), so the engine calls it again at {at}",
        "Wait, or retry now.",
        "ewms process retry {id}",
    ),
    "retry-awaited": CauseEntry(
        FAILING,
        "{n} attempt(s) failed, the last one with: {why}. The next one begins at {at}",
        "Remove the cause that the error names. A retry does not wait for that time.",
        "ewms process retry {id}",
    ),
    "data-inconsistent": CauseEntry(
        FAILING,
        "a check failed: {why}",
        "Mend the data of the subscription or of the outside system, then retry.",
        "ewms process retry {id}",
    ),
    "api-unavailable": CauseEntry(
        FAILING,
        "a system that it calls is away: {why}",
        "Retry when that system is back.",
        "ewms process retry {id}",
    ),
    **{key: CauseEntry(FAILING, _FAILED, remedy, _LOG) for key, (_, remedy) in _FAILURES.items()},
    "wait-expired": CauseEntry(
        FAILING,
        "failed: {why}",
        "Ask who or what should have answered. A retry waits anew.",
        _LOG,
    ),
    "step-failed": CauseEntry(
        FAILING, _FAILED, "Read the error with its traceback, remove its cause, and retry.", _LOG
    ),
    "template-missing": CauseEntry(
        FAILING, "{why}", "Give the node a template again, or remove the node, and launch the tree again.", _LOG
    ),
    "failure-handled": CauseEntry(
        NOTE, "ended as {status}, and an edge leads on from there{why}", "Do nothing: the tree provides for it.", _LOG
    ),
    "join-awaited": CauseEntry(
        PASSING, "{why}", "Wait until its other parents are over, or look why they do not move.", _LOG
    ),
    "node-passed": CauseEntry(
        NOTE, "does not run: {why}", "Change the edges of the template if it should have run.", _LOG
    ),
}


def find_unserved_cause(reason: str) -> str:
    """Return the cause for a node that no step worker can run for `reason`."""
    return next(
        (key for key, (parts, _) in _UNSERVED.items() if any(reason.endswith(part) for part in parts)), "step-unserved"
    )


def find_failure_cause(error_class: str) -> str:
    """Return the cause for a node that failed with an error of this class."""
    return next((key for key, (names, _) in _FAILURES.items() if error_class in names), "step-failed")
