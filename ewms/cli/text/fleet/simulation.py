"""Show a simulation: a table with a row for each choice of workers, and what to know about it. (core)"""

from datetime import timedelta

from rich.console import Group, RenderableType
from rich.text import Text

from ewms.cli.text.fleet.report import UNKNOWN
from ewms.cli.text.fleet.tables import make_table
from schemas.api.workflows.simulation import SimulatedRun, Simulation


def simulation_view(found: Simulation) -> RenderableType:
    """Return a table with a row for each simulated run, the suggestion, and the assumptions."""
    tasks = list(found.task_names)
    table = make_table()
    for number in range(1, len(tasks) + 1):
        table.add_column(f"workers {number}", justify="right", no_wrap=True)
    for column in ("time", "worker-hours", "busy", "starting", "idle", "wasted", "time/past", "cost/past"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    for index, run in enumerate(found.runs):
        marks = [*(["as in the past"] if run.is_past else []), *(["suggested"] if index == found.suggested else [])]
        table.add_row(
            *(str(run.workers[task]) for task in tasks),
            format_duration(run.finish_s),
            f"{run.worker_hours:,.3g}",
            *(f"{share:.0%}" for share in (run.busy, run.starting, run.idle, run.wasted)),
            f"{run.time_ratio:.2f}",
            f"{run.cost_ratio:.2f}",
            Text(", ".join(marks), style="bold" if index == found.suggested else "dim"),
        )
    past = next(run for run in found.runs if run.is_past)
    lines = [Text(f"workers {i}: {task} ({name})") for i, (task, name) in enumerate(found.task_names.items(), start=1)]
    lines.append(Text(describe_past(found, past)))
    lines.append(Text(f"{found.n_events:,} event(s) of users, seed {found.seed}. Assumed:"))
    lines += [Text(f"  {line}", style="dim") for line in found.assumptions]
    return Group(table, *lines)


def format_duration(seconds: float) -> str:
    """Return a duration: with a decimal below a minute, and otherwise as hours, minutes and seconds."""
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))


def describe_past(found: Simulation, past: SimulatedRun) -> str:
    """Return how the simulation of the past run differs from the past run itself."""
    took = UNKNOWN if found.past_finish_s is None else format_duration(found.past_finish_s)
    hours = UNKNOWN if found.past_worker_hours is None else f"{found.past_worker_hours:,.3g}"
    text = f"The past run took {took} from its first start to its last success, and {hours} worker-hours."
    if found.past_finish_s and found.n_events == found.past_n_events:
        text += f" Simulated with its number of workers it takes {past.finish_s / found.past_finish_s - 1:+.0%}."
    return text
