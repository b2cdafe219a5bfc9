"""Find how many of a taskforce's workers are missing, why, and which command helps. (core)

A worker is *at work* while its pilot takes events. Every other wanted worker is missing for one reason. Either the
reason passes by itself (the worker *is coming*), or a person must act.

    {"RUNNING": {"Tasking": 3}, "HELD: memory": {"null": 1}}, 4 wanted   ->   3 at work, 1 missing: held, memory
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from schemas.causes.holds import find_hold_cause
from schemas.causes.table import write_command, write_text
from schemas.causes.workers import find_kill_cause, find_slot_cause
from schemas.explain.unmatched import complain_of_unmatched
from schemas.fleet.phases import WANTED, Phase
from schemas.fleet.statuses import HOLD_OF_KILL, HOLD_OF_PAUSE, SILENT, TAKING_EVENTS, JobStatus, PilotStatus
from schemas.ids import workflow_of
from wms.fleet.stalls.crew import Crew

#: A TMS answers an order in a second or two. After this long without an answer it counts as silent.
ANSWER_WITHIN = timedelta(seconds=14)
#: A TMS repeats unchanged statuses every 30 s. After this long without statuses it counts as silent.
HEARD_WITHIN = timedelta(seconds=40)
#: A TMS that polls over REST asks about once a minute. If it does not take a taskforce for this long, it counts as
#: silent.
ASKED_WITHIN = timedelta(minutes=3)

#: Pilots that will soon take events.
_PREPARING = frozenset({PilotStatus.STARTED, PilotStatus.RUNNING_INIT_COMMAND})


class Lack(StrEnum):
    """Why a worker is missing. The reasons are in order: the first is the most serious."""

    TMS_SILENT = "tms-silent"
    START_FAILED = "start-failed"
    DRAINED = "drained"
    LOST = "lost"
    NO_SLOT = "no-slot"
    HELD = "held"
    GONE = "gone"
    SUSPENDED = "suspended"
    ENDED = "ended"
    #: From here on the reasons pass by themselves; a pause may take minutes.
    PAUSED = "paused"
    PILOT_FAILED = "pilot-failed"
    START_AGAIN = "start-again"
    STARTING = "starting"
    ALL_BAD = "all-bad"
    SLOT_AWAITED = "slot-awaited"
    PREPARING = "preparing"
    LEAVING = "leaving"

    @property
    def rank(self) -> int:
        """Return how serious this reason is; 0 is the most serious."""
        return list(Lack).index(self)


#: The causes that the errors of workers explain.
_SHOWN_BY_ERRORS = frozenset({"pilot-failed", "paused", "all-bad-elsewhere"})

#: Reasons that pass by themselves: after a pause of seconds or minutes, or as soon as the pool allows it.
_LATER = frozenset({Lack.PAUSED, Lack.PILOT_FAILED})
_SOON = frozenset({Lack.START_AGAIN, Lack.STARTING, Lack.ALL_BAD, Lack.SLOT_AWAITED, Lack.PREPARING, Lack.LEAVING})


@dataclass(frozen=True, slots=True)
class WorkerShortage:
    """Workers that take no events for the same reason, and the command that helps or shows more.

    `cause` is the reason's name in the table of causes, which has its text (`schemas.causes.workers`).
    """

    lack: Lack
    n_workers: int
    cause: str
    text: str
    command: str

    @property
    def is_coming(self) -> bool:
        """Whether these workers come without the action of a person."""
        return self.lack in _SOON | _LATER

    @property
    def is_soon(self) -> bool:
        """Whether these workers come as soon as the pool has room."""
        return self.lack in _SOON


def find_missing_workers(crew: Crew, now: datetime) -> tuple[WorkerShortage, ...]:
    """Return why workers of `crew` are missing, the most serious reasons first. Return () if all are at work."""
    found = (
        _find_missing_in_phase(crew, now) if crew.phase is not Phase.CONDOR_SUBMIT else _find_missing_in_pool(crew, now)
    )
    return tuple(sorted(found, key=lambda missing: missing.lack.rank))


def _find_missing_in_phase(crew: Crew, now: datetime) -> list[WorkerShortage]:
    """Return why a taskforce has no jobs."""
    lack, cause, values = _judge_phase(crew, now)
    return [_make_shortage(crew, lack, cause, write_text(cause, schedd=crew.schedd, **values), crew.n_wanted)]


def _judge_phase(crew: Crew, now: datetime) -> tuple[Lack, str, dict[str, str]]:
    """Return why a taskforce has no jobs: how serious that is, the cause, and the values of its text."""
    if not crew.phase.is_known:
        return Lack.STARTING, "phase-unknown", {"phase": str(crew.phase)}
    if crew.has_ended and crew.stuck:
        return Lack.LOST, "location-lost", {"why": crew.stuck}
    if crew.phase not in WANTED or crew.has_ended:
        return Lack.ENDED, "ended", {"ends": _describe_ends(crew.exit_codes)}
    if crew.drained and (crew.phase is Phase.PRE_LAUNCH or _waits_for_order(crew)):
        return Lack.DRAINED, "location-drained", {"why": crew.drained}
    if crew.phase is not Phase.PENDING_STARTER:
        return Lack.STARTING, "turn-awaited", {}
    if crew.stuck and crew.asked_at is not None:
        return Lack.TMS_SILENT, "tms-given-up", {"why": crew.stuck}
    if crew.stuck:
        return Lack.START_FAILED, "start-failed", {"why": crew.stuck}
    if crew.asked_at is not None:
        # `asked_at` is the time of the last request. A second request means that the first had no answer for half a
        # minute or more.
        if crew.n_asked > 1 or now - crew.asked_at > ANSWER_WITHIN:
            return Lack.TMS_SILENT, "tms-unanswered", {}
        return Lack.STARTING, "being-started", {}
    if crew.retry_at is not None and crew.retry_at > now:
        return Lack.START_AGAIN, "start-again", {"at": _format_time(crew.retry_at)}
    if not crew.port.takes_orders and now - crew.since > ASKED_WITHIN:
        return Lack.TMS_SILENT, "tms-not-asking", {"since": _format_time(crew.since)}
    return Lack.STARTING, "turn-awaited", {}


def _waits_for_order(crew: Crew) -> bool:
    """Return whether WMS has not ordered the start yet, or not again after a failure."""
    return crew.phase is Phase.PENDING_STARTER and not crew.stuck and crew.asked_at is None


def _find_missing_in_pool(crew: Crew, now: datetime) -> list[WorkerShortage]:
    """Return why jobs of a taskforce do not take events."""
    heard_at = crew.as_of or crew.since
    if crew.port.repeats_statuses and now - heard_at > HEARD_WITHIN:
        text = write_text("statuses-missing", schedd=crew.schedd, since=_format_time(heard_at))
        return [_make_shortage(crew, Lack.TMS_SILENT, "statuses-missing", text, crew.n_wanted)]
    if not crew.statuses:
        text = write_text("no-status-yet")
        return [_make_shortage(crew, Lack.STARTING, "no-status-yet", text, crew.n_wanted)]
    found: dict[tuple[Lack, str, str], int] = {}
    for job, pilots in crew.statuses.items():
        for pilot, n in pilots.items():
            if (why := _find_lack(crew, job, pilot)) is not None:
                lack, cause, values = why
                key = (lack, cause, write_text(cause, **values))
                found[key] = found.get(key, 0) + n
    return [_make_shortage(crew, lack, cause, text, n) for (lack, cause, text), n in found.items() if n > 0]


def _make_shortage(crew: Crew, lack: Lack, cause: str, text: str, n_workers: int) -> WorkerShortage:
    return WorkerShortage(lack, n_workers, cause, text, _choose_command(cause, crew))


def _find_lack(crew: Crew, job: str, pilot: str) -> tuple[Lack, str, dict[str, str]] | None:
    """Return why jobs with the status `job` and the pilot status `pilot` take no events: how serious that is, the
    cause, and the values of its text. Return None if they take events.
    """
    if job.startswith(JobStatus.HELD) and HOLD_OF_PAUSE in job:
        killer = _find_killer(job)
        return Lack.PAUSED, find_kill_cause(killer) if killer else "paused", {"signal": killer}
    if job.startswith(JobStatus.HELD):
        why = job.partition(":")[2].strip() or "no reason given"
        return Lack.HELD, find_hold_cause(why), {"why": why}
    match job:
        case JobStatus.RUNNING if pilot in TAKING_EVENTS:
            return None
        case JobStatus.RUNNING if pilot == SILENT:
            # They start, or the pool has restarted and looks for them.
            return Lack.PREPARING, "not-reported", {}
        case JobStatus.RUNNING if pilot in _PREPARING:
            return Lack.PREPARING, "preparing", {}
        case JobStatus.RUNNING if pilot == PilotStatus.FATAL_ERROR:
            return Lack.PILOT_FAILED, "pilot-failed", {}
        case JobStatus.RUNNING:
            return Lack.LEAVING, "leaving", {}
        case JobStatus.IDLE if crew.unmatched:
            reason, _ = complain_of_unmatched(crew.unmatched, crew.task_index)
            return Lack.NO_SLOT, find_slot_cause(reason), {"why": reason}
        case JobStatus.IDLE if crew.is_all_bad:
            return Lack.ALL_BAD, "all-bad-elsewhere", {}
        case JobStatus.IDLE:
            return Lack.SLOT_AWAITED, "slot-awaited", {}
        case JobStatus.SUSPENDED:
            return Lack.SUSPENDED, "suspended", {}
        case _:
            return Lack.GONE, "gone", {"ends": _describe_ends(crew.exit_codes)}


def _find_killer(job: str) -> str:
    """Return the signal in the status of a paused job. Return "" if its pilot ended by itself."""
    _, killed, rest = job.partition(HOLD_OF_KILL)
    return rest.rpartition("; it ")[0] if killed else ""


def _describe_ends(exit_codes: Mapping[str, int]) -> str:
    ends = [f"signal {code[1:]}" if code.startswith("-") else f"exit code {code}" for code in exit_codes]
    return f" ({', '.join(sorted(ends)[:3])})" if ends else ""


def _choose_command(cause: str, crew: Crew) -> str:
    """Return the command that helps against `cause`, or shows more."""
    if cause in _SHOWN_BY_ERRORS:
        return explain_failures_command([crew])
    if crew.unmatched and cause.startswith("no-slot"):
        _, command = complain_of_unmatched(crew.unmatched, crew.task_index)
        if command:
            return command
    return write_command(
        cause,
        taskforce=crew.taskforce_uuid,
        task=crew.task_id,
        workflow=workflow_of(crew.taskforce_uuid),
        n_wanted=crew.n_wanted,
    )


def explain_failures_command(crews: Sequence[Crew]) -> str:
    """Return the command that shows why workers of `crews` failed. A worker that was killed has reported no error."""
    kind = "errors" if any(crew.errors for crew in crews) else "logs"
    return f"ewms task {kind} {workflow_of(crews[0].taskforce_uuid)}"


def _format_time(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%T} UTC"
