"""Turn a request into a workflow, its task directives and its taskforces. (core)

WorkflowRequest --+--> WorkflowDocument         with its queues, named before they exist (ruling 1)
                  +--> TaskDirectiveDocument    one for each task
                  +--> TaskforceDocument        one for each location of each task
                  +--> WorkflowRequested        to MQS
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from schemas.api.workflows.requests import MAX_USER_PRIORITY, TaskRequest, WorkflowRequest
from schemas.checks.refusals import count_configuration_bytes, find_refusals
from schemas.checks.runnable import find_complaints
from schemas.errors import Rejected
from schemas.events import WorkflowRequested
from schemas.fleet.documents import QueuePlan, TaskDirectiveDocument, TaskforceDocument, WorkflowDocument
from schemas.fleet.objects import PhaseChange, PilotConfig
from schemas.fleet.phases import Phase
from schemas.fleet.program import program_fields
from schemas.ids import Alias
from schemas.rules.complaints import join_complaints
from schemas.rules.limits import MAX_TASK_QUEUES
from wms.fleet.choices.locations import Location, LocationMap
from wms.fleet.choices.pauses import ask_again_at
from wms.fleet.choices.pilot_tags import PilotTags
from wms.fleet.id_source import IdSource
from wms.fleet.life import start_order
from wms.fleet.ownership import Owner

CREATED = "Created during initial workflow request."


@dataclass(frozen=True, slots=True)
class NewWorkflow:
    """All documents and events that follow from one request."""

    workflow: WorkflowDocument
    tasks: tuple[TaskDirectiveDocument, ...]
    taskforces: tuple[TaskforceDocument, ...]
    event: WorkflowRequested
    #: Why the workflow cannot do its work, although the contract accepts the request; empty if it can.
    hint: str = ""


def make_workflow(
    request: WorkflowRequest,
    *,
    owner: Owner,
    locations: LocationMap,
    tags: PilotTags,
    mint: IdSource,
    now: datetime,
    max_queues: int = MAX_TASK_QUEUES,
    traceparent: str = "",
) -> NewWorkflow:
    """Return the workflow that `request` asks for. `tags` are today's tags of the pilot's image.

    A task may have at most `max_queues` queues. `traceparent` is the trace of the request, "" if it has none.

    Raises:
        Rejected: the request names an unknown location or tag, sets a forbidden field, or its queues break a rule.
    """
    placed, hint = _check_request(request, locations, max_queues)
    timestamp = now.timestamp()
    priority = min(request.priority, MAX_USER_PRIORITY)
    workflow_id = mint.make_workflow_id()
    plan = plan_queues(request, mint)
    shared: dict[str, Any] = {
        "workflow_id": workflow_id,
        "timestamp": timestamp,
        "owner": owner.subject,
        "projects": list(owner.projects),
    }
    workflow = WorkflowDocument(
        **shared,
        organizations=list(owner.organizations),
        priority=priority,
        cursor=mint.make_cursor(),
        queues=plan,
        queues_asked_at=now,
        n_queues_asked=1,
        wake_at=ask_again_at(now, 1),
    )
    tasks: list[TaskDirectiveDocument] = []
    taskforces: list[TaskforceDocument] = []
    for task_index, (task_request, task_locations) in enumerate(zip(request.tasks, placed, strict=True)):
        task = TaskDirectiveDocument(
            **shared,
            **program_fields(task_request),
            task_id=mint.make_task_id(workflow_id),
            cursor=mint.make_cursor(),
            cluster_locations=task_request.cluster_locations,
            input_queues=[queue.mqid for queue in plan if queue.alias in task_request.input_queue_aliases],
            output_queues=[queue.mqid for queue in plan if queue.alias in task_request.output_queue_aliases],
        )
        tasks.append(task)
        taskforces += [
            TaskforceDocument(
                **shared,
                taskforce_uuid=mint.make_taskforce_uuid(task.task_id),
                task_id=task.task_id,
                cursor=mint.make_cursor(),
                priority=priority,
                launch_rank=start_order.start_rank(priority=priority, n_failures=0, timestamp=timestamp),
                schedd=location.schedd,
                n_workers=task_request.n_workers,
                default_n_workers=location.n_workers,
                task_index=task_index,
                traceparent=traceparent,
                worker_config=task_request.worker_config,
                pilot_config=_resolve_tag(task_request.pilot_config, tags),
                phase_change_log=begin_log(timestamp, by="USER", context=CREATED),
            )
            for location in task_locations
        ]
    event = make_queue_request(workflow, {taskforce.schedd for taskforce in taskforces})
    return NewWorkflow(workflow, tuple(tasks), tuple(taskforces), event, hint)


def begin_log(timestamp: float, *, by: str, context: str) -> list[PhaseChange]:
    """Return the log of a new taskforce, with its first phase. `by` is who made it at `timestamp`, `context` why."""
    return [
        PhaseChange(
            target_phase=Phase.PRE_MQ_ACTIVATION,
            timestamp=timestamp,
            was_successful=True,
            source_event_time=None,
            source_entity=by,
            context=context,
        )
    ]


def make_queue_request(workflow: WorkflowDocument, schedds: set[str]) -> WorkflowRequested:
    """Return the event that asks MQS for the queues of `workflow`, whose taskforces run at `schedds`."""
    return WorkflowRequested(
        workflow_id=workflow.workflow_id,
        priority=workflow.priority,
        owner=workflow.owner,
        projects=workflow.projects,
        queues=workflow.queues,
        schedds=sorted(schedds),
        requested_at=datetime.fromtimestamp(workflow.timestamp, tz=UTC),
    )


def plan_queues(request: WorkflowRequest, mint: IdSource) -> list[QueuePlan]:
    """Return the queues that the tasks use, in the order of their first use. Ignore public aliases that no task
    uses.
    """
    inputs = {alias for task in request.tasks for alias in task.input_queue_aliases}
    outputs = {alias for task in request.tasks for alias in task.output_queue_aliases}
    used: Mapping[str, None] = dict.fromkeys(
        alias for task in request.tasks for alias in (*task.input_queue_aliases, *task.output_queue_aliases)
    )
    public = set(request.public_queue_aliases)
    return [
        QueuePlan(
            mqid=mint.make_mqid(for_results=alias in public and alias not in inputs),
            alias=Alias(alias),
            is_public=alias in public,
            is_input=alias in inputs,
            is_output=alias in outputs,
        )
        for alias in used
    ]


def _check_request(
    request: WorkflowRequest, locations: LocationMap, max_queues: int
) -> tuple[list[list[Location]], str]:
    """Return the locations of each task, and a hint why the workflow cannot do its work.

    Raises:
        Rejected: the request has errors. The text lists the errors that the contract refuses, the hint lists all.
    """
    refused = find_refusals(request, clusters=locations.alias_targets, max_queues=max_queues)
    hint = join_complaints([*refused, *find_complaints(request)])
    if refused:
        raise Rejected("; ".join(complaint.answer for complaint in refused), hint=hint)
    placed = [[locations.find_location(location) for location in task.cluster_locations] for task in request.tasks]
    return placed, hint


def configuration_bytes(task: TaskRequest | TaskforceDocument) -> int:
    """Return how many bytes `worker_config` and `pilot_config` of `task` have."""
    return count_configuration_bytes(task.worker_config, task.pilot_config)


def _resolve_tag(config: PilotConfig, tags: PilotTags) -> PilotConfig:
    return config.model_copy(update={"tag": tags.resolve_tag(config.tag)})
