"""The causes why nothing starts: at the times of a schedule, and on a subscription."""

from collections.abc import Mapping

from schemas.causes.entry import BLOCKED, FAILING, NOTE, PASSING, CauseEntry

_SCHEDULE = "ewms tree schedule show {id}"
_SUBSCRIPTION = "ewms subscription show {id}"

SCHEDULE_CAUSES: Mapping[str, CauseEntry] = {
    "schedule-disabled": CauseEntry(
        BLOCKED,
        "it is disabled, so it launches nothing",
        "Enable it. It does not make up for the times that have passed meanwhile.",
        "ewms tree schedule enable {id}",
    ),
    "schedule-late": CauseEntry(
        BLOCKED,
        "the occurrence at {at} is due, and WMS has not decided about it",
        "WMS decides within seconds of its start. If this lasts, ask the operator to read its log.",
        "ewms doctor",
    ),
    "launch-refused": CauseEntry(
        FAILING,
        "nothing was launched at {at}: {why}",
        "Correct what the text names. The next occurrence launches again.",
        _SCHEDULE,
    ),
    "occurrence-skipped": CauseEntry(
        NOTE,
        "the occurrence of {at} was {why}",
        "Nothing, if that is what the schedule's settings are for; else change them.",
        _SCHEDULE,
    ),
    "occurrence-awaited": CauseEntry(
        PASSING, "the next occurrence is at {at}", "Wait, or launch the template by hand.", _SCHEDULE
    ),
    "schedule-over": CauseEntry(
        NOTE, "its rule has no occurrence left", "Change the rule if it should go on.", _SCHEDULE
    ),
}

#: The reason of an obstacle (`schemas.start_gates`) -> the cause and what helps.
_GATES: Mapping[str, tuple[str, str]] = {
    "not_found": ("gate-not-found", "Check the id of the subscription."),
    "not_attached": ("gate-not-attached", "Use a workflow of this product, or let a step worker register the product."),
    "not_in_sync": (
        "gate-out-of-sync",
        "Wait for the process that works on it. After a failure, mend its data and set it in sync.",
    ),
    "relations_not_in_sync": (
        "gate-relations-out-of-sync",
        "Wait for the processes on the related subscriptions, or mend these and set them in sync.",
    ),
    "no_modify_invalid_status": (
        "gate-lifecycle",
        "Bring the subscription to one of these lifecycles first, or change WF_USABLE_MAP.",
    ),
    "no_modify_subscription_in_use_by_others": ("gate-in-use", "Terminate the subscriptions that use this one first."),
    "not_authorized": ("gate-unauthorized", "Ask for a role that the workflow allows."),
    "stale_version": ("gate-stale-version", "Read the subscription again, and start with its new version."),
}

#: These are about a workflow. Their texts go on after `WORKFLOW: `.
GATE_CAUSES: Mapping[str, CauseEntry] = {
    **{cause: CauseEntry(BLOCKED, "may not start: {why}", remedy, _SUBSCRIPTION) for cause, remedy in _GATES.values()},
    "gate-other": CauseEntry(BLOCKED, "may not start: {why}", "Do what the text names.", _SUBSCRIPTION),
    "gates-open": CauseEntry(NOTE, "{n} workflow(s) may start on it", "Start one.", "ewms subscription workflows {id}"),
}


def find_gate_cause(reason: str) -> str:
    """Return the cause for a workflow that may not start for this `reason`."""
    return _GATES[reason][0] if reason in _GATES else "gate-other"
