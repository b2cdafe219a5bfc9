"""Simulate one run of a workflow: all events are published at the start, and the workers stop after the last one.

A run ends when all queues from which tasks take events are empty, and all sources have run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from random import Random

from deploy.simulation.agenda import Agenda
from deploy.simulation.jobs import JobTimes
from deploy.simulation.past_run import PastRun
from deploy.simulation.queues import Backlog, SimulatedEvent, SimulatedQueue
from deploy.simulation.tasks import SimulatedTask
from schemas.errors import Rejected
from tms.jobs.restarts import MAX_PAUSE_S

#: A run never ends if no event is done for as long as this many workers live one after the other, with their pauses.
_LIVES = 10


@dataclass(frozen=True, slots=True)
class FleetRun:
    """A simulated run: when its last event was done, and task id -> what the task's workers did until then."""

    finish_s: float
    times: Mapping[str, JobTimes]
    n_dead: int


def simulate_fleet(past: PastRun, *, workers: Mapping[str, int], n_events: int, seed: int) -> FleetRun:
    """Simulate a run with `workers` (task id -> number), in which users publish `n_events`.

    Equal arguments give equal runs.

    Raises:
        Rejected: the run would not come to an end.
    """
    agenda, backlog = Agenda(), Backlog()
    queues = {mqid: SimulatedQueue(agenda, backlog) for task in past.tasks for mqid in task.input_queues}
    numbers = count(1)
    n_sources_left = sum(workers[task.task_id] for task in past.tasks if task.policy.source)

    def publish(mqid: str) -> None:
        queues[mqid].publish_event(SimulatedEvent(next(numbers)))

    def note_job_over() -> None:
        # Only the jobs of sources are ever over: other queues do not close before the end.
        nonlocal n_sources_left
        n_sources_left -= 1

    tasks = [
        SimulatedTask(
            agenda,
            task,
            [queues[mqid] for mqid in task.input_queues],
            per_run={mqid: n for mqid, n in past.flow.per_run.items() if mqid in task.output_queues},
            publish=publish,
            on_job_over=note_job_over,
            random=Random(f"{seed} {index}"),  # noqa: S311 - no secret
        )
        for index, task in enumerate(past.tasks)
    ]
    jobs = [job for task in tasks for job in task.make_jobs(workers[task.past.task_id])]
    for mqid, n in past.flow.scale_to(n_events).items():
        for _ in range(n):
            publish(mqid)
    for job in jobs:
        job.start_worker()
    patience_s = _LIVES * (MAX_PAUSE_S + max(task.max_runtime_s + task.start_s for task in past.tasks))
    while n_sources_left or backlog.n_unsettled:
        if agenda.time() > backlog.settled_at_s + patience_s or not agenda.make_next_call():
            raise Rejected(
                f"the simulated run with {describe_workers(workers)} does not come to an end: after "
                f"{agenda.time():.0f} s events still wait, and none has been done for {patience_s:.0f} s",
                hint="look for a task that outlives its workers (max_worker_runtime), or that nearly always fails",
            )
    finish_s = agenda.time()
    for job in jobs:
        job.stop_worker()
    return FleetRun(finish_s, {task.past.task_id: task.times for task in tasks}, sum(task.n_dead for task in tasks))


def describe_workers(workers: Mapping[str, int]) -> str:
    """Return `workers` as a text for people."""
    return ", ".join(f"{n} workers of {task_id}" for task_id, n in workers.items())
