"""`ewms tree`: launch, list, show, explain, watch, cancel and draw decision trees."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ewms.cli.commands.automation import tree_schedule
from ewms.cli.commands.explain import explain
from ewms.cli.context import GlobalOptions, parse_settings
from ewms.cli.text.terminal.plain import escape_controls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ewms.trees.plain_trees import TreeRun

app = typer.Typer()
app.add_typer(tree_schedule.app, name="schedule")

Job = Annotated[int, typer.Argument(metavar="JOB", help="The number of the launched tree.")]
Approval = Annotated[
    str, typer.Argument(metavar="APPROVAL", help="The name of the approval, if several of the tree wait.")
]
Comment = Annotated[str, typer.Option("--comment", metavar="TEXT", help="Why; everybody who sees the tree sees it.")]
Form = Annotated[str, typer.Option("--as", metavar="FORM", help="The form of the drawing: mermaid or dot.")]


@app.command()
def launch(
    context: typer.Context,
    template: Annotated[str, typer.Argument(metavar="TEMPLATE", help="The template's name, or its id.")],
    *,
    variables: Annotated[
        list[str] | None,
        typer.Option(
            "--var",
            metavar="NAME=VALUE",
            help="A variable; VALUE is JSON, or else a text. Where the survey asks for a text, it is one. Repeatable.",
        ),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Then watch it.")] = False,
) -> None:
    """Launch a tree."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        texts = ews.trees.find_text_variables(template) if variables else ()
        run = ews.trees.launch(template, variables=parse_settings(variables or [], "--var", "NAME", texts=texts))
        _tell_launch(given, run, watch=watch)


@app.command("list")
def list_trees(
    context: typer.Context,
    *,
    template: Annotated[
        str, typer.Option(metavar="TEMPLATE", help="Only trees of this template: its name, or its id.")
    ] = "",
    status: Annotated[str, typer.Option(help="Only those that stand so: running, pending, failed, ...")] = "",
    number: Annotated[int, typer.Option("-n", min=1, max=10_000, help="How many, the newest first.")] = 50,
) -> None:
    """List the latest trees that you see."""
    from ewms.cli.text.automation.trees import tree_table

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.trees.list_latest(number, template=template, status=status)
    if not given.write_result({"trees": [dict(each) for each in found]}, [str(each["id"]) for each in found]):
        given.print_list(tree_table(found), "no trees")


@app.command()
def show(context: typer.Context, job: Job) -> None:
    """Show each node of a tree: its state, why it ran or did not run, and how long it took."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _show_tree(given, ews.trees.get(job).show())


app.command()(explain)


@app.command()
def watch(context: typer.Context, job: Job) -> None:
    """Show a tree until it is over. Status: 0 successful, 1 failed, 9 canceled."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _watch_run(given, ews.trees.get(job))


@app.command()
def approve(context: typer.Context, job: Job, approval: Approval = "", *, comment: Comment = "") -> None:
    """Approve what waits for an approval in a tree."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        ews.trees.get(job).approve(approval, comment=comment)
    given.tell_user("approved")


@app.command()
def deny(context: typer.Context, job: Job, approval: Approval = "", *, comment: Comment = "") -> None:
    """Deny what waits for an approval in a tree. Its node fails."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        ews.trees.get(job).deny(approval, comment=comment)
    given.tell_user("denied")


@app.command()
def cancel(context: typer.Context, job: Job) -> None:
    """Cancel a tree with all jobs below it. It ends when they are over."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        ews.trees.get(job).cancel()
    given.tell_user(f"canceling; watch it: ewms tree watch {job}")


@app.command()
def relaunch(
    context: typer.Context,
    job: Job,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Nodes that ended well keep their results.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Then watch it.")] = False,
) -> None:
    """Launch a tree again."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _tell_launch(given, ews.trees.get(job).relaunch(from_failed=failed), watch=watch)


@app.command()
def graph(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="JOB|TEMPLATE", help="The number of a launched tree, or a template.")],
    *,
    form: Form = "mermaid",
    template: Annotated[bool, typer.Option("--template", help="A number is the id of a template.")] = False,
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Write the drawing there.")] = None,
) -> None:
    """Draw the graph of a launched tree, or of a template, as text for Mermaid or DOT."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        is_job = what.isdecimal() and not template
        drawing = ews.trees.get(int(what)).draw(form=form) if is_job else ews.trees.draw(what, form=form)
    if to is not None:
        to.write_text(drawing)
    elif not given.write_result({"form": form, "graph": drawing}, [drawing]):
        typer.echo(escape_controls(drawing), nl=False)


@app.command()
def notify(
    context: typer.Context,
    template: Annotated[str, typer.Argument(metavar="TEMPLATE", help="The template's name, or its id.")],
    receiver: Annotated[str, typer.Argument(metavar="RECEIVER", help="The notification template's name, or its id.")],
    *,
    on: Annotated[
        list[str] | None,
        typer.Option(help="When: started, success, error, approvals or any (success and error). Repeatable."),
    ] = None,
    webhook: Annotated[str, typer.Option(metavar="URL", help="Create RECEIVER first, as a webhook.")] = "",
) -> None:
    """Let a receiver be told of the jobs of a template."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        told = ews.trees.notify(template, receiver, on=on or ["any"], webhook=webhook)
    if not given.write_result(dict(told), [str(told["id"])]):
        typer.echo(told["id"])


@app.command()
def notifications(context: typer.Context, job: Job) -> None:
    """Show what became of each notification about a tree."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.trees.get(job).list_notifications()
    if not given.write_result({"notifications": [dict(each) for each in found]}, [str(each["id"]) for each in found]):
        from ewms.cli.text.automation.trees import notification_lines

        console = given.make_console()
        for line in notification_lines(found):
            console.print(line, soft_wrap=True)


def _tell_launch(given: GlobalOptions, run: "TreeRun", *, watch: bool) -> None:
    if not given.write_result({"id": run.id}, [str(run.id)]):
        typer.echo(run.id)
        if not watch:
            given.tell_user(f"watch it: ewms tree watch {run.id}")
    if watch:
        _watch_run(given, run)


def _show_tree(given: GlobalOptions, job: "Mapping[str, Any]") -> None:
    from ewms.cli.text.automation.trees import tree_lines

    if not given.write_result(dict(job), [str(job["id"])]):
        console = given.make_console()
        for line in tree_lines(job, datetime.now(UTC)):
            console.print(line, soft_wrap=True)


def _watch_run(given: GlobalOptions, run: "TreeRun") -> None:
    """Show the tree until it is over: as a drawing on a terminal, elsewhere as a line for each node that changes."""
    from ewms.cli.exits import ExitStatus
    from ewms.cli.text.automation.tree_watch import draw_tree
    from ewms.cli.text.terminal.steps_display import StepsDisplay

    with StepsDisplay(quiet=given.quiet) as display:
        for job in run.follow(again_s=1.0):
            draw_tree(display, job, datetime.now(UTC))
    if given.is_data:
        given.write_result(dict(job), [str(job["id"])])
    if job["status"] != "successful":
        raise typer.Exit(ExitStatus.ABORTED if job["status"] == "canceled" else ExitStatus.FAILED)
