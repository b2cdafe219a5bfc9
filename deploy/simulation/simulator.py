"""Simulate a past workflow with several numbers of workers, and suggest one of them.

The entry point group `ewms.simulator` names `simulate`, so that the `ewms` command finds it without importing it.
"""

from collections.abc import Sequence

from deploy.simulation.fleet import FleetRun, simulate_fleet
from deploy.simulation.past_run import PastRun, PastTask, read_past_run
from deploy.simulation.pilots import CONFIRM_S
from deploy.simulation.worker_choices import NamedTask, Workers, list_choices
from schemas.api.workflows.report import WorkFigures
from schemas.api.workflows.simulation import SimulatedRun, Simulation, SimulationOrder
from schemas.errors import Rejected
from wms.insight.work_totals import WorkTotals, add_totals
from wms.insight.workflow_report import compute_figures

#: The suggested run takes at most this much longer than the fastest one.
_MOST_LOST = 0.1
#: The most runs of tasks in all simulated runs together. 100 000 take some seconds.
MOST_RUNS = 1_000_000

ASSUMPTIONS = (
    "all events are there when the first worker starts, and the workers leave when the last event is done",
    "all workers start at once: the pool has a free slot for each, and each start takes the past mean",
    "runs take as long as in the past, however many workers there are: nothing else gets slower",
    f"the broker takes {CONFIRM_S * 1000:g} ms to confirm an event, and no time to deliver one",
    "dead letters and failed attempts come as often as in the past; the pool kills no pilot, and no machine is bad",
)

#: The assumption about a workflow that still runs.
SO_FAR = "the workflow has not ended: these are the events that each task has done so far"


def simulate(order: SimulationOrder) -> Simulation:
    """Simulate the past workflow of `order` with each number of workers. Equal orders give equal results.

    Raises:
        Rejected: the workflow has no finished events, the order is wrong, or a run would not come to an end.
    """
    past = read_past_run(order)
    named = [NamedTask(task.task_id, task.name, task.n_workers) for task in past.tasks]
    choices = list_choices(named, order.workers)
    n_events = _choose_n_events(order, past)
    _check_size(past, n_events, len(choices))
    runs = [simulate_fleet(past, workers=each, n_events=n_events, seed=order.seed) for each in choices]
    before = choices.index({task.task_id: task.n_workers for task in named})
    return Simulation(
        workflow_id=order.report.workflow_id,
        n_events=n_events,
        seed=order.seed,
        task_names={task.task_id: task.name for task in named},
        runs=(shown := _describe_runs(past, choices, runs, before)),
        suggested=choose_run(shown),
        past_n_events=past.flow.n_from_users,
        past_finish_s=order.report.figures.time_to_last_success.value,
        past_worker_hours=order.report.figures.worker_hours.value,
        assumptions=[*ASSUMPTIONS, *(() if order.report.is_over else (SO_FAR,))],
    )


def choose_run(runs: Sequence[SimulatedRun]) -> int:
    """Return the index of the run that costs least among those that are nearly as fast as the fastest one."""
    limit_s = (1 + _MOST_LOST) * min(run.finish_s for run in runs)
    fast = [index for index, run in enumerate(runs) if run.finish_s <= limit_s]
    return min(fast, key=lambda index: (runs[index].core_hours, index))


def _choose_n_events(order: SimulationOrder, past: PastRun) -> int:
    n_past = past.flow.n_from_users
    if order.n_events is None:
        return n_past
    if order.n_events < 1:
        raise Rejected(f"--events: must be at least 1, and {order.n_events} is given", hint="give 1 or more")
    if not n_past:
        raise Rejected(
            "--events: the tasks of this workflow take no events from users",
            hint="leave it out; --workers says how often a task without an input runs",
        )
    return order.n_events


def _check_size(past: PastRun, n_events: int, n_choices: int) -> None:
    n_past = past.flow.n_from_users
    factor = n_events / n_past if n_past else 1.0
    n_runs = round(n_choices * factor * sum(task.n_taken for task in past.tasks))
    if n_runs > MOST_RUNS:
        raise Rejected(
            f"the simulation would have {n_runs} runs of tasks, and may have at most {MOST_RUNS}",
            hint="give fewer events (--events), or fewer numbers of workers (--workers)",
        )


def _describe_runs(
    past: PastRun, choices: Sequence[Workers], runs: Sequence[FleetRun], before: int
) -> list[SimulatedRun]:
    core_hours = [_count_core_hours(past.tasks, run) for run in runs]
    return [
        _describe_run(
            past,
            workers,
            run,
            is_past=index == before,
            core_hours=core_hours[index],
            time_ratio=run.finish_s / runs[before].finish_s,
            cost_ratio=core_hours[index] / core_hours[before],
        )
        for index, (workers, run) in enumerate(zip(choices, runs, strict=True))
    ]


def _describe_run(
    past: PastRun,
    workers: Workers,
    run: FleetRun,
    *,
    is_past: bool,
    core_hours: float,
    time_ratio: float,
    cost_ratio: float,
) -> SimulatedRun:
    figures = _compute_figures(past.tasks, run)
    return SimulatedRun(
        workers=dict(workers),
        is_past=is_past,
        finish_s=run.finish_s,
        worker_hours=sum(times.worker_s for times in run.times.values()) / 3600,
        core_hours=core_hours,
        busy=figures.busy.value or 0.0,
        starting=figures.starting.value or 0.0,
        idle=figures.idle.value or 0.0,
        wasted=figures.wasted.value or 0.0,
        events_failed=run.n_dead,
        time_ratio=time_ratio,
        cost_ratio=cost_ratio,
    )


def _count_core_hours(tasks: Sequence[PastTask], run: FleetRun) -> float:
    return sum(run.times[task.task_id].worker_s * task.n_cores for task in tasks) / 3600


def _compute_figures(tasks: Sequence[PastTask], run: FleetRun) -> WorkFigures:
    """Return the figures of the run, as a report would compute them."""
    totals = []
    for task in tasks:
        times, n_slots = run.times[task.task_id], task.policy.concurrency
        totals.append(
            WorkTotals(
                n_counted=1,
                worker_s=times.worker_s,
                core_s=times.worker_s * task.n_cores,
                activities=dict(times.activities),
                busy_s=times.done_ms / 1000 / n_slots,
                lost_s=times.lost_ms / 1000 / n_slots,
                idle_s=times.idle_ms / 1000 / n_slots,
                n_starts=times.n_starts,
                n_pilots=times.n_starts,
                n_slots=n_slots,
                n_done=times.n_done,
                n_failed=times.n_failed,
                has_ended_run=True,
            )
        )
    return compute_figures(add_totals(totals))
