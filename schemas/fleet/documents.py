"""The documents of WMS's fleet in MongoDB: the contract's objects with the fields that services need in addition.

    WMS_DB   WorkflowColl  TaskDirectiveColl  TaskforceColl
             runs  run_log  definitions  inputs  step_workers  counters     see `schemas.engine.run_documents`
    MQS_DB   see `schemas.fleet.queue_documents`

The `_id` of a document is its own id. The root of an aggregate (a workflow with its taskforces; a group with its
profiles) has `rev`, which counts the changes of the whole aggregate. At `wake_at` the timer loop looks at the document
again. Queries page in the order of `cursor` (24 hex digits, ascending in time).
"""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.fleet.endings import Completion
from schemas.fleet.objects import TaskDirective, Taskforce, Workflow
from schemas.fleet.pilot_kills import PilotKills
from schemas.fleet.program import TaskProgram
from schemas.fleet.worker_times import WorkerTimes
from schemas.ids import Alias, Mqid
from schemas.registry import register_collection


class QueuePlan(BaseModel):
    """A queue that WMS has planned and named for a workflow. The queue may not exist yet."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    mqid: Mqid
    alias: Alias
    is_public: bool
    #: Whether a task consumes from the queue, or publishes to it. A public token's rights depend on these (ruling 15).
    is_input: bool = False
    is_output: bool = False


class WorkflowDocument(Workflow):
    """A workflow as it is stored: the root of its aggregate."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rev: int = 0
    wake_at: datetime | None = None
    #: The subject of the user who posted the workflow, and the projects (groups) whose members share it.
    owner: str = ""
    projects: list[str] = Field(default_factory=list)
    #: The organizations in whose quotas the workflow counts. Empty: an older version stored it, so it counts in none.
    organizations: list[str] = Field(default_factory=list)
    cursor: str = ""
    queues: list[QueuePlan] = Field(default_factory=list)
    #: When WMS last asked MQS for the queues, and how often; why MQS deferred them; when they became ready.
    queues_asked_at: datetime | None = None
    n_queues_asked: int = 0
    queues_deferred: str = ""
    queues_active_at: datetime | None = None
    #: When the last taskforce was over. MQS then retires the queues.
    over_at: datetime | None = None
    #: Why the workflow is stalled, as the stall watch last found; None if the workflow is not stalled. The watch writes
    #: this field without a decision of the kernel, like statuses, and no decision reads it.
    stalled: dict[str, Any] | None = None
    #: How many orders to replay or discard dead letters users have given. The gateway counts them in the same way.
    n_letter_orders: int = 0
    #: When a user closed the inputs. From then on the workflow ends by itself.
    inputs_closed_at: datetime | None = None
    #: How many results end the workflow, and whether dead letters count as results.
    expected_results: int | None = None
    counts_dead: bool = False
    #: The number of the latest `WorkflowEnding`; when WMS last sent that to MQS, and how many times.
    ending_number: int = 0
    ending_told_at: datetime | None = None
    n_ending_told: int = 0
    #: How the workflow ended by itself, and with how many dead letters; None if it has not ended by itself.
    completion: Completion | None = None
    n_dead: int | None = None
    #: How many results had arrived at that end (None if no number was expected), and why it is no plain success.
    n_results: int | None = None
    completion_reason: str = ""


WORKFLOWS = register_collection("WorkflowColl", WorkflowDocument)


class TaskDirectiveDocument(TaskDirective, TaskProgram):
    """A task directive as it is stored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    owner: str = ""
    projects: list[str] = Field(default_factory=list)
    cursor: str = ""
    #: The fields of the program that have masks for secrets, as they are: an encrypted JSON object.
    sealed_texts: str = ""


TASK_DIRECTIVES = register_collection("TaskDirectiveColl", TaskDirectiveDocument)


class TaskforceDocument(Taskforce):
    """A taskforce as it is stored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    owner: str = ""
    projects: list[str] = Field(default_factory=list)
    cursor: str = ""
    #: The number of workers if `n_workers` is null: the default of the taskforce's location.
    default_n_workers: int | None = None
    #: The index of the taskforce's task in the request; None if an older version stored the taskforce.
    task_index: int | None = None
    #: The W3C trace context of the request that made the taskforce; empty if it had none.
    traceparent: str = ""
    #: When WMS last asked the TMS to start or stop the taskforce; None if no request waits for an answer.
    asked_at: datetime | None = None
    #: How many times WMS has asked without an answer. The pauses between requests grow with this number.
    n_asked: int = 0
    #: The taskforce's rank among those that wait for a start, ascending.
    launch_rank: float = 0.0
    #: The earliest time at which WMS asks the TMS again (back-off after a failure).
    retry_at: datetime | None = None
    n_submit_failures: int = 0
    n_remove_failures: int = 0
    #: Why WMS has stopped trying; empty if WMS has not stopped.
    stuck: str = ""
    #: When the taskforce ended, if it never had a cluster (ruling 9).
    ended_at: datetime | None = None
    #: Orders status snapshots: the newest (epoch, seq) wins.
    status_epoch: int = -1
    status_seq: int = -1
    status_as_of: datetime | None = None
    exit_codes: dict[str, int] = Field(default_factory=dict)
    #: Why no slot of the pool can take the waiting jobs, as the TMS last reported.
    unmatched: str = ""
    #: Whether the task fails on every worker, as the TMS last reported.
    all_bad: bool = False
    #: How often signals ended its pilots, as the TMS last reported.
    kills: list[PilotKills] = Field(default_factory=list)
    #: How long the workers did what, as the TMS last reported; None if the TMS does not know.
    times: WorkerTimes | None = None


TASKFORCES = register_collection("TaskforceColl", TaskforceDocument)
