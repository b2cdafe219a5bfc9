"""The causes that concern a workflow's queues and the way to its end."""

from collections.abc import Mapping

from schemas.causes.entry import BLOCKED, FAILING, NOTE, PASSING, SLOWED, CauseEntry

_AWAITED = "its queues do not exist yet: {why}"
_LIST = "ewms workflow list"
_SHOW = "ewms workflow show {workflow}"
_WHY = "ewms taskforce why {task}"

#: Cause -> a part of the reason why MQS defers the queues, and what helps. The order counts: the first match wins.
_DEFERRALS: Mapping[str, tuple[str, str]] = {
    "queues-too-many": (
        "queues, but the broker's budget is",
        "It can never start: use fewer queues, or ask the operator for a larger budget (EWMS_BUDGET_QUEUES).",
    ),
    "owner-budget": (
        "its owner has",
        "You hold as many queues as one owner may: finish workflows that you no longer need.",
    ),
    "queue-budget": (
        "more than the broker's budget has left",
        "The broker is full. It starts when other workflows end: finish those that you no longer need.",
    ),
    "room-kept": (
        "room on the broker is kept for",
        "An earlier workflow waits for room. It starts after that one, or when others end.",
    ),
    "byte-budget": (
        "bytes of events, and its budget is",
        "The broker holds too many bytes: fetch results, and finish workflows that you no longer need.",
    ),
    "connection-budget": (
        "connections, and its budget is",
        "Too many clients are connected. It starts when some leave.",
    ),
    "mqs-silent": (
        "MQS has not answered",
        "The queue service does not answer: ask the operator to start it.",
    ),
}

QUEUE_CAUSES: Mapping[str, CauseEntry] = {
    "broker-away": CauseEntry(
        BLOCKED,
        "the events in the queues cannot be counted: {why}",
        "The broker or the queue service is away. Workers go on when it is back: ask the operator.",
        "ewms doctor",
    ),
    **{key: CauseEntry(BLOCKED, _AWAITED, remedy, _LIST) for key, (_, remedy) in _DEFERRALS.items()},
    "queues-awaited": CauseEntry(BLOCKED, _AWAITED, "The queue service creates them when it can: wait.", _LIST),
    "no-workers": CauseEntry(
        BLOCKED,
        "{n} event(s) are left, and no worker comes: {why}",
        "Remove the cause that the text names, or add workers at another place.",
    ),
    "source-stuck": CauseEntry(
        BLOCKED, "no worker comes: {why}", "Remove the cause that the text names, or add workers at another place."
    ),
    "no-takers": CauseEntry(
        BLOCKED,
        "{n} event(s) are left, and {n_workers} worker(s) that should take them are not connected{why}",
        "The workers do not reach the broker: check the network of the place.",
        _WHY,
    ),
    "takes-nothing": CauseEntry(
        BLOCKED,
        "{n} event(s) are left, and the {n_consumers} consumer(s) of the queue take none",
        "A task may hang: look at the workers' logs, or give the task a timeout.",
        _WHY,
    ),
    "all-bad": CauseEntry(
        FAILING,
        "{n} event(s) are left for a task that fails on every worker: {why}",
        "Try the task on one event by hand, correct it, and submit the workflow again.",
    ),
    "failing": CauseEntry(
        FAILING,
        "{n} event(s) are left for a task that fails on every worker: {why}; each failure counts now, and the events "
        "become dead letters",
        "Abort the workflow to keep the events from becoming dead letters, and correct the task.",
    ),
    "waits-for-restart": CauseEntry(
        PASSING,
        "{n} event(s) are left until a worker starts again: {why}",
        "Wait for the end of the pause, or remove the cause of the failures.",
    ),
    "few-workers": CauseEntry(
        SLOWED,
        "{n} event(s) wait in {alias}, and {n_workers} worker(s) take events from it",
        "Add workers if you want the end sooner.",
        "ewms task add-workers {task} -n {n_workers}",
    ),
    "statuses-stale": CauseEntry(
        SLOWED,
        "{taskforce}: the statuses are of {at}: the TMS has reported nothing since",
        "What you see may be out of date. Ask the operator of that place to start its TMS.",
        "ewms cluster list",
    ),
    "results-short": CauseEntry(
        SLOWED,
        "no event is left, and {n} of {n_expected} expected results have arrived",
        "Replay dead letters, publish more, or finish the workflow.",
        _SHOW,
    ),
    "nothing-published": CauseEntry(
        NOTE,
        "no event has come into {alias} yet, and {n_workers} worker(s) wait for the first one",
        "Publish events.",
        "ewms queue publish {workflow} {alias} FILE",
    ),
    "first-awaited": CauseEntry(
        NOTE,
        "{n} event(s) of {alias} are in work, and none of its events is done yet",
        "Wait for as long as one event takes. After that time read the workers' logs: a task may hang, and a warm task "
        "must flush each line that it answers.",
        "ewms task logs {workflow}",
    ),
    "inputs-open": CauseEntry(
        NOTE,
        "every event so far {settled}; the inputs are open: publish more, or close them to end the run",
        "Close the inputs if no more events come.",
        "ewms workflow close-inputs {workflow}",
    ),
    "results-waiting": CauseEntry(
        NOTE, "{n} result(s) wait in {alias}", "Fetch them.", "ewms queue consume {workflow} {alias}"
    ),
    "stop-failed": CauseEntry(
        BLOCKED,
        "{taskforce}: its workers could not be stopped, {n} time(s)",
        "WMS tries again with growing pauses. Ask the operator of the schedd if this lasts.",
        "ewms taskforce show {taskforce}",
    ),
    "stop-stuck": CauseEntry(
        BLOCKED,
        "{taskforce}: its workers are not stopped: {why}",
        "Ask the operator of that place to start its TMS.",
        "ewms taskforce show {taskforce}",
    ),
    "stopping": CauseEntry(PASSING, "{n} taskforce(s) are being stopped", "Wait until the workers have left.", _SHOW),
    "ended-aborted": CauseEntry(NOTE, "a user aborted the workflow", "Submit it again if you need its results.", _SHOW),
    "ended-finished": CauseEntry(NOTE, "a user finished the workflow", "Nothing is left to do.", _SHOW),
    "ended-done": CauseEntry(NOTE, "the workflow is done", "Fetch the results before their queues are deleted.", _SHOW),
    "ended-with-failures": CauseEntry(
        FAILING,
        "the workflow is done with failures{why}",
        "Read the dead letters. Replay them into a new workflow once the cause is removed.",
        "ewms dlq list {workflow}",
    ),
    "moving": CauseEntry(NOTE, "nothing is in the way", "Watch it.", "ewms workflow watch {workflow}"),
}


def find_deferral_cause(reason: str) -> str:
    """Return the cause for queues that MQS has deferred for `reason`."""
    return next((key for key, (part, _) in _DEFERRALS.items() if part in reason), "queues-awaited")
