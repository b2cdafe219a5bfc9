"""What a pilot publishes about every event if the task asks for that: its outcome, and what its run wrote. (core)

    QUEUE_OUTGOING ─┬─ EWMS_PILOT_OUTCOMES_TO ──► one EventOutcome for each event
                    ├─ EWMS_PILOT_LOGS_TO ──────► LogPieces while the task runs
                    └─ all others ──────────────► the task's output, or the event itself (EWMS_PILOT_FORWARD_EVENTS)

Both are JSON objects. The pilot imports this module, so it uses no pydantic. Readers use
`schemas.pilot.outcome_reading`.

An event may have several outcomes. If a pilot loses its broker in the middle of a run, another pilot reports the event
as in doubt, and the first one reports the true end later. So `supersedes` says which outcome holds.
"""

from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from schemas.ids import EventId, TaskId
from schemas.payloads.data_events import output_id
from schemas.payloads.json_text import dump_json

#: The most bytes of a task's output in an outcome, as JSON. A larger output makes the outcome `OUTPUT_UNUSABLE`.
MAX_OUTPUT_BYTES = 1024 * 1024
#: The most bytes of text in one piece of a log.
MAX_PIECE_BYTES = 64 * 1024
#: The most characters in an outcome's error.
MAX_ERROR = 2000

_NO_TASK = TaskId("")


class RunEnding(StrEnum):
    """How the task's run on one event ended."""

    #: The task ended by itself: `exit_status` says how. Exit status 0 is success.
    EXITED = "exited"
    #: The container could not be started, so the task has not run.
    NOT_STARTED = "not-started"
    #: The task ran longer than EWMS_PILOT_TASK_TIMEOUT, and the pilot killed it.
    TIMED_OUT = "timed-out"
    #: The pilot killed the task: its worker had to end, or had no more memory.
    CUT_OFF = "cut-off"
    #: A pilot was lost with the event, so the task may have run. With EWMS_PILOT_AT_MOST_ONCE it does not run again.
    IN_DOUBT = "in-doubt"
    #: The event cannot become an infile, so the task has not run.
    INPUT_UNUSABLE = "input-unusable"
    #: The task ended with exit status 0, and left an outfile that is too large or unreadable.
    OUTPUT_UNUSABLE = "output-unusable"


class TaskStream(StrEnum):
    """The two streams to which a container writes."""

    STDOUT = "stdout"
    STDERR = "stderr"


@dataclass(frozen=True, slots=True)
class LogLength:
    """How much of one stream the pilot has published. Without a piece (`n_pieces` 0) the task wrote nothing."""

    n_pieces: int = 0
    #: What the task wrote, in bytes, also what the pilot left out.
    n_bytes: int = 0
    #: Whether the pilot left out the rest: the task wrote more than EWMS_PILOT_LOG_LIMIT, or the broker was away.
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """How one event ended on one pilot."""

    #: Empty if the publisher set no id. Then `key` or the payload must identify the event.
    event_id: EventId
    #: Attempts count from 1. Only lost pilots and failures of the container runtime lead to further attempts.
    attempt: int
    ending: RunEnding
    #: The task's exit status; 128 + n if signal n ended the task; None if the task did not exit.
    exit_status: int | None = None
    #: Why the event did not succeed: empty after success.
    error: str = ""
    #: The name of this run, random; its log pieces carry it, too. Empty if the task did not run.
    run: str = ""
    #: The key that the publisher gave to the event (`x-ewms-key`).
    key: str = ""
    task_id: TaskId = _NO_TASK
    taskforce_uuid: str = ""
    #: The content of the outfile: any JSON value, a text, or bytes in base64, as `output_type` says. Without an outfile
    #: `output_type` is empty.
    output: Any = None
    output_type: str = ""
    #: Whether the next task has got the event (EWMS_PILOT_FORWARD_EVENTS). None: the task forwards nothing, or
    #: this is in doubt, because the broker was lost before its confirm.
    forwarded: bool | None = None
    #: When the run began and ended, ISO 8601 in UTC. Empty if the task did not run.
    started_at: str = ""
    ended_at: str = ""
    site: str = ""
    machine: str = ""
    slot: str = ""
    worker: int | None = None
    stdout: LogLength = field(default_factory=LogLength)
    stderr: LogLength = field(default_factory=LogLength)

    @property
    def is_success(self) -> bool:
        """Whether the task succeeded."""
        return self.ending is RunEnding.EXITED and self.exit_status == 0


@dataclass(frozen=True, slots=True)
class LogPiece:
    """A piece of what one run wrote to one stream. The pieces of a stream, in order of their numbers, are its text.

    A piece may come twice. Then `run`, `stream` and `number` are the same.
    """

    event_id: EventId
    attempt: int
    run: str
    stream: TaskStream
    #: From 0.
    number: int
    #: Bytes that are not UTF-8 are replaced. The values of secrets are masked.
    text: str
    is_last: bool = False
    #: Whether this piece ends with the note that the rest is left out.
    is_cut: bool = False
    key: str = ""
    task_id: TaskId = _NO_TASK
    taskforce_uuid: str = ""


def supersedes(new: EventOutcome, old: EventOutcome) -> bool:
    """Return whether `new` replaces `old`, an outcome of the same event and task.

    What a pilot knows replaces a doubt. Between two that know, the first one stays.
    """
    return old.ending is RunEnding.IN_DOUBT and new.ending is not RunEnding.IN_DOUBT


def outcome_to_bytes(outcome: EventOutcome) -> bytes:
    """Return `outcome` as JSON, its error cut to `MAX_ERROR` characters."""
    return dump_json(asdict(replace(outcome, error=outcome.error[:MAX_ERROR])))


def piece_to_bytes(piece: LogPiece) -> bytes:
    """Return `piece` as JSON."""
    return dump_json(asdict(piece))


def outcome_event_id(parent: EventId, task: TaskId, attempt: int) -> EventId | None:
    """Return the id of the event that carries an outcome. A repeat of the outcome has the same id.

    Return None if `parent`, the id of the input event, is not a UUID. Then the caller draws a random id.
    """
    return output_id(parent, TaskId(f"{task}/outcome"), attempt)
