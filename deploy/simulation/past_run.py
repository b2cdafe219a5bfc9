"""Read from the report and the request of a past workflow what its simulation needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploy.simulation.event_flow import CountedTask, EventFlow, find_flow
from deploy.simulation.pilot_policy import make_policy
from pilot.life.state import Policy
from schemas.api.workflows.report import ServiceTimes, TaskReport
from schemas.api.workflows.simulation import SimulationOrder
from schemas.broker.topology import MAX_ATTEMPTS
from schemas.errors import Rejected
from schemas.fleet.objects import TaskDirective, Taskforce


@dataclass(frozen=True, slots=True, kw_only=True)
class PastTask:
    """What a past task did, as far as a simulation needs it. Times are seconds."""

    task_id: str
    name: str
    input_queues: Sequence[str]
    output_queues: Sequence[str]
    policy: Policy
    max_runtime_s: float
    n_cores: int
    n_workers: int
    n_taken: int
    mean_s: float
    buckets: Sequence[ServiceTimes]
    start_s: float
    #: The share of events that became dead letters, and after how many failed runs.
    hopeless_share: float
    n_failures: int
    #: The share of the other events that failed once. How long a failed run took.
    unlucky_share: float
    failed_s: float


@dataclass(frozen=True, slots=True)
class PastRun:
    """A past run: its tasks, and how events flowed between them."""

    tasks: Sequence[PastTask]
    flow: EventFlow


def read_past_run(order: SimulationOrder) -> PastRun:
    """Return the past run that `order` describes.

    Raises:
        Rejected: no event of a task is done yet, or the report does not tell how the run went.
    """
    directives: dict[str, TaskDirective] = {task.task_id: task for task in order.tasks}
    taskforces: dict[str, Taskforce] = {}
    for taskforce in order.taskforces:
        taskforces.setdefault(taskforce.task_id, taskforce)
    if not any(task.figures.events_done.value for task in order.report.tasks):
        done = order.report.figures.events_done
        why = done.how if done.value is None else "no run of a task has succeeded, as far as pilots have reported"
        raise Rejected(
            f"workflow {order.report.workflow_id} has no finished events yet: {why}",
            hint="simulate a workflow whose tasks have done some events; `ewms workflow report` shows them",
        )
    for task in order.report.tasks:
        _check_known(task)
    dead = _share_dead_letters(order)
    tasks = [
        _read_task(task, directives[task.task_id], taskforces[task.task_id], n_dead=dead[task.task_id])
        for task in order.report.tasks
        if task.task_id in taskforces and task.task_id in directives
    ]
    for each in tasks:
        if each.policy.source and not each.n_taken:
            raise Rejected(
                f"task {each.task_id} ({each.name}) takes no events, and has not finished a run yet",
                hint="how long it takes is known after its first run",
            )
    counted = [
        CountedTask(
            each.task_id, each.input_queues, each.output_queues, each.n_taken, each.n_taken - dead[each.task_id]
        )
        for each in tasks
    ]
    return PastRun(tasks, find_flow(counted))


def _check_known(task: TaskReport) -> None:
    """Refuse a task that has worked, if nothing is known of its work."""
    done, hours = task.figures.events_done, task.figures.worker_hours.value
    if done.value is None and hours != 0:
        raise Rejected(
            f"task {task.task_id} ({task.name}): its finished events are {done.how}",
            hint="the work of all tasks must be in the report; docs/report.md says when it is not",
        )


def _share_dead_letters(order: SimulationOrder) -> Mapping[str, int]:
    """Return task id -> number of its dead letters. The report counts those of all tasks together.

    They are shared out by failed attempts. A dead letter whose task never ran is left out.
    """
    failed = {task.task_id: int(task.figures.attempts_failed.value or 0) for task in order.report.tasks}
    n_all = sum(failed.values())
    n_dead = min(int(order.report.events_failed.value or 0), n_all)
    return {task_id: n_dead * n // n_all if n_all else 0 for task_id, n in failed.items()}


def _read_task(report: TaskReport, task: TaskDirective, taskforce: Taskforce, *, n_dead: int) -> PastTask:
    n_done = int(report.figures.events_done.value or 0)
    n_failed = int(report.figures.attempts_failed.value or 0)
    n_slots = max(1, report.events_at_once)
    n_failures = min(MAX_ATTEMPTS, max(1, round(n_failed / n_dead))) if n_dead else 0
    n_unlucky = max(0, n_failed - n_dead * n_failures)
    mean_s = report.service_time.value or 0.0
    failed_s = report.failed_time.value
    return PastTask(
        task_id=task.task_id,
        name=report.name,
        input_queues=task.input_queues,
        output_queues=task.output_queues,
        policy=make_policy(task, taskforce, n_slots=n_slots),
        max_runtime_s=taskforce.worker_config.max_worker_runtime,
        n_cores=taskforce.worker_config.n_cores,
        n_workers=report.n_workers,
        n_taken=n_done + n_dead,
        mean_s=mean_s,
        buckets=report.service_times,
        start_s=report.start_time.value or 0.0,
        hopeless_share=n_dead / (n_done + n_dead) if n_dead else 0.0,
        n_failures=n_failures,
        unlucky_share=min(1.0, n_unlucky / n_done) if n_done else 0.0,
        failed_s=mean_s if failed_s is None else failed_s,
    )
