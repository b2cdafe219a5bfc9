"""Find how many of a taskforce's workers are missing, why, and which command helps. (core)

A worker is *at work* while its pilot takes events. Every other wanted worker is missing for one reason. Either the
reason passes by itself (the worker *is coming*), or a person must act.

    {"RUNNING": {"Tasking": 3}, "HELD: memory": {"null": 1}}, 4 wanted   ->   3 at work, 1 missing: held, memory
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from schemas.ids import workflow_of
from schemas.phases import WANTED, Phase
from schemas.statuses import SILENT, TAKING_EVENTS, JobStatus, PilotStatus
from schemas.unmatched import complain_of_unmatched
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


#: The text of the hold in which TMS lets a job wait for its next start after the pilot ended early.
PAUSE = "starts again after a pause"
_KILLED, _KILLED_BY = "was killed by ", "killed by "

#: Reasons that pass by themselves: after a pause of seconds or minutes, or as soon as the pool allows it.
_LATER = frozenset({Lack.PAUSED, Lack.PILOT_FAILED})
_SOON = frozenset({Lack.START_AGAIN, Lack.STARTING, Lack.ALL_BAD, Lack.SLOT_AWAITED, Lack.PREPARING, Lack.LEAVING})


@dataclass(frozen=True, slots=True)
class WorkerShortage:
    """Workers that take no events for the same reason, and the command that helps or shows more."""

    lack: Lack
    n_workers: int
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
    n, place = crew.n_wanted, f"the TMS of {crew.schedd}"
    if not crew.phase.is_known:
        unknown = f"are in the phase {crew.phase}, which this version does not know"
        return [WorkerShortage(Lack.STARTING, n, unknown, _show_command(crew))]
    if crew.phase not in WANTED or crew.has_ended:
        return [
            WorkerShortage(
                Lack.ENDED,
                n,
                f"ended with their taskforce{_describe_ends(crew.exit_codes)}",
                _add_workers_command(crew),
            )
        ]
    if crew.phase is not Phase.PENDING_STARTER:
        return [WorkerShortage(Lack.STARTING, n, "wait for their turn to be started", _show_command(crew))]
    if crew.stuck:
        lack = Lack.TMS_SILENT if crew.asked_at is not None else Lack.START_FAILED
        return [WorkerShortage(lack, n, f"not started: {crew.stuck}", _elsewhere_command(lack, crew))]
    if crew.asked_at is not None:
        # `asked_at` is the time of the last request. A second request means that the first had no answer for half a
        # minute or more.
        if crew.n_asked > 1 or now - crew.asked_at > ANSWER_WITHIN:
            return [
                WorkerShortage(
                    Lack.TMS_SILENT,
                    n,
                    f"not started: {place} does not answer",
                    _elsewhere_command(Lack.TMS_SILENT, crew),
                )
            ]
        return [WorkerShortage(Lack.STARTING, n, "are being started", _show_command(crew))]
    if crew.retry_at is not None and crew.retry_at > now:
        return [
            WorkerShortage(
                Lack.START_AGAIN,
                n,
                f"not started: the start failed, and WMS tries again at {_format_time(crew.retry_at)}",
                _show_command(crew),
            )
        ]
    if not crew.port.takes_orders and now - crew.since > ASKED_WITHIN:
        text = f"not started: {place} has not asked for them since {_format_time(crew.since)}"
        return [WorkerShortage(Lack.TMS_SILENT, n, text, _elsewhere_command(Lack.TMS_SILENT, crew))]
    return [WorkerShortage(Lack.STARTING, n, "wait for their turn to be started", _show_command(crew))]


def _find_missing_in_pool(crew: Crew, now: datetime) -> list[WorkerShortage]:
    """Return why jobs of a taskforce do not take events."""
    heard_at = crew.as_of or crew.since
    if crew.port.repeats_statuses and now - heard_at > HEARD_WITHIN:
        text = f"not seen: the TMS of {crew.schedd} has sent no statuses since {_format_time(heard_at)}"
        return [WorkerShortage(Lack.TMS_SILENT, crew.n_wanted, text, _elsewhere_command(Lack.TMS_SILENT, crew))]
    if not crew.statuses:
        return [
            WorkerShortage(Lack.STARTING, crew.n_wanted, "are submitted, without a status yet", _show_command(crew))
        ]
    found: dict[tuple[Lack, str], int] = {}
    for job, pilots in crew.statuses.items():
        for pilot, n in pilots.items():
            if (why := _find_lack(crew, job, pilot)) is not None:
                found[why] = found.get(why, 0) + n
    return [
        WorkerShortage(lack, n, text, _choose_command(lack, text, crew)) for (lack, text), n in found.items() if n > 0
    ]


def _find_lack(crew: Crew, job: str, pilot: str) -> tuple[Lack, str] | None:
    """Return why jobs with the status `job` and the pilot status `pilot` take no events. Return None if they take
    events.
    """
    if job.startswith(JobStatus.HELD) and PAUSE in job:
        killer = _find_killer(job)
        ended = f"{_KILLED_BY}{killer}" if killer else "ended early"
        return Lack.PAUSED, f"{ended}, and start again by themselves after a pause"
    if job.startswith(JobStatus.HELD):
        return Lack.HELD, f"held: {job.partition(':')[2].strip() or 'no reason given'}"
    match job:
        case JobStatus.RUNNING if pilot in TAKING_EVENTS:
            return None
        case JobStatus.RUNNING if pilot == SILENT:
            # They start, or the pool has restarted and looks for them.
            return Lack.PREPARING, "have not reported yet"
        case JobStatus.RUNNING if pilot in _PREPARING:
            return Lack.PREPARING, "start, and take no events yet"
        case JobStatus.RUNNING if pilot == PilotStatus.FATAL_ERROR:
            return Lack.PILOT_FAILED, "failed, and keep their slots for some minutes before they start again"
        case JobStatus.RUNNING:
            return Lack.LEAVING, "leave, and take no more events"
        case JobStatus.IDLE if crew.unmatched:
            reason, _ = complain_of_unmatched(crew.unmatched, crew.task_index)
            return Lack.NO_SLOT, f"find no slot: {reason}"
        case JobStatus.IDLE if crew.is_all_bad:
            return Lack.ALL_BAD, (
                "wait for another machine: every worker failed on all events that it tried, so the task itself is "
                "most often the cause"
            )
        case JobStatus.IDLE:
            return Lack.SLOT_AWAITED, "wait for a free slot"
        case JobStatus.SUSPENDED:
            return Lack.SUSPENDED, "suspended by their machine"
        case _:
            return Lack.GONE, f"ended{_describe_ends(crew.exit_codes)}"


def _find_killer(job: str) -> str:
    """Return the signal in the status of a paused job. Return "" if its pilot ended by itself."""
    _, killed, rest = job.partition(_KILLED)
    return rest.rpartition("; it ")[0] if killed else ""


def _describe_ends(exit_codes: Mapping[str, int]) -> str:
    ends = [f"signal {code[1:]}" if code.startswith("-") else f"exit code {code}" for code in exit_codes]
    return f" ({', '.join(sorted(ends)[:3])})" if ends else ""


def _choose_command(lack: Lack, text: str, crew: Crew) -> str:
    match lack:
        case Lack.PAUSED if text.startswith(_KILLED_BY):
            # It has reported no error. What it logged before is all there is.
            return f"ewms task logs {workflow_of(crew.taskforce_uuid)}"
        case Lack.GONE | Lack.ENDED:
            return _add_workers_command(crew)
        case Lack.PILOT_FAILED | Lack.PAUSED | Lack.ALL_BAD:
            return explain_failures_command([crew])
        case Lack.NO_SLOT:
            _, command = complain_of_unmatched(crew.unmatched, crew.task_index)
            return command or _elsewhere_command(lack, crew)
        case Lack.TMS_SILENT:
            return _elsewhere_command(lack, crew)
        case _:
            return _show_command(crew)


def explain_failures_command(crews: Sequence[Crew]) -> str:
    """Return the command that shows why workers of `crews` failed. A worker that was killed has reported no error."""
    kind = "errors" if any(crew.errors for crew in crews) else "logs"
    return f"ewms task {kind} {workflow_of(crews[0].taskforce_uuid)}"


def _show_command(crew: Crew) -> str:
    return f"ewms taskforce show {crew.taskforce_uuid}"


def _add_workers_command(crew: Crew) -> str:
    return f"ewms task add-workers {crew.task_id} -n {crew.n_wanted}"


def _elsewhere_command(lack: Lack, crew: Crew) -> str:
    """Return the command that finds another location for the workers. After a failed start, return the one that shows
    it.
    """
    return _show_command(crew) if lack is Lack.START_FAILED else "ewms cluster list"


def _format_time(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%T} UTC"
