"""A simulated run beside a real one: the same workflow with other numbers of workers.

    python -m tests.bench.simulate [--events N] [--repeat R]

A workflow of two tasks runs on the local pool with few workers, `ewms simulate`'s simulation says from its report what
more workers would have taken, and the workflow runs with these. Each event says how long its runs sleep, so the tasks
need no CPU, and a busy machine disturbs only their starts. Both times are from the first worker's start to the last
success. If they differ by more than 15 %, the exit status is 1.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import cycle, islice

from rich.console import Console
from rich.table import Table

from deploy.local.choices.launch_options import LOCATION
from deploy.local.fetch import packages
from deploy.local.files.run_directory import run_directory
from deploy.local.system.stack_launch import running_stack
from deploy.local.system.up import prepare_servers
from deploy.simulation.simulator import simulate
from ewms import Client, Task, Workflow
from schemas.api.workflows.report import WorkflowReport
from schemas.api.workflows.simulation import SimulatedRun, SimulationOrder

#: How long the runs of an event sleep, in both tasks.
_SLEEPS_S = (0.4, 0.8, 1.2, 1.6, 4.0)
#: The workers of the two tasks, in the past and then. The local pool has eight slots.
_FEW, _MORE = (2, 2), (5, 3)
_ALLOWED = 0.15
_PATIENCE_S = 1200.0


def make_task(script: str, queues: tuple[str, str], n_workers: int) -> Task:
    """Return a task that runs `script` on the worker itself; `$1` is the infile and `$2` the outfile."""
    return Task(
        image="none",
        args=f"sh -ec '{script}' sh {{{{INFILE}}}} {{{{OUTFILE}}}}",
        inputs=[queues[0]],
        outputs=[queues[1]],
        clusters=[LOCATION],
        n_workers=n_workers,
        memory="64M",
        disk="64M",
        pilot={"_EWMS_PILOT_CONTAINER_PLATFORM": "none"},
    )


def run_workflow(client: Client, n_events: int, workers: tuple[int, int]) -> tuple[SimulationOrder, WorkflowReport]:
    """Run the workflow to its end. Return the order to simulate it, and its report."""
    tasks = [
        make_task("sleep $(cat $1); cp $1 $2", queues, n)
        for queues, n in zip((("in", "mid"), ("mid", "out")), workers, strict=True)
    ]
    run = client.submit(Workflow(public=["in", "out"], tasks=tasks))
    with run.queue("in").publisher(active_timeout=_PATIENCE_S) as publisher:
        for sleep_s in islice(cycle(_SLEEPS_S), n_events):
            publisher.send(sleep_s)
    run.close_inputs()
    run.wait("over", timeout=_PATIENCE_S)
    report, state = run.views.report(), run.show()
    # WMS stores the last statuses up to a second after the end.
    while not report.figures.time_to_last_success.value or report.figures.events_done.value != 2 * n_events:
        time.sleep(1)
        report = run.views.report()
    return SimulationOrder(report=report, tasks=state.task_directives, taskforces=state.taskforces), report


def simulate_more(order: SimulationOrder) -> tuple[SimulatedRun, SimulatedRun]:
    """Return the simulated runs with the few and with more workers."""
    first, second = (task.task_id for task in order.report.tasks)
    wanted = {first: [_MORE[0]], second: [_MORE[1]]}
    found = simulate(
        SimulationOrder(report=order.report, tasks=order.tasks, taskforces=order.taskforces, workers=wanted)
    )
    few = next(run for run in found.runs if run.is_past)
    return few, next(run for run in found.runs if not run.is_past)


def main(words: Sequence[str] | None = None) -> None:
    """Compare, and print a table."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=simulate")
    parser.add_argument("--events", type=int, default=60)
    parser.add_argument("--repeat", type=int, default=1)
    arguments = parser.parse_args(words)
    console = Console()
    installed = prepare_servers(console, os.environ, (packages.BROKER,))
    table = Table("workers", "real", "simulated", "difference", title=f"load {os.getloadavg()[0]:.1f}")
    worst = 0.0
    with ExitStack() as opened:
        run = opened.enter_context(run_directory())
        stack = opened.enter_context(running_stack(installed, run, pool="local"))
        client = opened.enter_context(Client(stack.gateway, token=stack.token, timeout=60))
        for _ in range(arguments.repeat):
            order, past = run_workflow(client, arguments.events, _FEW)
            few, more = simulate_more(order)
            _, then = run_workflow(client, arguments.events, _MORE)
            for workers, real, simulated in ((_FEW, past, few), (_MORE, then, more)):
                real_s = real.figures.time_to_last_success.value or 0.0
                difference = simulated.finish_s / real_s - 1
                worst = max(worst, abs(difference))
                table.add_row(str(workers), f"{real_s:.1f} s", f"{simulated.finish_s:.1f} s", f"{difference:+.1%}")
    console.print(table)
    if worst > _ALLOWED:
        console.print(f"a simulation is more than {_ALLOWED:.0%} off", style="red")
        sys.exit(1)


if __name__ == "__main__":
    main()
