"""`ewms craton`: the commands that Craton's users know."""

from typing import Annotated

import typer

from ewms.cli.context import GlobalOptions

app = typer.Typer(help="Commands in Craton's words.", no_args_is_help=True)


@app.command("task-show")
def show_task(
    context: typer.Context, task: Annotated[int, typer.Argument(metavar="ID", min=1, help="The task's id.")]
) -> None:
    """Show a task as one row of a table."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.catalogue.show(task)
    if not given.write_result(found.model_dump(mode="json"), [str(found.id)]):
        from ewms.cli.text.catalogue_text import craton_table
        from ewms.cli.text.plain import escape_controls

        typer.echo(escape_controls(craton_table(found)))
