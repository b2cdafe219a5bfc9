"""Load, index and write the fleet's documents in MongoDB, and select the fields that users see."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from runtime.kernel.decision import Change, Decision, Document, Insert, Update
from runtime.kernel.store import Index, Transaction
from schemas.fleet.documents import (
    TASK_DIRECTIVES,
    TASKFORCES,
    WORKFLOWS,
    TaskDirectiveDocument,
    TaskforceDocument,
    WorkflowDocument,
)
from schemas.fleet.objects import TaskDirective, Taskforce, Workflow
from schemas.ids import TaskforceUuid, TaskId, WorkflowId
from schemas.registry import Collection
from wms.fleet.life.aggregate import Aggregate
from wms.fleet.life.conditions import NOT_OVER
from wms.fleet.life.workflow_requests import NewWorkflow

Model = TypeVar("Model", bound=BaseModel)

#: The filter of workflows that are under way: their taskforces or queues are still there.
UNFINISHED: Mapping[str, Any] = {"over_at": {"$type": "null"}}
#: The filter of unfinished workflows that no user has ended and that have not ended by themselves.
LIVE: Mapping[str, Any] = {**UNFINISHED, "deactivated": None}
#: The filter of live workflows that wait for their queues.
WAITING: Mapping[str, Any] = {**LIVE, "queues_active_at": None}

INDEXES: Mapping[str, tuple[Index, ...]] = {
    WORKFLOWS: (
        Index(("workflow_id",), unique=True),
        Index(("cursor",)),
        Index(("owner", "cursor")),
        # For counting the quotas of users and of organizations.
        Index(("owner", "queues_active_at"), partial=UNFINISHED),
        Index(("organizations", "queues_active_at"), partial=UNFINISHED),
        Index(("projects", "cursor")),
        # For the watch over stalled workflows.
        Index(("deactivated",), partial=UNFINISHED),
        # For the list of workflows that have just ended.
        Index(("deactivated_ts",), partial={"deactivated_ts": {"$gt": 0}}),
        Index(("wake_at",), partial={"wake_at": {"$type": "date"}}),
    ),
    TASK_DIRECTIVES: (
        Index(("task_id",), unique=True),
        Index(("workflow_id",)),
        Index(("cursor",)),
        Index(("owner", "cursor")),
        Index(("projects", "cursor")),
        # For a new key of secrets.
        Index(("sealed_texts",), partial={"sealed_texts": {"$gt": ""}}),
    ),
    TASKFORCES: (
        Index(("taskforce_uuid",), unique=True),
        Index(("workflow_id",)),
        Index(("task_id",)),
        Index(("cursor",)),
        Index(("owner", "cursor")),
        Index(("projects", "cursor")),
        Index(("schedd", "phase", "launch_rank")),
        Index(("schedd", "cluster_id")),
    ),
}

#: The fields of each document that users see. Users never see the other fields.
PUBLIC: Mapping[Collection, tuple[str, ...]] = {
    WORKFLOWS: tuple(Workflow.model_fields),
    TASK_DIRECTIVES: tuple(TaskDirective.model_fields),
    TASKFORCES: tuple(Taskforce.model_fields),
}

_ID_OF: Mapping[type[BaseModel], tuple[Collection, str]] = {
    WorkflowDocument: (WORKFLOWS, "workflow_id"),
    TaskDirectiveDocument: (TASK_DIRECTIVES, "task_id"),
    TaskforceDocument: (TASKFORCES, "taskforce_uuid"),
}

#: Fields that may be large and that decisions do not read. Decisions only append to the log.
_UNREAD = {
    "phase_change_log": 0,
    "compound_statuses": 0,
    "top_task_errors": 0,
    "exit_codes": 0,
    "kills": 0,
    "submit_dict": 0,
}


def select_public(collection: Collection, document: Document) -> Document:
    """Return the fields of a stored `document` that users see. The document is not validated again."""
    return {name: document[name] for name in PUBLIC[collection] if name in document}


def make_document(model: BaseModel) -> Document:
    """Return `model` as a document for MongoDB."""
    _, name = _ID_OF[type(model)]
    document = model.model_dump()
    return {"_id": document[name], **document}


def make_inserts(models: Iterable[BaseModel]) -> tuple[Insert, ...]:
    """Return the changes that create the documents of `models`."""
    return tuple(Insert(_ID_OF[type(model)][0], make_document(model)) for model in models)


def find_changes(before: Aggregate, after: Aggregate) -> tuple[Change, ...]:
    """Return the changes that turn `before` into `after`. Return an empty tuple if they are equal.

    Any change also compares and increments the workflow's `rev`: the aggregate changes as a whole.
    """
    taskforces = tuple(
        change
        for uuid, taskforce in after.taskforces.items()
        for change in _taskforce_changes(before.taskforces.get(uuid), taskforce)
    )
    fields = _changed_fields(before.workflow, after.workflow)
    if not fields and not taskforces:
        return ()
    root = Update(WORKFLOWS, before.workflow.workflow_id, set=fields, rev=before.workflow.rev)
    return (root, *taskforces)


def _taskforce_changes(before: TaskforceDocument | None, after: TaskforceDocument) -> tuple[Change, ...]:
    if before is None:
        return make_inserts((after,))
    fields = _changed_fields(before, after)
    fields.pop("phase_change_log", None)
    lines = [line.model_dump() for line in after.phase_change_log[len(before.phase_change_log) :]]
    if not fields and not lines:
        return ()
    return (
        Update(
            TASKFORCES,
            after.taskforce_uuid,
            set=fields,
            push={"phase_change_log": lines} if lines else {},
        ),
    )


def _changed_fields(before: Model, after: Model) -> Document:
    if before is after:
        return {}
    names = {name for name in type(after).model_fields if getattr(before, name) != getattr(after, name)}
    return after.model_dump(include=names) if names else {}


async def load_aggregate(tx: Transaction, workflow_id: WorkflowId, *, with_tasks: bool = False) -> Aggregate | None:
    """Return the whole aggregate of `workflow_id`. Return None if there is no such workflow."""
    raw = await tx.find_one(WORKFLOWS, {"_id": workflow_id})
    if raw is None:
        return None
    taskforces = await tx.find(TASKFORCES, {"workflow_id": workflow_id}, projection=_UNREAD)
    tasks = await tx.find(TASK_DIRECTIVES, {"workflow_id": workflow_id}) if with_tasks else []
    return Aggregate(
        workflow=WorkflowDocument.model_validate(raw),
        taskforces={TaskforceUuid(t["_id"]): TaskforceDocument.model_validate(t) for t in taskforces},
        tasks={TaskId(t["_id"]): TaskDirectiveDocument.model_validate(t) for t in tasks},
    )


async def load_for_taskforce(tx: Transaction, uuid: TaskforceUuid, *, with_task: bool = False) -> Aggregate | None:
    """Return the aggregate with only the taskforce `uuid`. Return None if there is no such taskforce."""
    raw = await tx.find_one(TASKFORCES, {"_id": uuid}, projection=_UNREAD)
    if raw is None:
        return None
    taskforce = TaskforceDocument.model_validate(raw)
    raw_workflow = await tx.find_one(WORKFLOWS, {"_id": taskforce.workflow_id})
    if raw_workflow is None:
        return None
    workflow = WorkflowDocument.model_validate(raw_workflow)
    others: Mapping[str, Any] = {"workflow_id": taskforce.workflow_id, "_id": {"$ne": uuid}, **NOT_OVER}
    # Only a deactivated workflow can be over, so look for open taskforces only then.
    others_open = workflow.deactivated is None or (
        await tx.find_one(TASKFORCES, others, projection={"_id": 1}) is not None
    )
    task = await tx.find_one(TASK_DIRECTIVES, {"_id": taskforce.task_id}) if with_task else None
    return Aggregate(
        workflow=workflow,
        taskforces={uuid: taskforce},
        tasks={taskforce.task_id: TaskDirectiveDocument.model_validate(task)} if task else {},
        others_open=others_open,
    )


def make_creation(new: NewWorkflow) -> Decision:
    """Return the decision that stores `new`, with the contract's answer."""
    answer = {
        "workflow": select_public(WORKFLOWS, new.workflow.model_dump(mode="json")),
        "task_directives": [select_public(TASK_DIRECTIVES, task.model_dump(mode="json")) for task in new.tasks],
        "taskforces": [select_public(TASKFORCES, taskforce.model_dump(mode="json")) for taskforce in new.taskforces],
    }
    return Decision(
        changes=make_inserts((new.workflow, *new.tasks, *new.taskforces)), events=(new.event,), answer=answer
    )
