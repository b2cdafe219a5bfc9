"""What a past workflow would take with other numbers of workers, as a simulation finds it.

    WorkflowReport, tasks, taskforces ──SimulationOrder──► deploy.simulation ──Simulation──► `ewms simulate`

The command and the simulation meet in these words. No service simulates, so no route answers with them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from schemas.api.workflows.report import WorkflowReport
from schemas.fleet.objects import Object, TaskDirective, Taskforce


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationOrder:
    """A past workflow, and what to simulate."""

    report: WorkflowReport
    tasks: Sequence[TaskDirective]
    taskforces: Sequence[Taskforce]
    #: The id or the name of a task -> the numbers of its workers to try. Other tasks have as many as in the past.
    workers: Mapping[str, Sequence[int]] = field(default_factory=dict)
    #: How many events users publish; None: as many as in the past.
    n_events: int | None = None
    seed: int = 0


class SimulatedRun(Object):
    """One simulated run of the workflow. The shares are those of the report."""

    workers: Annotated[dict[str, int], Field(description="The id of a task -> the number of its workers.")]
    is_past: Annotated[bool, Field(description="Whether these are the numbers of workers of the past run.")]
    finish_s: Annotated[float, Field(description="From the start of the first worker until the last event is done.")]
    worker_hours: Annotated[float, Field(description="The hours of all workers until then.")]
    core_hours: Annotated[float, Field(description="The worker-hours times the cores of each worker.")]
    busy: float
    starting: float
    idle: float
    wasted: float
    events_failed: int
    time_ratio: Annotated[float, Field(description="`finish_s` divided by that with the past numbers of workers.")]
    cost_ratio: Annotated[float, Field(description="`core_hours` divided by those with the past numbers of workers.")]


class Simulation(Object):
    """Simulated runs of one workflow, in ascending order of their numbers of workers."""

    workflow_id: str
    n_events: Annotated[int, Field(description="How many events users publish in each run.")]
    seed: int
    task_names: Annotated[dict[str, str], Field(description="The id of a task -> its name for people.")]
    runs: list[SimulatedRun]
    suggested: Annotated[int, Field(description="The index of the cheapest run that is nearly as fast as the fastest.")]
    past_n_events: Annotated[int, Field(description="How many events users published in the past run.")]
    past_finish_s: Annotated[
        float | None, Field(description="How long the past run took, by the report; null: it is unknown.")
    ]
    past_worker_hours: Annotated[float | None, Field(description="The worker-hours of the past run, by the report.")]
    assumptions: Annotated[list[str], Field(description="What the simulation assumes or leaves out.")]
