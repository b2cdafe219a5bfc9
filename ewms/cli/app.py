"""Build the command line: the global options and the commands without a group. `ewms.cli.groups` adds the groups.

This module imports no large library but the parser.
"""

from typing import Annotated

import typer

from ewms.cli.commands import explain
from ewms.cli.commands.events import trace
from ewms.cli.commands.fleet import simulate, workflow_news
from ewms.cli.commands.steps import worker
from ewms.cli.commands.system import doctor, login, up
from ewms.cli.context import GlobalOptions, OutputFormat
from ewms.cli.groups import CommandGroups

app = typer.Typer(
    name="ewms",
    cls=CommandGroups,
    help="Event Workflow Management System: run workflows of tasks over a fleet of workers.",
    no_args_is_help=True,
    add_completion=True,
    # Plain help: the library that draws boxes around it takes longer to load than everything else.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.command("doctor")(doctor.show_checkup)
app.command("login")(login.log_in_user)
app.command("logout")(login.log_out_user)
app.command("whoami")(login.show_user)
app.command()(explain.explain)
app.command("events")(workflow_news.follow_all)
app.command("trace")(trace.show_trace)
app.command("simulate")(simulate.simulate_workflow)
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
