"""What can happen to a workflow: the wishes of users and of WMS itself, and the events of MQS and TMS. (core)"""

from dataclasses import dataclass

from schemas.documents import TaskDirectiveDocument
from schemas.events import (
    QueuesActivated,
    QueuesDeferred,
    QueuesDrained,
    ResultsArrived,
    TaskforceCompleted,
    TaskforceRemoved,
    TaskforceRemoveFailed,
    TaskforceSubmitFailed,
    TaskforceSubmitted,
)
from schemas.ids import TaskforceUuid
from schemas.phases import Deactivated
from wms.fleet.id_source import IdSource
from wms.fleet.locations import Location


@dataclass(frozen=True, slots=True)
class Deactivate:
    """The user says that the workflow is finished, or aborts it."""

    label: Deactivated


@dataclass(frozen=True, slots=True)
class AddWorkers:
    """Somebody wants another taskforce for a task, at `location`. `by` is `USER` or `TMS`."""

    task: TaskDirectiveDocument
    location: Location
    n_workers: int | None
    by: str
    mint: IdSource


@dataclass(frozen=True, slots=True)
class CloseInputs:
    """The user says that no more events will come. The workflow ends by itself once every event is settled."""


@dataclass(frozen=True, slots=True)
class ExpectResults:
    """The user says how many results end the workflow."""

    n: int
    #: Whether a dead letter counts as a result.
    counts_dead: bool = False


@dataclass(frozen=True, slots=True)
class Launch:
    """It is this taskforce's turn to start."""

    taskforce_uuid: TaskforceUuid


@dataclass(frozen=True, slots=True)
class Woken:
    """The workflow's `wake_at` has come, or something asks for an earlier look."""


#: What a TMS reports about one taskforce.
Report = TaskforceSubmitted | TaskforceSubmitFailed | TaskforceRemoved | TaskforceRemoveFailed | TaskforceCompleted

#: What MQS reports about a workflow's queues.
QueueReport = QueuesActivated | QueuesDeferred | QueuesDrained | ResultsArrived

Stimulus = Deactivate | AddWorkers | CloseInputs | ExpectResults | Launch | Woken | QueueReport | Report
