"""What a workflow's workers did and cost: each figure with its unit, and how it was computed."""

from typing import Annotated

from pydantic import Field

from schemas.fleet.objects import Object


class Measure(Object):
    """One figure of a report."""

    value: Annotated[float | None, Field(description="The figure; null: it is unknown, and `how` says why.")]
    unit: Annotated[str, Field(description="The unit, such as `h`, `events` or `share of the workers' time`.")]
    how: Annotated[str, Field(description="How the figure was computed, and what it leaves out.")]


#: What a client shows for a figure that an older server does not report.
OF_NEWER_SERVERS = Measure(value=None, unit="s", how="unknown: the server is older, and does not report this")


class WorkFigures(Object):
    """What workers did. The five shares add up to 1."""

    worker_hours: Measure
    busy: Annotated[Measure, Field(description="The share in which the task ran and succeeded.")]
    starting: Annotated[Measure, Field(description="The share before a pilot was ready for its first event.")]
    idle: Annotated[Measure, Field(description="The share in which pilots waited for events.")]
    wasted: Annotated[Measure, Field(description="The share of failed and interrupted runs, and of failed pilots.")]
    unknown: Annotated[Measure, Field(description="The share of which nothing is known, or not yet.")]
    events_done: Measure
    attempts_failed: Measure
    events_per_core_hour: Measure
    time_to_last_success: Annotated[
        Measure, Field(description="The time from the first worker's start to the end of the last successful run.")
    ] = OF_NEWER_SERVERS


class ServiceTimes(Object):
    """How many successful runs of the task took between two times."""

    at_least_s: float
    below_s: float
    n: int


class TaskReport(Object):
    """The report of one task."""

    task_id: str
    name: str
    figures: WorkFigures
    service_time: Annotated[Measure, Field(description="The mean time of a successful run.")]
    start_time: Annotated[Measure, Field(description="The mean time from a worker's start until its pilot is ready.")]
    memory_asked: Measure
    memory_used: Annotated[Measure, Field(description="The most that one worker has had.")]
    suggested_n_workers: Measure
    suggested_memory: Measure
    suggested_prefetch: Measure
    n_workers: Annotated[int, Field(description="How many workers the task asked for.")]
    events_at_once: Annotated[int, Field(description="How many events a worker takes at once; 0: unknown.")]
    n_starts: Annotated[int, Field(description="How often workers have started.")]
    service_times: Annotated[list[ServiceTimes], Field(description="The successful runs by their time, ascending.")]
    failed_time: Annotated[
        Measure, Field(description="The time of failed and interrupted runs, divided by the number of failed ones.")
    ] = OF_NEWER_SERVERS


class WorkflowReport(Object):
    """The answer of GET /workflows/{id}/report."""

    workflow_id: str
    is_over: Annotated[bool, Field(description="Whether the workflow has ended. Before that, the figures grow.")]
    figures: Annotated[WorkFigures, Field(description="All tasks together.")]
    events_failed: Annotated[Measure, Field(description="Events that ended as dead letters.")]
    tasks: list[TaskReport]
