"""Describe the workers of one taskforce, as WMS knows them from the stored taskforce. (core)

`staffing` finds from this why workers are missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from schemas.fleet.phases import Phase
from schemas.fleet.statuses import TAKING_EVENTS, CompoundStatuses, JobStatus
from schemas.ids import TaskforceUuid
from wms.fleet.choices.fleet_settings import Drain
from wms.fleet.choices.tms_port import EVENTS, TmsPort

#: How a pilot's error begins when the pilot has found its worker bad.
_BAD_WORKER = "BadWorker("


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """The workers of one taskforce, as WMS knows them. `port` is the TMS port of its schedd."""

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
    #: Who drained its schedd, since when and why; empty: taskforces may start there.
    drained: str = ""

    @property
    def n_at_work(self) -> int:
        """The number of workers that take events. Of a taskforce that has ended, none counts."""
        if self.has_ended:
            return 0
        return sum(n for pilot, n in self.statuses.get(JobStatus.RUNNING, {}).items() if pilot in TAKING_EVENTS)

    @property
    def is_all_bad(self) -> bool:
        """Whether every worker failed on all events: the TMS says so, or no worker takes events and each was bad."""
        if self.phase is not Phase.CONDOR_SUBMIT or self.has_ended:
            return False
        if self.all_bad:
            return True
        n_bad = sum(n for error, n in self.errors.items() if error.startswith(_BAD_WORKER))
        return not self.n_at_work and n_bad >= self.n_wanted


def read_crew(taskforce: Mapping[str, Any], port: TmsPort, drain: Drain | None = None) -> Crew:
    """Return the crew of a stored `taskforce`. Of the taskforce's log, only the last line is needed.

    `port` is the TMS port of its schedd, and `drain` says that an operator has drained the schedd.
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
        drained="" if drain is None else drain.sentence,
    )
