"""All control events between processes: a module for each sending service, and `cloudevents` for what they share.

Cores build payloads. The kernel puts them into envelopes, which need an id and a clock.
"""

from schemas.events.cloudevents import (
    PAYLOADS,
    ControlEvent,
    Fact,
    Order,
    Payload,
    UnknownType,
    build_event,
    list_fact_keys,
    schema_of,
)
from schemas.events.engine import (
    DefinitionRegistered,
    NodeEnded,
    NodeRun,
    NodeTaken,
    StepWorkerAlive,
)
from schemas.events.mqs import QueuesActivated, QueuesActivatedFact, QueuesDeferred, QueuesDrained, ResultsArrived
from schemas.events.tms import (
    Snapshot,
    TaskforceCompleted,
    TaskforceRemoved,
    TaskforceRemoveFailed,
    TaskforceStatuses,
    TaskforceSubmitFailed,
    TaskforceSubmitted,
)
from schemas.events.wms import (
    OrderToTms,
    TaskforceCompletedFact,
    TaskforceRelease,
    TaskforceRemove,
    TaskforceStart,
    TaskforceStop,
    TaskOrder,
    WorkflowEnding,
    WorkflowOver,
    WorkflowOverFact,
    WorkflowRequested,
)

__all__ = [
    "PAYLOADS",
    "ControlEvent",
    "DefinitionRegistered",
    "Fact",
    "NodeEnded",
    "NodeRun",
    "NodeTaken",
    "Order",
    "OrderToTms",
    "Payload",
    "QueuesActivated",
    "QueuesActivatedFact",
    "QueuesDeferred",
    "QueuesDrained",
    "ResultsArrived",
    "Snapshot",
    "StepWorkerAlive",
    "TaskOrder",
    "TaskforceCompleted",
    "TaskforceCompletedFact",
    "TaskforceRelease",
    "TaskforceRemove",
    "TaskforceRemoveFailed",
    "TaskforceRemoved",
    "TaskforceStart",
    "TaskforceStatuses",
    "TaskforceStop",
    "TaskforceSubmitFailed",
    "TaskforceSubmitted",
    "UnknownType",
    "WorkflowEnding",
    "WorkflowOver",
    "WorkflowOverFact",
    "WorkflowRequested",
    "build_event",
    "list_fact_keys",
    "schema_of",
]
