"""Build the command line: the global options and the groups of commands. This module imports no large library but the
parser.
"""

from typing import Annotated

import typer

from ewms.cli.commands import (
    catalogue,
    cluster,
    craton,
    dlq,
    doctor,
    ending,
    flow,
    host,
    image,
    inventory,
    job,
    login,
    pool,
    process,
    queue,
    secret,
    subscription,
    task,
    taskforce,
    tree,
    up,
    worker,
    workflow,
    workflow_views,
)
from ewms.cli.context import GlobalOptions, OutputFormat

app = typer.Typer(
    name="ewms",
    help="Event Workflow Management System: run workflows of tasks over a fleet of workers.",
    no_args_is_help=True,
    add_completion=True,
    # Plain help: the library that draws boxes around it takes longer to load than everything else.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
workflow.app.command("close-inputs")(ending.close_inputs)
workflow.app.command("expect")(ending.expect_results)
workflow.app.command("graph")(workflow_views.draw_workflow)
workflow.app.command("explain")(workflow_views.explain_workflow)
app.add_typer(workflow.app, name="workflow")
app.add_typer(task.app, name="task")
app.add_typer(taskforce.app, name="taskforce")
app.add_typer(queue.app, name="queue")
app.add_typer(dlq.app, name="dlq")
app.add_typer(process.app, name="process")
app.add_typer(flow.app, name="flow")
app.add_typer(subscription.app, name="subscription")
app.add_typer(tree.app, name="tree")
app.add_typer(inventory.app, name="inventory")
app.add_typer(host.app, name="host")
app.add_typer(secret.app, name="secret")
app.add_typer(catalogue.app, name="catalogue")
app.add_typer(job.app, name="job")
app.add_typer(craton.app, name="craton")
app.add_typer(pool.app, name="pool")
app.add_typer(cluster.app, name="cluster")
app.add_typer(image.app, name="image")
app.command("doctor")(doctor.show_checkup)
app.command("login")(login.log_in_user)
app.command("logout")(login.log_out_user)
app.command("whoami")(login.show_user)
app.command("worker")(worker.run_step_worker)
for name, command in (("up", up.run_system), ("down", up.end_system)):
    # The launcher reads the words behind the command.
    app.command(name, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(command)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ewms {_installed_version()}")
        raise typer.Exit


def _installed_version() -> str:
    from importlib.metadata import version as version_of

    return version_of("ewms")


@app.callback()
def store_options(
    context: typer.Context,
    *,
    output: Annotated[OutputFormat, typer.Option("-o", "--output", help="How to write results.")] = OutputFormat.TABLE,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Write results and errors only.")] = False,
    server: Annotated[str | None, typer.Option(help="The gateway: http://host:port. [EWMS_GATEWAY]")] = None,
    token_file: Annotated[str | None, typer.Option(help="A file with the token. [EWMS_TOKEN_FILE]")] = None,
    timeout: Annotated[str, typer.Option(help="How long one call may take: 30s, 2m.")] = "30s",
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Store the global options for the command. Users may write them before or after the command."""
    context.obj = GlobalOptions(output, quiet, server, token_file, timeout)


@app.command()
def version(context: typer.Context) -> None:
    """Show the version of this client."""
    found = _installed_version()
    if not context.obj.write_result({"version": found}, [found]):
        typer.echo(f"ewms {found}")
