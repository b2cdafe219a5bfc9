"""`ewms trace`: show what is known of one event, along the graph of its workflow."""

from typing import Annotated

import typer

from ewms.cli.commands.workflow_argument import Id
from ewms.cli.context import GlobalOptions


def show_trace(
    context: typer.Context,
    workflow: Id,
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The event's id.")],
) -> None:
    """Show an event's failed attempts, the events that it was made from, and those that tasks made from it.

    Workers report failures only. So the trace cannot tell whether an event without a report waits, is done, or never
    was.
    """
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.run(workflow).views.trace(event)
    if given.write_result(found.model_dump(mode="json"), [each.event_id for each in found.events]):
        return
    from ewms.cli.text.trace_text import trace_lines

    console = given.make_console()
    for line in trace_lines(found):
        console.print(line, soft_wrap=True)
