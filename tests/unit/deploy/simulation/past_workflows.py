"""Past workflows to simulate: made, reported and read as WMS does it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.simulation.past_run import PastRun, read_past_run
from schemas.api.queues.profiles import QueueDepths
from schemas.api.workflows.simulation import SimulationOrder
from schemas.fleet.objects import TaskDirective, Taskforce
from schemas.fleet.worker_times import Activity, TimeSum, WorkerTimes
from schemas.pilot.work_report import find_bucket
from tests.unit.wms.fleets import made, task_request
from wms.insight.workflow_reading import WorkflowReading
from wms.insight.workflow_report import compute_report

T0 = datetime(2026, 11, 30, 8, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Past:
    """What one past task did. `took_s` are the times of its successful runs."""

    took_s: Sequence[float]
    n_workers: int = 2
    start_s: float = 1.0
    n_failed: int = 0
    failed_s: float = 0.0
    n_slots: int = 1
    span_s: float = 100.0
    n_pilots: int = 1
    fields: Mapping[str, Any]


def past_task(took_s: Sequence[float] = (1.0,) * 20, *, inputs: Sequence[str] = ("in",), **given: Any) -> Past:
    """Return a task that takes events from `inputs`. `given` has fields of `Past`, and fields of a request's task."""
    own = {name: given.pop(name) for name in list(given) if name in Past.__dataclass_fields__}
    fields = {"input_queue_aliases": list(inputs), "n_workers": own.get("n_workers", 2), **given}
    return Past(took_s=took_s, fields=fields, **own)


def order_for(*tasks: Past, n_dead: int = 0, **wanted: Any) -> SimulationOrder:
    """Return the order to simulate a past workflow of `tasks`, with the fields `wanted`."""
    new = made(*(task_request(**task.fields) for task in tasks))
    taskforces = [
        one.model_copy(
            update={
                "cluster_id": 7,
                "n_workers": task.n_workers,
                "status_as_of": T0 + timedelta(seconds=task.span_s),
                "times": _times_of(task),
            }
        )
        for one, task in zip(new.taskforces, tasks, strict=True)
    ]
    depths = QueueDepths(workflow_id=new.workflow.workflow_id, queues=[], n_dead=n_dead, n_failed=n_dead)
    reading = WorkflowReading(workflow=new.workflow, tasks=new.tasks, taskforces=taskforces, depths=depths)
    return SimulationOrder(
        report=compute_report(reading),
        tasks=[TaskDirective.model_validate(each.model_dump(), extra="ignore") for each in new.tasks],
        taskforces=[Taskforce.model_validate(each.model_dump(), extra="ignore") for each in taskforces],
        **wanted,
    )


def past_of(*tasks: Past, n_dead: int = 0) -> PastRun:
    """Return the past run of `tasks`, as a simulation reads it."""
    return read_past_run(order_for(*tasks, n_dead=n_dead))


def with_workers(past: PastRun, *numbers: int) -> dict[str, int]:
    """Return task id -> number, for the tasks of `past` in their order."""
    return {task.task_id: n for task, n in zip(past.tasks, numbers, strict=True)}


def _times_of(task: Past) -> WorkerTimes:
    durations: dict[str, int] = {}
    for took_s in task.took_s:
        bucket = str(find_bucket(took_s * 1000))
        durations[bucket] = durations.get(bucket, 0) + 1
    starting_ms = int(1000 * task.start_s * task.n_workers)
    working_ms = int(1000 * task.span_s * task.n_workers) - starting_ms
    return WorkerTimes(
        sums={
            Activity.STARTING: TimeSum(n_now=0, offset_ms=starting_ms),
            Activity.WORKING: TimeSum(n_now=0, offset_ms=working_ms),
        },
        first_run_at=T0,
        last_left_at=T0 + timedelta(seconds=task.span_s),
        last_done_at=T0 + timedelta(seconds=task.span_s - 1) if task.took_s else None,
        n_runs=task.n_workers,
        n_pilots=task.n_pilots,
        n_slots=task.n_slots,
        n_done=len(task.took_s),
        n_failed=task.n_failed,
        done_ms=int(sum(task.took_s) * 1000),
        lost_ms=int(task.n_failed * task.failed_s * 1000),
        durations=durations,
    )
