"""The failures of tasks whose worker or pilot ended first. (core)"""

from pilot.failures.failure import Failure
from schemas.payloads.data_events import DeadReason


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
