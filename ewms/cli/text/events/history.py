"""Show the history of queues: a table of its points, and a line that shows a course at a glance. (core)"""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.text import Text

from ewms.cli.text.fleet.tables import make_table
from schemas.questions.queues import QueueHistory

_BARS = "▁▂▃▄▅▆▇█"


def draw_course(numbers: Sequence[float]) -> str:
    """Return a character for each number, the higher the larger it is; a blank for 0."""
    most = max(numbers, default=0)
    if not most:
        return " " * len(numbers)
    return "".join(_BARS[min(len(_BARS) - 1, int(number / most * len(_BARS)))] if number else " " for number in numbers)


def history_view(queue: QueueHistory, *, is_wide: bool = False) -> RenderableType:
    """Return a queue's name with its course, then a row for each point."""
    points = queue.points
    if not points.at_s:
        return Text.assemble((queue.alias, "bold"), ("  nothing was counted in this time", "dim"))
    head = Text.assemble(
        (queue.alias, "bold" if queue.is_public else ""),
        f"  {draw_course(points.n_ready)}",
        (f"  waiting, at most {max(points.n_ready)}", "dim"),
    )
    if not is_wide:
        return head
    table = make_table("at (UTC)")
    for column in ("waiting", "in work", "put off", "in/s", "out/s", "oldest (s)", "consumers"):
        table.add_column(column, justify="right")
    for place, at_s in enumerate(points.at_s):
        table.add_row(
            f"{datetime.fromtimestamp(at_s, UTC):%m-%d %H:%M:%S}",
            str(points.n_ready[place]),
            str(points.n_unacknowledged[place]),
            str(points.n_delayed[place]),
            f"{points.in_per_s[place]:.1f}",
            f"{points.out_per_s[place]:.1f}",
            str(points.oldest_s[place]),
            str(points.n_consumers[place]),
        )
    return Group(head, table)
