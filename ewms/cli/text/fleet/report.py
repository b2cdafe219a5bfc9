"""Show the report of a workflow: a table of all tasks together, and one of each task. (core)"""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from ewms.cli.text.fleet.tables import make_table
from schemas.api.workflows.report import Measure, WorkFigures, WorkflowReport

UNKNOWN = "?"

_FIGURES = {
    "worker_hours": "worker-hours",
    "busy": "busy",
    "starting": "starting",
    "idle": "idle",
    "wasted": "wasted",
    "unknown": "unknown",
    "events_done": "events done",
    "attempts_failed": "attempts failed",
    "events_per_core_hour": "events per core-hour",
    "time_to_last_success": "start to last success",
}
_OF_TASK = {
    "service_time": "mean run",
    "failed_time": "mean failed run",
    "start_time": "mean start",
    "memory_asked": "memory asked for",
    "memory_used": "memory used",
    "suggested_n_workers": "suggested n_workers",
    "suggested_memory": "suggested memory",
    "suggested_prefetch": "suggested prefetch",
}


def format_measure(measure: Measure) -> str:
    """Return the figure with its unit. A share is a percentage, and an unknown figure a question mark."""
    if measure.value is None:
        return UNKNOWN
    if measure.unit.startswith("share"):
        return f"{measure.value:.1%}"
    number = f"{measure.value:,.0f}" if measure.value == int(measure.value) else f"{measure.value:,.3g}"
    return f"{number} {measure.unit}"


def report_view(report: WorkflowReport, *, with_how: bool = False) -> RenderableType:
    """Return a table of all tasks together, then one of each task. If `with_how`, say how figures were computed."""
    whole = [*_list_figures(report.figures), ("events failed", report.events_failed)]
    parts: list[RenderableType] = [_draw_table("all tasks", whole, with_how=with_how)]
    for task in report.tasks:
        rows = [*_list_figures(task.figures), *((title, getattr(task, name)) for name, title in _OF_TASK.items())]
        parts.append(_draw_table(task.name, rows, with_how=with_how))
    if not report.is_over:
        parts.append(Text("the workflow has not ended, so these figures grow", style="dim"))
    if not with_how:
        parts.append(Text("--how says how each figure was computed, and why some are unknown (?)", style="dim"))
    return Group(*parts)


def _list_figures(figures: WorkFigures) -> list[tuple[str, Measure]]:
    return [(title, getattr(figures, name)) for name, title in _FIGURES.items()]


def _draw_table(title: str, rows: Sequence[tuple[str, Measure]], *, with_how: bool) -> RenderableType:
    table = make_table(title)
    table.add_column("", justify="right")
    if with_how:
        table.add_column("how", overflow="fold")
    for name, measure in rows:
        table.add_row(name, format_measure(measure), *([measure.how] if with_how else []))
    return table
