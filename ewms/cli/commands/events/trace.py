"""`ewms trace`: show what is known of one event, along the graph of its workflow, or list the traced events."""

from typing import Annotated

import typer

from ewms.cli.commands.workflow_argument import Id
from ewms.cli.context import GlobalOptions


def show_trace(
    context: typer.Context,
    workflow: Id,
    event: Annotated[
        str, typer.Argument(metavar="[EVENT]", help="The event's id; without it, list the traced events.")
    ] = "",
) -> None:
    """Show the attempts at an event, the events that it was made from, and those that tasks made from it.

    Workers report all failures. They report the whole way of the first 20 events of a publisher, of about one in 1000
    others, and of all that tasks make from these.
    """
    given: GlobalOptions = context.obj
    if not event:
        _list_families(given, workflow)
        return
    with given.make_client() as ews:
        found = ews.run(workflow).views.trace(event)
    if given.write_result(found.model_dump(mode="json"), [each.event_id for each in found.events]):
        return
    from ewms.cli.text.events.traces import trace_lines

    console = given.make_console()
    for line in trace_lines(found):
        console.print(line, soft_wrap=True)


def _list_families(given: GlobalOptions, workflow: str) -> None:
    with given.make_client() as ews:
        found = ews.run(workflow).views.traces()
    if given.write_result(
        {"families": [each.model_dump(mode="json") for each in found]}, [each.root for each in found]
    ):
        return
    from ewms.cli.text.events.traces import family_table

    if found:
        given.make_console().print(family_table(found))
    else:
        given.tell_user("no event is traced yet: workers report an event when it is done")
