"""The stimuli of a workflow: wishes of users and of WMS itself, and events of MQS and TMS. (core)"""

from dataclasses import dataclass

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
from schemas.fleet.documents import TaskDirectiveDocument
from schemas.fleet.phases import Deactivated
from schemas.ids import TaskforceUuid
from wms.fleet.choices.locations import Location
from wms.fleet.id_source import IdSource


@dataclass(frozen=True, slots=True)
class Deactivate:
    """The user finishes or aborts the workflow."""

    label: Deactivated


@dataclass(frozen=True, slots=True)
class AddWorkers:
    """A user or a TMS (`by`: `USER` or `TMS`) wants another taskforce for a task, at `location`."""

    task: TaskDirectiveDocument
    location: Location
    n_workers: int | None
    by: str
    mint: IdSource
    #: The trace of the request; "" if it has none.
    traceparent: str = ""


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
    """This taskforce is the next to start."""

    taskforce_uuid: TaskforceUuid


@dataclass(frozen=True, slots=True)
class EndDrained:
    """Starts that were ordered at a drained schedd are called back, and so are the submitted taskforces `queued`, none
    of whose jobs runs. `drained` says who drained it, when and why.
    """

    schedd: str
    drained: str
    #: Whether the workers that run there must end too.
    ends_workers: bool
    mint: IdSource
    queued: frozenset[TaskforceUuid] = frozenset()


@dataclass(frozen=True, slots=True)
class EndLost:
    """The access point of a schedd is gone for good, so its taskforces end without its TMS. `loss` says who says so."""

    schedd: str
    loss: str


@dataclass(frozen=True, slots=True)
class Woken:
    """The workflow's `wake_at` has come, or WMS checks the workflow earlier for another reason."""


#: The reports of a TMS about one taskforce.
Report = TaskforceSubmitted | TaskforceSubmitFailed | TaskforceRemoved | TaskforceRemoveFailed | TaskforceCompleted

#: The reports of MQS about a workflow's queues.
QueueReport = QueuesActivated | QueuesDeferred | QueuesDrained | ResultsArrived

#: What users and operators wish.
Wish = Deactivate | AddWorkers | CloseInputs | ExpectResults | EndDrained | EndLost

Stimulus = Wish | Launch | Woken | QueueReport | Report
