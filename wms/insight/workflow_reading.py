"""A workflow with its parts, as one look has found them. (core)"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas.api.queues.profiles import QueueDepths
from schemas.api.workflows.health import Stall, TaskforceHealth
from schemas.fleet.documents import TaskDirectiveDocument, TaskforceDocument, WorkflowDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowReading:
    """A workflow as it was at one moment, with its parts."""

    workflow: WorkflowDocument
    tasks: Sequence[TaskDirectiveDocument]
    #: Oldest first. Of each log, only the last lines are there.
    taskforces: Sequence[TaskforceDocument]
    #: The health of each taskforce, by its UUID.
    healths: dict[str, TaskforceHealth] = field(default_factory=dict)
    stall: Stall | None = None
    #: None if MQS does not have the queues, or if they cannot be counted now: `unseen` then says why.
    depths: QueueDepths | None = None
    unseen: str = ""
