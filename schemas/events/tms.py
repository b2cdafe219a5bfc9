"""The control events of a TMS: it reports the outcome of orders, and the statuses of its taskforces, to WMS."""

from typing import ClassVar

from pydantic import AwareDatetime, ConfigDict, Field

from schemas.broker.services import Service
from schemas.events.cloudevents import AboutTaskforce, Order
from schemas.fleet.pilot_kills import PilotKills
from schemas.fleet.worker_times import WorkerTimes
from schemas.ids import TaskforceUuid
from schemas.lazy_model import LazyModel


class TaskforceSubmitted(AboutTaskforce, Order):
    """A paused cluster of the taskforce is in the schedd. After a restart the TMS repeats this if it finds one."""

    TYPE: ClassVar = "taskforce.submitted"
    TO: ClassVar = Service.WMS

    schedd: str
    cluster_id: int
    n_workers: int
    submit_dict: dict[str, str | int]
    job_event_log_fpath: str


class TaskforceSubmitFailed(AboutTaskforce, Order):
    """The TMS could not submit the taskforce."""

    TYPE: ClassVar = "taskforce.submit-failed"
    TO: ClassVar = Service.WMS

    error: str


class TaskforceRemoved(AboutTaskforce, Order):
    """HTCondor accepted the removal. If `cluster_id` is None, the taskforce had no cluster and will get none."""

    TYPE: ClassVar = "taskforce.removed"
    TO: ClassVar = Service.WMS

    cluster_id: int | None


class TaskforceRemoveFailed(AboutTaskforce, Order):
    """HTCondor refused the removal."""

    TYPE: ClassVar = "taskforce.remove-failed"
    TO: ClassVar = Service.WMS

    error: str


class TaskforceCompleted(AboutTaskforce, Order):
    """The cluster has left the queue."""

    TYPE: ClassVar = "taskforce.completed"
    TO: ClassVar = Service.WMS

    cluster_id: int
    completed_at: AwareDatetime


class Snapshot(LazyModel):
    """All counts of a taskforce at one instant. The newest (epoch, seq) wins, so a lost snapshot does not matter."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    taskforce_uuid: TaskforceUuid
    epoch: int
    seq: int
    as_of: AwareDatetime
    compound_statuses: dict[str, dict[str, int]]
    top_task_errors: dict[str, int]
    #: A pilot's exit code (or minus a signal's number) as text -> how many jobs ended with it.
    exit_codes: dict[str, int] = Field(default_factory=dict)
    #: Why no slot of the pool can take the waiting jobs; empty if a slot can, or if the TMS has not looked yet.
    unmatched: str = ""
    #: Whether the task fails on every worker, so that each failure counts against its event at once.
    all_bad: bool = False
    #: How often signals ended pilots, since the taskforce started. These jobs mostly start again.
    kills: list[PilotKills] = Field(default_factory=list)
    #: How long the workers did what; None if the TMS does not know, or is an older one.
    times: WorkerTimes | None = None


class TaskforceStatuses(Order):
    """Snapshots of those taskforces of one schedd that changed, or that are due again."""

    TYPE: ClassVar = "taskforce.statuses"
    TO: ClassVar = Service.WMS

    schedd: str
    snapshots: list[Snapshot]

    @property
    def subject(self) -> str:
        return self.schedd
