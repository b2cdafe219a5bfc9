"""`ewms events`: how all workflows stand that a user may see, and each change."""

from typing import TYPE_CHECKING, Annotated

import typer

from ewms.cli.context import GlobalOptions
from ewms.cli.text.terminal.plain import escape_controls

if TYPE_CHECKING:
    from ewms.workflows.news import WorkflowChanges


def follow_all(
    context: typer.Context,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Then print each change as it comes, until Ctrl-C.")
    ] = False,
    after: Annotated[
        str, typer.Option(metavar="ID", help="With --follow: only what is new since the event with this id.")
    ] = "",
) -> None:
    """Print how your workflows stand that are under way or ended within the last hour: a line each.

    With -o json, each line is what the server told at one moment, with the id for --after.
    """
    from schemas.errors import Rejected

    given: GlobalOptions = context.obj
    if after and not follow:
        raise Rejected("--after needs --follow", hint="without --follow, the command prints how all workflows stand")
    with given.make_client() as ews:
        for changes in ews.follow_workflows(after=after):
            _print_changes(given, changes)
            if not follow:
                return


def _print_changes(given: GlobalOptions, changes: "WorkflowChanges") -> None:
    from ewms.cli.text.fleet.news import changes_as_data, news_lines
    from ewms.cli.text.terminal.streams import json_text

    if given.is_data:
        typer.echo(escape_controls(json_text(changes_as_data(changes))))
        return
    for line in news_lines(changes):
        typer.echo(escape_controls(line))
    if changes.is_whole and not changes.workflows:
        given.tell_user("no workflow of yours is under way, and none has ended within the last hour")
