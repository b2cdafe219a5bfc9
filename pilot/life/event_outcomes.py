"""Describe how an event ended, for the outcome that the pilot publishes. (core)"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pilot.failures.failure import Failure
from pilot.failures.secret_mask import SecretMask
from pilot.machine.whereabouts import Whereabouts
from pilot.settings import PilotSettings
from schemas.ids import EventId
from schemas.payloads.data_events import BINARY, JSON, DataEvent, DeadReason, Header
from schemas.payloads.json_text import dump_json, load_json
from schemas.pilot.outcomes import MAX_OUTPUT_BYTES, EventOutcome, LogLength, RunEnding, TaskStream

_MAX_KEY = 256

_BY_REASON: Mapping[DeadReason, RunEnding] = {
    DeadReason.TASK_TIMED_OUT: RunEnding.TIMED_OUT,
    DeadReason.TASK_OUTLIVED_WORKER: RunEnding.CUT_OFF,
    DeadReason.OUT_OF_MEMORY: RunEnding.CUT_OFF,
    DeadReason.KILLED_WORKERS: RunEnding.IN_DOUBT,
    DeadReason.UNREADABLE: RunEnding.INPUT_UNUSABLE,
    DeadReason.OUTPUT_TOO_LARGE: RunEnding.OUTPUT_UNUSABLE,
    DeadReason.OUTPUT_UNREADABLE: RunEnding.OUTPUT_UNUSABLE,
}


class PublishedLogs(Protocol):
    """The logs of a run that are on their way to the broker."""

    async def finish_sending(self) -> Mapping[TaskStream, LogLength]:
        """Wait for their confirms, for a limited time. Return how much of each stream was published."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a pilot knows of one run. Without a run, only the attempt."""

    attempt: int
    name: str = ""
    started_at: str = ""
    ended_at: str = ""
    output: bytes | None = None
    output_type: str = ""
    forwarded: bool | None = None
    lengths: Mapping[TaskStream, LogLength] = field(default_factory=dict)


def find_ending(failure: Failure | None) -> RunEnding:
    """Return the ending that `failure` means. None is a success."""
    if failure is None:
        return RunEnding.EXITED
    if failure.by_runtime:
        return RunEnding.NOT_STARTED
    if failure.reason is DeadReason.TASK_FAILED:
        # A task that succeeded, but whose output the broker refused, has no exit code here.
        return RunEnding.OUTPUT_UNUSABLE if failure.exit_code is None else RunEnding.EXITED
    return _BY_REASON[failure.reason]


def describe_outcome(
    event: DataEvent | None,
    failure: Failure | None,
    run: RunFacts,
    *,
    settings: PilotSettings,
    whereabouts: Whereabouts,
    mask: SecretMask,
) -> EventOutcome:
    """Return the outcome of `event` (None for a source's only run). `mask` hides secrets in the output."""
    ending = find_ending(failure)
    error = "" if failure is None else str(failure)
    output, output_type = None, ""
    if run.output is not None:
        try:
            output, output_type = _put_into_json(run.output, run.output_type, mask), run.output_type
            if len(dump_json(output)) > MAX_OUTPUT_BYTES:
                raise ValueError(
                    f"it has more than {MAX_OUTPUT_BYTES} bytes: write large results to storage and send their address"
                )
        except ValueError as problem:
            output, output_type = None, ""
            if failure is None:
                ending = RunEnding.OUTPUT_UNUSABLE
                error = f"the outfile cannot be part of the outcome: {problem}"
    exit_status = None
    if ending in (RunEnding.EXITED, RunEnding.OUTPUT_UNUSABLE):
        exit_status = (failure.exit_code if failure is not None else None) or 0
    key = event.headers.get(Header.KEY, "") if event is not None else ""
    return EventOutcome(
        event_id=event.id if event is not None else EventId(""),
        attempt=run.attempt,
        ending=ending,
        exit_status=exit_status,
        error=error,
        run=run.name,
        key=key[:_MAX_KEY] if isinstance(key, str) else "",
        task_id=settings.task_id,
        taskforce_uuid=settings.taskforce_uuid,
        output=output,
        output_type=output_type,
        forwarded=run.forwarded,
        started_at=run.started_at,
        ended_at=run.ended_at,
        site=whereabouts.site,
        machine=whereabouts.machine,
        slot=whereabouts.slot,
        worker=whereabouts.worker,
        stdout=run.lengths.get(TaskStream.STDOUT, LogLength()),
        stderr=run.lengths.get(TaskStream.STDERR, LogLength()),
    )


def _put_into_json(body: bytes, content_type: str, mask: SecretMask) -> Any:
    """Return an outfile's content as a JSON value, without secrets.

    Raises:
        ValueError: the content is not what its type says.
    """
    if content_type == JSON:
        return mask.mask_json(load_json(body))
    body = mask.mask_bytes(body)
    return base64.b64encode(body).decode() if content_type == BINARY else body.decode()
