"""Bodies of the routes that request, end and extend workflows, and the places where tasks can run.

Source: contract, sections 1.1 to 1.5.
"""

import json
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from schemas.api.fields import UNIQUE, Name, Unique
from schemas.api.operators import DrainSeen
from schemas.fleet.objects import (
    NWorkers,
    Object,
    PilotConfig,
    Priority,
    TaskDirective,
    Taskforce,
    WorkerConfig,
    Workflow,
)
from schemas.fleet.program import RequestedProgram
from schemas.fleet.texts import EnvironmentName, EnvironmentValue
from schemas.rules.limits import MAX_ALIASES, MAX_TASKS

DEFAULT_PRIORITY = 50
#: Only EWMS itself uses higher priorities.
MAX_USER_PRIORITY = 100


class TaskRequest(Object, RequestedProgram):
    """One task of a requested workflow."""

    cluster_locations: Annotated[list[Name], Field(min_length=1, max_length=100, json_schema_extra=UNIQUE), Unique]
    input_queue_aliases: Annotated[list[Name], Field(max_length=MAX_ALIASES, json_schema_extra=UNIQUE), Unique]
    output_queue_aliases: Annotated[list[Name], Field(max_length=MAX_ALIASES, json_schema_extra=UNIQUE), Unique]
    worker_config: WorkerConfig
    pilot_config: PilotConfig = Field(default_factory=PilotConfig)
    n_workers: NWorkers = None


class WorkflowRequest(Object):
    """The body of POST /workflows."""

    tasks: Annotated[list[TaskRequest], Field(min_length=1, max_length=MAX_TASKS, json_schema_extra=UNIQUE), Unique]
    public_queue_aliases: Annotated[list[Name], Field(max_length=1000, json_schema_extra=UNIQUE), Unique]
    priority: Priority = DEFAULT_PRIORITY


def _as_text(value: Any) -> Any:
    # As JSON writes it: `true`, `1`, `0.5`.
    return json.dumps(value) if isinstance(value, int | float) else value


OldEnvironment = dict[EnvironmentName, Annotated[EnvironmentValue, BeforeValidator(_as_text)]]


class OldTaskRequest(TaskRequest):
    """One task in a request of v0. Its environments may contain numbers and booleans, which EWMS converts to text."""

    task_env: OldEnvironment = Field(default_factory=dict)
    init_env: OldEnvironment = Field(default_factory=dict)


class OldWorkflowRequest(WorkflowRequest):
    """The body of POST /v0/workflows."""

    tasks: Annotated[  # type: ignore[assignment]  # a list is invariant, but no code changes this list
        list[OldTaskRequest], Field(min_length=1, max_length=MAX_TASKS, json_schema_extra=UNIQUE), Unique
    ]


class WorkflowAnswer(Object):
    """The objects that POST /workflows made."""

    workflow: Workflow
    task_directives: list[TaskDirective]
    taskforces: list[Taskforce]


class DeactivationAnswer(Object):
    """The answer to abort or finished. `n_taskforces` is how many taskforces WMS has ordered to stop."""

    workflow_id: str
    n_taskforces: int


class AddWorkersRequest(Object):
    """The body of POST /task-directives/{id}/actions/add-workers. Both fields are required."""

    cluster_location: Name
    n_workers: NWorkers


class ClusterLocation(Object):
    """A place where tasks can run."""

    name: Annotated[str, Field(description="Its name in `cluster_locations`. Several names may mean one schedd.")]
    schedd: str
    n_workers: Annotated[int, Field(description="The number of workers of a taskforce if `n_workers` is null.")]
    alias_of: Annotated[
        str, Field(description='The location that this is only another name of; "" for a location.')
    ] = ""
    drain: Annotated[DrainSeen | None, Field(description="Why no workers start there; null: workers start there.")] = (
        None
    )


class ClustersAnswer(Object):
    """The answer of GET /clusters: the places where tasks can run, and their aliases."""

    clusters: list[ClusterLocation]

    def alias_targets(self) -> dict[str, str]:
        """Return a mapping: each name, with the location that the name is an alias of; "" for a location's own name."""
        return {cluster.name: cluster.alias_of for cluster in self.clusters}
