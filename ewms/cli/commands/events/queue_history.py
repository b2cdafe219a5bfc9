"""`ewms queue history`: how many events queues held over time."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from ewms.cli.commands.workflow_argument import Id
from ewms.cli.context import GlobalOptions, parse_option

#: The longest time to look back.
_LONGEST = timedelta(days=366)


def show_history(
    context: typer.Context,
    workflow: Id,
    alias: Annotated[str | None, typer.Argument(metavar="[ALIAS]", help="Only this queue.")] = None,
    *,
    last: Annotated[str, typer.Option(help="How far back: 90m, 2h, 30d.")] = "1h",
    points: Annotated[int, typer.Option(min=1, max=2000, help="At most this many points.")] = 60,
) -> None:
    """Show how many events the queues of a workflow held. With -o wide, print each point with rates and ages."""
    from ewms.cli.text.events.history import history_view
    from ewms.errors import NotThere
    from schemas.errors import Rejected

    given: GlobalOptions = context.obj
    last_s = parse_option("--last", last) or 0
    if last_s > _LONGEST.total_seconds():
        raise Rejected(f"--last: must be at most {_LONGEST.days}d; MQS keeps the history of 30 days")
    until = datetime.now(UTC)
    since = until - timedelta(seconds=last_s)
    with given.make_client() as ews:
        found = ews.run(workflow).views.queue_history(since=since, until=until, points=points)
    queues = [queue for queue in found.queues if alias in (None, queue.alias)]
    if alias is not None and not queues:
        names = ", ".join(queue.alias for queue in found.queues) or "none yet"
        raise NotThere(f"{workflow} has no queue {alias!r}", hint=f"its queues: {names}")
    shown = {**found.model_dump(mode="json"), "queues": [queue.model_dump(mode="json") for queue in queues]}
    if not given.write_result(shown, [queue.mqid for queue in queues]):
        for queue in queues:
            given.make_console().print(history_view(queue, is_wide=given.is_wide))
