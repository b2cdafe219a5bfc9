"""Every message between processes: one module for what each service says, and `cloudevents` for what all of them share.

Cores build payloads; the kernel puts them in envelopes, which need an id and a clock.
"""

from schemas.events.cloudevents import (
    PAYLOADS,
    Event,
    Fact,
    Order,
    Payload,
    UnknownType,
    envelope,
    list_fact_keys,
    schema_of,
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
    "Event",
    "Fact",
    "Order",
    "OrderToTms",
    "Payload",
    "QueuesActivated",
    "QueuesActivatedFact",
    "QueuesDeferred",
    "QueuesDrained",
    "ResultsArrived",
    "Snapshot",
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
    "envelope",
    "list_fact_keys",
    "schema_of",
]
