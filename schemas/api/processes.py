"""Processes as clients get them: a summary for lists, and the whole process with its steps.

`status` and `last_status` have the same value, because older and newer clients read different names.
"""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.engine.processes import Assignee, ProcessStatus, StepStatus
from schemas.lazy_model import LazyModel


class ProcessStep(BaseModel):
    """One step of a process: an attempt that has ended or is running, or a step that is still to come."""

    model_config = ConfigDict(frozen=True)

    #: The stable key of the step's node.
    key: str
    name: str
    status: StepStatus
    attempt: int = 0
    started: datetime | None = None
    completed: datetime | None = None
    #: Who called the step, or who ended it.
    created_by: str = ""
    #: The step's changes of the state; for a step that failed, its error.
    state_delta: dict[str, Any] = Field(default_factory=dict)
    #: The keys that the step removed from the state.
    removed: tuple[str, ...] = ()
    #: How many times the same failure was repeated.
    retries: int = 0
    completed_at: tuple[datetime, ...] = ()
    #: The reason of the step's status, and when the engine calls the step again.
    explanation: str = ""
    next_attempt_at: datetime | None = None
    #: What the outside system last reported about its progress, while the step waits for the callback.
    progress: Any = None


class ProcessAct(BaseModel):
    """What a person did to a process, for example a retry."""

    model_config = ConfigDict(frozen=True)

    act: str
    who: str
    why: str = ""
    at: datetime


class ProcessSubscription(BaseModel):
    """A subscription that a process works on."""

    model_config = ConfigDict(extra="allow")

    subscription_id: str


class ProcessSummary(LazyModel):
    """One process in a list."""

    process_id: str
    #: The number of the run, as other dialects and logs name it.
    run: int
    workflow_name: str
    workflow_target: str | None
    is_task: bool
    status: ProcessStatus
    last_status: ProcessStatus
    #: The step that runs, or for which the process waits.
    last_step: str | None
    assignee: Assignee
    failed_reason: str | None
    traceback: str | None
    explanation: str
    created_by: str
    customer_id: str | None
    product_id: str | None
    parent: int | None
    note: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    subscription_ids: list[str]


class ChildProcess(BaseModel):
    """A process that a step of another process has started."""

    process_id: str
    workflow_name: str
    status: ProcessStatus


class ProcessDetail(ProcessSummary):
    """A process with its steps."""

    last_modified_at: datetime
    steps: list[ProcessStep]
    acts: list[ProcessAct]
    current_state: dict[str, Any]
    #: The JSON schema of the form that the process waits for.
    form: dict[str, Any] | None
    subscriptions: list[ProcessSubscription]
    children: list[ChildProcess]
