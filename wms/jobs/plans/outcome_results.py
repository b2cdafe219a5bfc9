"""Read from a pilot's outcome what a task has done on a host. (core)

ending                                            the host
exited, exit status 0                             ok
exited, another exit status                       failed: the task said no
timed out, no usable output                       failed
cut off by the end of its worker                  error
not started, input unusable                       error: the task has not run
in doubt                                          error, until a pilot knows better
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from schemas.automation.jobs import MAX_ARTIFACT_BYTES, HostResult, HostState
from schemas.pilot.outcomes import EventOutcome, RunEnding
from wms.jobs.plans.payloads import dump_json

_STATES: Mapping[RunEnding, HostState] = {
    RunEnding.EXITED: HostState.FAILED,
    RunEnding.TIMED_OUT: HostState.FAILED,
    RunEnding.CUT_OFF: HostState.ERROR,
    RunEnding.OUTPUT_UNUSABLE: HostState.FAILED,
    RunEnding.NOT_STARTED: HostState.ERROR,
    RunEnding.INPUT_UNUSABLE: HostState.ERROR,
    RunEnding.IN_DOUBT: HostState.ERROR,
}


def read_outcome(outcome: EventOutcome) -> HostResult:
    """Return what the task has done, as this outcome tells it."""
    state = HostState.OK if outcome.is_success else _STATES[outcome.ending]
    artifacts = dump_json(outcome.output) if outcome.output_type else ""
    reason = outcome.error
    if len(artifacts.encode()) > MAX_ARTIFACT_BYTES:
        artifacts = ""
        reason = reason or f"its output is not kept: it has more than {MAX_ARTIFACT_BYTES} bytes as JSON"
    if state is HostState.FAILED and not reason:
        reason = f"it ended with exit status {outcome.exit_status}"
    return HostResult(
        state=state,
        exit_status=outcome.exit_status,
        reason=reason,
        attempt=outcome.attempt,
        is_doubtful=outcome.ending is RunEnding.IN_DOUBT,
        artifacts=artifacts,
        began_at=_read_time(outcome.started_at),
        ended_at=_read_time(outcome.ended_at),
    )


def share_result(result: HostResult, hosts: Sequence[str]) -> list[tuple[str, HostResult]]:
    """Return the result of each of `hosts`, for which one container ran. The first host has its output."""
    others = result.model_copy(update={"artifacts": ""})
    return [(host, others if place else result) for place, host in enumerate(hosts)]


def _read_time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
