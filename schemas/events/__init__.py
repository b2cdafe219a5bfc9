"""Every message between processes: one module for what each service says, and `cloudevents` for what all of them share.

Cores build payloads; the kernel puts them in envelopes, which need an id and a clock.
"""

from schemas.events.cloudevents import PAYLOADS, Event, Order, Payload, UnknownType, envelope, schema_of
from schemas.events.mqs import QueuesActivated, QueuesDeferred, QueuesDrained, ResultsArrived
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
    TaskforceRelease,
    TaskforceRemove,
    TaskforceStart,
    TaskforceStop,
    TaskOrder,
    WorkflowEnding,
    WorkflowOver,
    WorkflowRequested,
)

__all__ = [
    "PAYLOADS",
    "Event",
    "Order",
    "OrderToTms",
    "Payload",
    "QueuesActivated",
    "QueuesDeferred",
    "QueuesDrained",
    "ResultsArrived",
    "Snapshot",
    "TaskOrder",
    "TaskforceCompleted",
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
    "WorkflowRequested",
    "envelope",
    "schema_of",
]
