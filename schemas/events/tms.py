"""What a TMS says to WMS: what became of its orders, and how its taskforces stand."""

from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.events.cloudevents import AboutTaskforce, Order
from schemas.ids import TaskforceUuid
from schemas.services import Service


class TaskforceSubmitted(AboutTaskforce, Order):
    """A cluster of the taskforce lies in the schedd, paused. Also said again of one found after a restart."""

    TYPE: ClassVar = "taskforce.submitted"
    TO: ClassVar = Service.WMS

    schedd: str
    cluster_id: int
    n_workers: int
    submit_dict: dict[str, str | int]
    job_event_log_fpath: str


class TaskforceSubmitFailed(AboutTaskforce, Order):
    """The taskforce could not be submitted."""

    TYPE: ClassVar = "taskforce.submit-failed"
    TO: ClassVar = Service.WMS

    error: str


class TaskforceRemoved(AboutTaskforce, Order):
    """HTCondor took the removal; `cluster_id` None: there was no cluster, and none will come."""

    TYPE: ClassVar = "taskforce.removed"
    TO: ClassVar = Service.WMS

    cluster_id: int | None


class TaskforceRemoveFailed(AboutTaskforce, Order):
    """HTCondor did not take the removal."""

    TYPE: ClassVar = "taskforce.remove-failed"
    TO: ClassVar = Service.WMS

    error: str


class TaskforceCompleted(AboutTaskforce, Order):
    """The cluster has left the queue."""

    TYPE: ClassVar = "taskforce.completed"
    TO: ClassVar = Service.WMS

    cluster_id: int
    completed_at: AwareDatetime


class Snapshot(BaseModel):
    """A taskforce's counts as of one instant, whole: the newest (epoch, seq) wins, and a lost one does not matter."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    taskforce_uuid: TaskforceUuid
    epoch: int
    seq: int
    as_of: AwareDatetime
    compound_statuses: dict[str, dict[str, int]]
    top_task_errors: dict[str, int]
    #: Exit code of a pilot (minus a signal's number), as text -> how many jobs ended so.
    exit_codes: dict[str, int] = Field(default_factory=dict)
    #: Why no slot of the pool can take the jobs that wait; empty: some can, or the TMS has not looked yet.
    unmatched: str = ""
    #: Whether the task fails on every worker, so that each failure counts against its event at once.
    all_bad: bool = False


class TaskforceStatuses(Order):
    """The snapshots of the taskforces that changed, of one schedd."""

    TYPE: ClassVar = "taskforce.statuses"
    TO: ClassVar = Service.WMS

    schedd: str
    snapshots: list[Snapshot]

    @property
    def subject(self) -> str:
        return self.schedd
