"""How long the workers of a taskforce did what, and what their pilots did: from TMS's snapshots to the report.

TMS adds this up from the job event log, and each snapshot has the whole sum. So a lost, repeated or late snapshot does
no harm, and a TMS that reads the log again finds the same numbers.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.lazy_model import LazyModel


class Activity(StrEnum):
    """What a worker does, as its job's status and its pilot's last status show."""

    #: The job runs, and the pilot takes no events yet.
    STARTING = "starting"
    #: The pilot waits for its first event.
    WAITING = "waiting"
    #: The pilot has had an event. Only the pilot itself knows when it was idle.
    WORKING = "working"
    #: The pilot has done all its work, and its job has not ended yet.
    LEAVING = "leaving"
    #: The pilot cannot go on, or keeps a bad worker away from events.
    FAILED = "failed"
    #: HTCondor cannot reach the machine or has suspended the job, or the pilot's status is unknown.
    UNKNOWN = "unknown"


class TimeSum(BaseModel):
    """The time that workers have spent in one activity. `n_now` workers are still in it, so the sum grows.

    At the instant T, in milliseconds since 1970, the sum is `n_now * T + offset_ms`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    n_now: int
    offset_ms: int

    def count_seconds(self, at: datetime) -> float:
        """Return the sum at the instant `at`, in seconds."""
        return max(0.0, (self.n_now * int(at.timestamp() * 1000) + self.offset_ms) / 1000)


class WorkerTimes(LazyModel):
    """The times and the work of all workers of a taskforce since it started."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sums: Mapping[Activity, TimeSum]
    #: When the first worker started, and when the last one left; None if that has not happened.
    first_run_at: AwareDatetime | None = None
    last_left_at: AwareDatetime | None = None
    #: When the last run that succeeded ended, by the worker's clock; None if no pilot has reported it.
    last_done_at: AwareDatetime | None = None
    #: How often a job has started on a worker, and how many pilots have reported work.
    n_runs: int = 0
    n_pilots: int = 0
    #: The sums of the pilots' reports (`schemas.pilot.work_report`); of `n_slots` and `peak_mib` the maximum.
    n_slots: int = 0
    n_done: int = 0
    n_failed: int = 0
    done_ms: int = 0
    lost_ms: int = 0
    idle_ms: int = 0
    peak_mib: int = 0
    durations: Annotated[Mapping[str, int], Field(max_length=1000)] = Field(default_factory=dict)
    #: Whether the reports of some pilots are not in the sums, because there were too many pilots at once.
    is_partial: bool = False
