"""Report the demonstration's results, as numbers and as words. (core)"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table

#: A task's name, as the scores of `refine.py` spell it: "linefit" or "refine".
TaskName = str


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """The results of the demonstration, as the client saw them."""

    n_sent: int
    #: The body of each returned event, once.
    results: Sequence[Mapping[str, Any]]
    n_dead: int
    post_to_submitted_ms: float
    #: `events_s`: from the first event sent to the last returned. `returning_s`: from the first to the last returned.
    events_s: float
    returning_s: float
    wall_s: float
    workers: Mapping[TaskName, int]
    phases: Mapping[str, Sequence[Mapping[str, Any]]]
    pool: str
    versions: Mapping[str, str]
    workflow_id: str = ""


def build_report(facts: DemoResult) -> dict[str, Any]:
    """Return the report that `make demo REPORT=file.json` writes. Users rely on its keys; its values are plain JSON."""
    n_out = len({result["event"] for result in facts.results})
    return {
        "events_in": facts.n_sent,
        "events_out": n_out,
        "lost": max(0, facts.n_sent - n_out - facts.n_dead),
        "dead_lettered": facts.n_dead,
        "post_to_submitted_ms": round(facts.post_to_submitted_ms, 1),
        "wall_s": round(facts.wall_s, 1),
        "phases": facts.phases,
        "pool": facts.pool,
        "versions": dict(facts.versions),
        "workflow_id": facts.workflow_id,
        "results": {
            "events_per_s": round(n_out / facts.events_s, 2) if facts.events_s > 0 else 0.0,
            "events_per_s_once_running": round((n_out - 1) / facts.returning_s, 2) if facts.returning_s > 0 else 0.0,
            "tasks": {
                name: _report_task([result[name] for result in facts.results], n_workers, facts.events_s)
                for name, n_workers in facts.workers.items()
            },
        },
    }


def _report_task(scores: Sequence[Mapping[str, Any]], n_workers: int, wall_s: float) -> dict[str, Any]:
    errors = [float(score["error_deg"]) for score in scores]
    times = [float(score["seconds"]) for score in scores]
    return {
        "n_workers": n_workers,
        "median_error_deg": _round_value(quantile(errors, 0.5)),
        "error_90_deg": _round_value(quantile(errors, 0.9)),
        "median_task_s": _round_value(quantile(times, 0.5)),
        # The share of the workers' time in which a task was running, container start included.
        "worker_efficiency": round(min(1.0, sum(times) / (n_workers * wall_s)), 3) if wall_s > 0 else 0.0,
    }


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the value that the part `share` (0 to 1) of `values` does not exceed, interpolated.

    Return None if `values` is empty.
    """
    if not values:
        return None
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def has_succeeded(report: Mapping[str, Any]) -> bool:
    """Return whether every event came back."""
    return report["events_in"] == report["events_out"] and not report["lost"] and not report["dead_lettered"]


def last_line(report: Mapping[str, Any]) -> str:
    """Return one line that sums up `report`."""
    return (
        f"demo: {report['events_out']}/{report['events_in']} events returned, {report['lost']} lost, "
        f"{report['dead_lettered']} dead-lettered, POST to jobs in the schedd {report['post_to_submitted_ms']:.0f} ms, "
        f"wall {report['wall_s']:.0f} s"
    )


def build_table(report: Mapping[str, Any]) -> Table:
    """Return a table of both tasks: their workers, errors and times."""
    found = report["results"]
    made = Table(
        box=box.SIMPLE_HEAD,
        title=f"{found['events_per_s']:.1f} events/s from the first sent to the last returned, "
        f"{found['events_per_s_once_running']:.1f}/s once the pilots ran",
        title_justify="left",
        title_style="bold",
    )
    made.add_column("task")
    for column in ("workers", "median error", "90 % within", "median time", "worker efficiency"):
        made.add_column(column, justify="right")
    for name, task in found["tasks"].items():
        made.add_row(
            name,
            str(task["n_workers"]),
            _format_value(task["median_error_deg"], "{:.2f}°"),
            _format_value(task["error_90_deg"], "{:.2f}°"),
            _format_value(task["median_task_s"], "{:.3f} s"),
            f"{100 * task['worker_efficiency']:.0f} %",
        )
    return made


def _round_value(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _format_value(value: float | None, pattern: str) -> str:
    return "-" if value is None else pattern.format(value)
