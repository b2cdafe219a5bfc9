"""`ewms workflow graph`, `report` and `events`: look at one workflow as a whole."""

from pathlib import Path
from typing import Annotated

import typer

from ewms.cli.commands.workflow_argument import Id
from ewms.cli.context import GlobalOptions
from ewms.cli.text.terminal.plain import escape_controls

Form = Annotated[str, typer.Option("--as", metavar="FORM", help="The form of the drawing: mermaid or dot.")]


def draw_workflow(
    context: typer.Context,
    workflow: Id,
    *,
    form: Form = "mermaid",
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Write the drawing there.")] = None,
) -> None:
    """Draw the tasks and queues of a workflow as text for Mermaid or DOT. With -o json, print the graph as data."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        views = ews.run(workflow).views
        if to is None and given.is_data and given.write_result(views.graph().model_dump(mode="json"), [workflow]):
            return
        drawing = views.draw(form=form)
    if to is not None:
        to.write_text(drawing)
    else:
        typer.echo(escape_controls(drawing), nl=False)


def report_workflow(
    context: typer.Context,
    workflow: Id,
    *,
    how: Annotated[bool, typer.Option("--how", help="Also say how each figure was computed.")] = False,
) -> None:
    """Report what the workers of a workflow did and cost: their hours, what these went to, and better settings."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        report = ews.run(workflow).views.report()
    if not given.write_result(report.model_dump(mode="json"), [task.task_id for task in report.tasks]):
        from ewms.cli.text.fleet.report import report_view

        given.make_console().print(report_view(report, with_how=how))


def follow_workflow(context: typer.Context, workflow: Id) -> None:
    """Print how far a workflow is, a line after each change, until it is over. With -o json, a line has all of it."""
    from ewms.cli.text.fleet.explanation import describe_standing
    from ewms.cli.text.terminal.streams import json_text

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        for standing in ews.run(workflow).views.follow():
            line = json_text(standing.model_dump(mode="json")) if given.is_data else describe_standing(standing)
            typer.echo(escape_controls(line))
