"""How many of a taskforce's workers are missing, why, and which command helps. (core)

A worker is *at work* while its pilot takes events. Every other wanted worker is missing for one reason. Either the
reason passes by itself (the worker *is coming*), or a person must act.

    {"RUNNING": {"Tasking": 3}, "HELD: memory": {"null": 1}}, 4 wanted   ->   3 at work, 1 missing: held, memory
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from schemas.ids import TaskforceUuid, workflow_of
from schemas.phases import WANTED, Phase
from schemas.statuses import SILENT, CompoundStatuses, JobStatus, PilotStatus
from schemas.unmatched import complain_of_unmatched
from wms.fleet.tms_port import EVENTS, TmsPort

#: A TMS answers an order in a second or two. After this long without an answer it counts as silent.
ANSWER_WITHIN = timedelta(seconds=14)
#: A TMS repeats unchanged statuses every 30 s. After this long without statuses it counts as silent.
HEARD_WITHIN = timedelta(seconds=40)
#: A TMS that polls over REST does so about once a minute. If it leaves a taskforce for this long it counts as silent.
ASKED_WITHIN = timedelta(minutes=3)

#: Pilots that take events, and pilots that soon will.
_TAKING = frozenset({PilotStatus.AWAITING_FIRST_MESSAGE, PilotStatus.TASKING})
_PREPARING = frozenset({SILENT, PilotStatus.STARTED, PilotStatus.RUNNING_INIT_COMMAND})


class Lack(StrEnum):
    """Why a worker is missing. The order counts: the first reason hinders most."""

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
        """Return how much this reason hinders; 0 hinders most."""
        return list(Lack).index(self)


#: How a pilot's error begins when the pilot has found its worker bad.
_BAD_WORKER = "BadWorker("

#: The text of the hold in which TMS lets a job wait for its next start after the pilot ended early.
PAUSE = "starts again after a pause"

#: Reasons that pass by themselves: after a pause of seconds or minutes, or as soon as the pool allows it.
_LATER = frozenset({Lack.PAUSED, Lack.PILOT_FAILED})
_SOON = frozenset({Lack.START_AGAIN, Lack.STARTING, Lack.ALL_BAD, Lack.SLOT_AWAITED, Lack.PREPARING, Lack.LEAVING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """What WMS knows about one taskforce's workers. `port` is how WMS deals with its TMS."""

    taskforce_uuid: TaskforceUuid
    task_id: str
    schedd: str
    phase: Phase
    n_wanted: int
    #: When the taskforce entered its phase.
    since: datetime
    statuses: CompoundStatuses
    as_of: datetime | None = None
    asked_at: datetime | None = None
    n_asked: int = 0
    retry_at: datetime | None = None
    stuck: str = ""
    unmatched: str = ""
    #: The place of its task in the request; None: unknown.
    task_index: int | None = None
    exit_codes: Mapping[str, int]
    #: The last errors of the jobs, and how many jobs had each of them.
    errors: Mapping[str, int] = field(default_factory=dict)
    #: Whether its TMS says that the task fails on every worker. Then workers take events, and each failure counts.
    all_bad: bool = False
    has_ended: bool = False
    port: TmsPort = EVENTS

    @property
    def n_at_work(self) -> int:
        """How many workers take events."""
        return sum(n for pilot, n in self.statuses.get(JobStatus.RUNNING, {}).items() if pilot in _TAKING)

    @property
    def is_all_bad(self) -> bool:
        """Whether every worker failed on all events: its TMS says so, or no worker takes events and each was bad."""
        if self.phase is not Phase.CONDOR_SUBMIT or self.has_ended:
            return False
        if self.all_bad:
            return True
        n_bad = sum(n for error, n in self.errors.items() if error.startswith(_BAD_WORKER))
        return not self.n_at_work and n_bad >= self.n_wanted


@dataclass(frozen=True, slots=True)
class WorkerShortage:
    """Workers that take no events for one reason, and the command that helps or shows more."""

    lack: Lack
    n_workers: int
    text: str
    command: str

    @property
    def is_coming(self) -> bool:
        """Whether these workers will come without anybody's help."""
        return self.lack in _SOON | _LATER

    @property
    def is_soon(self) -> bool:
        """Whether these workers will come as soon as the pool allows it."""
        return self.lack in _SOON


def read_crew(taskforce: Mapping[str, Any], port: TmsPort) -> Crew:
    """Return what a stored `taskforce` says about its workers. The last line of its log is enough.

    `port` is the one of its schedd.
    """
    log = taskforce.get("phase_change_log") or []
    since = log[-1]["timestamp"] if log else taskforce.get("timestamp", 0.0)
    n_wanted = taskforce.get("n_workers")
    return Crew(
        taskforce_uuid=taskforce["taskforce_uuid"],
        task_id=taskforce["task_id"],
        schedd=taskforce["schedd"],
        phase=Phase(taskforce["phase"]),
        n_wanted=n_wanted if n_wanted is not None else taskforce.get("default_n_workers") or 1,
        since=datetime.fromtimestamp(since, UTC),
        statuses=taskforce.get("compound_statuses") or {},
        as_of=taskforce.get("status_as_of"),
        asked_at=taskforce.get("asked_at"),
        n_asked=taskforce.get("n_asked") or 0,
        retry_at=taskforce.get("retry_at"),
        stuck=taskforce.get("stuck") or "",
        unmatched=taskforce.get("unmatched") or "",
        task_index=taskforce.get("task_index"),
        exit_codes=taskforce.get("exit_codes") or {},
        errors=taskforce.get("top_task_errors") or {},
        all_bad=bool(taskforce.get("all_bad")),
        has_ended=taskforce.get("ended_at") is not None,
        port=port,
    )


