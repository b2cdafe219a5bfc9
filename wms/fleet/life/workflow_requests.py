"""A request becomes a workflow, its task directives and its taskforces. (core)

WorkflowRequest --+--> WorkflowDocument         with its queues, named before they exist (ruling 1)
                  +--> TaskDirectiveDocument    one a task
                  +--> TaskforceDocument        one a task and cluster location
                  +--> WorkflowRequested        to MQS
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from schemas.api import MAX_USER_PRIORITY, TaskRequest, WorkflowRequest
from schemas.documents import QueuePlan, TaskDirectiveDocument, TaskforceDocument, WorkflowDocument
from schemas.errors import Rejected
from schemas.events import WorkflowRequested
from schemas.ids import Alias
from schemas.objects import PhaseChange, PilotConfig
from schemas.phases import Phase
from schemas.pilot.names import OF_FIELDS, Platform, asked_platform
from schemas.pilot.variables import full_name
from schemas.rules.limits import (
    MAX_ALIAS_BYTES,
    MAX_CONFIGURATION_BYTES,
    MAX_TASK_QUEUES,
    MAX_TASKFORCES,
    MAX_WORKFLOW_QUEUES,
    program_problems,
)
from schemas.rules.requirements import BadRequirements, checked_requirements
from schemas.rules.worker_paths import (
    EXTERNAL_DIRECTORIES,
    directory_problem,
    image_problem,
    split_directories,
)
from wms.fleet.id_source import Mint
from wms.fleet.life import start_order
from wms.fleet.life.aggregate import ask_again_at
from wms.fleet.locations import Cluster, ClusterMap, UnknownCluster
from wms.fleet.ownership import Owner
from wms.fleet.pilot_tags import Tags

#: What a task's own fields say must not be said a second time in the pilot's environment.
RESERVED_ENVIRONMENT = tuple(map(full_name, OF_FIELDS))

CREATED = "Created during initial workflow request."


@dataclass(frozen=True, slots=True)
class NewWorkflow:
    """Everything that one request makes."""

    workflow: WorkflowDocument
    tasks: tuple[TaskDirectiveDocument, ...]
    taskforces: tuple[TaskforceDocument, ...]
    event: WorkflowRequested


def new_workflow(
    request: WorkflowRequest,
    *,
    owner: Owner,
    clusters: ClusterMap,
    tags: Tags,
    mint: Mint,
    now: datetime,
    max_queues: int = MAX_TASK_QUEUES,
) -> NewWorkflow:
    """Return what `request` asks for; `tags` are the pilot's as of today, and no task has more than `max_queues`.

    Raises:
        Rejected: it names an unknown cluster or tag, sets what it must not, or its queues make no sense.
    """
    placed = _checked(request, clusters, max_queues)
    timestamp = now.timestamp()
    priority = min(request.priority, MAX_USER_PRIORITY)
    workflow_id = mint.workflow_id()
    plan = queue_plan(request, mint)
    shared: dict[str, Any] = {
        "workflow_id": workflow_id,
        "timestamp": timestamp,
        "owner": owner.subject,
        "projects": list(owner.projects),
    }
    workflow = WorkflowDocument(
        **shared,
        priority=priority,
        cursor=mint.cursor(),
        queues=plan,
        queues_asked_at=now,
        n_queues_asked=1,
        wake_at=ask_again_at(now, 1),
    )
    tasks: list[TaskDirectiveDocument] = []
    taskforces: list[TaskforceDocument] = []
    for task_request, task_clusters in zip(request.tasks, placed, strict=True):
        task = TaskDirectiveDocument(
            **shared,
            task_id=mint.task_id(workflow_id),
            cursor=mint.cursor(),
            cluster_locations=task_request.cluster_locations,
            task_image=task_request.task_image,
            task_args=task_request.task_args,
            task_env=task_request.task_env,
            init_image=task_request.init_image,
            init_args=task_request.init_args,
            init_env=task_request.init_env,
            input_queues=[queue.mqid for queue in plan if queue.alias in task_request.input_queue_aliases],
            output_queues=[queue.mqid for queue in plan if queue.alias in task_request.output_queue_aliases],
        )
        tasks.append(task)
        taskforces += [
            TaskforceDocument(
                **shared,
                taskforce_uuid=mint.taskforce_uuid(task.task_id),
                task_id=task.task_id,
                cursor=mint.cursor(),
                priority=priority,
                launch_rank=start_order.rank(priority=priority, n_failures=0, timestamp=timestamp),
                schedd=cluster.schedd,
                n_workers=task_request.n_workers,
                default_n_workers=cluster.n_workers,
                worker_config=task_request.worker_config,
                pilot_config=_resolved(task_request.pilot_config, tags),
                phase_change_log=[
                    PhaseChange(
                        target_phase=Phase.PRE_MQ_ACTIVATION,
                        timestamp=timestamp,
                        was_successful=True,
                        source_event_time=None,
                        source_entity="USER",
                        context=CREATED,
                    )
                ],
            )
            for cluster in task_clusters
        ]
    event = queues_wanted(workflow, {taskforce.schedd for taskforce in taskforces})
    return NewWorkflow(workflow, tuple(tasks), tuple(taskforces), event)


def queues_wanted(workflow: WorkflowDocument, schedds: set[str]) -> WorkflowRequested:
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


def queue_plan(request: WorkflowRequest, mint: Mint) -> list[QueuePlan]:
    """Return the queues that the tasks use, in the order of their first use. Unused public aliases are ignored."""
    inputs = {alias for task in request.tasks for alias in task.input_queue_aliases}
    outputs = {alias for task in request.tasks for alias in task.output_queue_aliases}
    used: Mapping[str, None] = dict.fromkeys(
        alias for task in request.tasks for alias in (*task.input_queue_aliases, *task.output_queue_aliases)
    )
    public = set(request.public_queue_aliases)
    return [
        QueuePlan(
            mqid=mint.mqid(for_results=alias in public and alias not in inputs),
            alias=Alias(alias),
            is_public=alias in public,
            is_input=alias in inputs,
            is_output=alias in outputs,
        )
        for alias in used
    ]


def _checked(request: WorkflowRequest, clusters: ClusterMap, max_queues: int) -> list[list[Cluster]]:
    """Return the clusters of each task, or say everything that is wrong at once."""
    problems: list[str] = []
    hint = ""
    placed: list[list[Cluster]] = []
    for n, task in enumerate(request.tasks):
        problems += _problems(n, task, max_queues)
        found: list[Cluster] = []
        for location in task.cluster_locations:
            try:
                found.append(clusters.find(location))
            except UnknownCluster as error:
                problems.append(f"'tasks.{n}.cluster_locations': {error.reason}")
                hint = error.hint
        placed.append(found)
    problems += _total_problems(request, sum(map(len, placed)))
    if problems:
        raise Rejected("; ".join(problems), hint=hint)
    return placed


def _total_problems(request: WorkflowRequest, n_taskforces: int) -> Iterator[str]:
    """Yield what is too much of all tasks together."""
    if n_taskforces > MAX_TASKFORCES:
        yield f"'tasks': must have at most {MAX_TASKFORCES} tasks times cluster locations"
    queues = {alias for task in request.tasks for alias in (*task.input_queue_aliases, *task.output_queue_aliases)}
    if len(queues) > MAX_WORKFLOW_QUEUES:
        yield (
            f"'tasks': must have at most {MAX_WORKFLOW_QUEUES} queues in all, and has {len(queues)}; "
            "make several workflows of it"
        )
    n_bytes = sum(configuration_bytes(task) * len(task.cluster_locations) for task in request.tasks)
    if n_bytes > MAX_CONFIGURATION_BYTES:
        yield (
            f"'tasks': must have at most {MAX_CONFIGURATION_BYTES} bytes of 'worker_config' and 'pilot_config', once "
            f"for each cluster location, and has {n_bytes}; put the data into a file that pilots can reach"
        )


def configuration_bytes(task: TaskRequest | TaskforceDocument) -> int:
    """Return how many bytes a taskforce has of configurations."""
    return len(task.worker_config.model_dump_json().encode()) + len(task.pilot_config.model_dump_json().encode())


def _limit_problems(n: int, task: TaskRequest) -> Iterator[str]:
    """Yield what does not fit into what comes behind the request."""
    for way in ("input_queue_aliases", "output_queue_aliases"):
        if any(len(alias.encode()) > MAX_ALIAS_BYTES for alias in getattr(task, way)):
            yield f"'tasks.{n}.{way}': must have at most {MAX_ALIAS_BYTES} bytes in each alias; choose a shorter one"
    for kind, arguments, environment in (
        ("task", task.task_args, task.task_env),
        ("init", task.init_args, task.init_env),
    ):
        for part, problem in program_problems(arguments, environment):
            where = f"{kind}_args" if part == "args" else f"{kind}_env.{part}"
            yield f"'tasks.{n}.{where}': {problem}"


def _problems(n: int, task: TaskRequest, max_queues: int) -> list[str]:
    problems = [
        f"tasks[{n}].pilot_config.environment cannot include the attribute '{name}'. "
        "Use the top-level equivalent attribute instead."
        for name in RESERVED_ENVIRONMENT
        if name in task.pilot_config.environment
    ]
    problems += _path_problems(n, task)
    problems += _limit_problems(n, task)
    if not task.input_queue_aliases and not task.output_queue_aliases:
        problems.append(f"'tasks.{n}': needs an alias in 'input_queue_aliases' or in 'output_queue_aliases'")
    n_queues = len(task.input_queue_aliases) + len(task.output_queue_aliases)
    if n_queues > max_queues:
        problems.append(
            f"'tasks.{n}.input_queue_aliases': must have at most {max_queues} items together with "
            "'output_queue_aliases', for a pilot has one token for all of them; split the task"
        )
    try:
        # Not in the model: that also reads what is stored, which must stay readable when the rules become stricter.
        checked_requirements(task.worker_config.condor_requirements)
    except BadRequirements as error:
        problems.append(f"'tasks.{n}.worker_config.condor_requirements': {error}")
    return problems


def _path_problems(n: int, task: TaskRequest) -> list[str]:
    """Return what the names of images and of a worker's directories show to be refused at any pool."""
    environment = task.pilot_config.environment
    named: list[tuple[str, str, Callable[[str], str]]] = []
    if asked_platform(task.task_image, environment) != Platform.NONE:
        named = [("task_image", task.task_image, image_problem), ("init_image", task.init_image, image_problem)]
    where = f"pilot_config.environment.{EXTERNAL_DIRECTORIES}"
    named += [(where, path, directory_problem) for path in split_directories(environment.get(EXTERNAL_DIRECTORIES, ""))]
    return [f"'tasks.{n}.{name}': {problem}" for name, path, rule in named if (problem := rule(path))]


def _resolved(config: PilotConfig, tags: Tags) -> PilotConfig:
    return config.model_copy(update={"tag": tags.resolved(config.tag)})