def find_missing_workers(crew: Crew, now: datetime) -> tuple[WorkerShortage, ...]:
    """Return why workers of `crew` are missing, the reasons that hinder most first; empty if all are at work."""
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
        # Each repetition sets the time again. Before a second request, no answer came for at least half a minute.
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
                f"not started: that failed, and is tried again at {_format_time(crew.retry_at)}",
                _show_command(crew),
            )
        ]
    if not crew.port.takes_orders and now - crew.since > ASKED_WITHIN:
        text = f"not started: {place} has not asked for it since {_format_time(crew.since)}"
        return [WorkerShortage(Lack.TMS_SILENT, n, text, _elsewhere_command(Lack.TMS_SILENT, crew))]
    return [WorkerShortage(Lack.STARTING, n, "wait for their turn to be started", _show_command(crew))]


def _find_missing_in_pool(crew: Crew, now: datetime) -> list[WorkerShortage]:
    """Return why jobs of a taskforce do not take events."""
    heard_at = crew.as_of or crew.since
    if crew.port.repeats_statuses and now - heard_at > HEARD_WITHIN:
        text = f"lost from sight: the TMS of {crew.schedd} has told nothing of them since {_format_time(heard_at)}"
        return [WorkerShortage(Lack.TMS_SILENT, crew.n_wanted, text, _elsewhere_command(Lack.TMS_SILENT, crew))]
    if not crew.statuses:
        return [WorkerShortage(Lack.STARTING, crew.n_wanted, "are submitted", _show_command(crew))]
    found: dict[tuple[Lack, str], int] = {}
    for job, pilots in crew.statuses.items():
        for pilot, n in pilots.items():
            if (why := _find_lack(crew, job, pilot)) is not None:
                found[why] = found.get(why, 0) + n
    return [WorkerShortage(lack, n, text, _choose_command(lack, crew)) for (lack, text), n in found.items() if n > 0]


def _find_lack(crew: Crew, job: str, pilot: str) -> tuple[Lack, str] | None:
    """Return why jobs with the status `job` and the pilot status `pilot` take no events; None if they do."""
    if job.startswith(JobStatus.HELD) and PAUSE in job:
        return Lack.PAUSED, "ended early, and start again by themselves after a pause"
    if job.startswith(JobStatus.HELD):
        return Lack.HELD, f"held: {job.partition(':')[2].strip() or 'no reason given'}"
    match job:
        case JobStatus.RUNNING if pilot in _TAKING:
            return None
        case JobStatus.RUNNING if pilot in _PREPARING:
            return Lack.PREPARING, "start, and take no events yet"
        case JobStatus.RUNNING if pilot == PilotStatus.FATAL_ERROR:
            return Lack.PILOT_FAILED, "failed, and keep their slots for some minutes before they start again"
        case JobStatus.RUNNING:
            return Lack.LEAVING, "leave, and take no more events"
        case JobStatus.IDLE if crew.unmatched:
            reason, _ = complain_of_unmatched(crew.unmatched, crew.task_index)
            return Lack.NO_SLOT, f"no slot can take them: {reason}"
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


def _describe_ends(exit_codes: Mapping[str, int]) -> str:
    ends = [f"signal {code[1:]}" if code.startswith("-") else f"exit code {code}" for code in exit_codes]
    return f" ({', '.join(sorted(ends)[:3])})" if ends else ""


def _choose_command(lack: Lack, crew: Crew) -> str:
    match lack:
        case Lack.GONE | Lack.ENDED:
            return _add_workers_command(crew)
        case Lack.PILOT_FAILED | Lack.PAUSED | Lack.ALL_BAD:
            return f"ewms task errors {workflow_of(crew.taskforce_uuid)}"
        case Lack.NO_SLOT:
            _, command = complain_of_unmatched(crew.unmatched, crew.task_index)
            return command or _elsewhere_command(lack, crew)
        case Lack.TMS_SILENT:
            return _elsewhere_command(lack, crew)
        case _:
            return _show_command(crew)


def _show_command(crew: Crew) -> str:
    return f"ewms taskforce show {crew.taskforce_uuid}"


def _add_workers_command(crew: Crew) -> str:
    return f"ewms task add-workers {crew.task_id} -n {crew.n_wanted}"


def _elsewhere_command(lack: Lack, crew: Crew) -> str:
    """Return the command that finds another place for the workers; after a failed start, the one that shows it."""
    return _show_command(crew) if lack is Lack.START_FAILED else "ewms cluster list"


def _format_time(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%T} UTC"
