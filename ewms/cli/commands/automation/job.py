"""`ewms job`: run tasks of the catalogue on an inventory, and see what became of each host."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ewms.cli.context import GlobalOptions, parse_option, parse_secrets, parse_settings

if TYPE_CHECKING:
    from ewms.client import Client
    from schemas.api.automation.jobs import JobSeen

app = typer.Typer()

Job = Annotated[int, typer.Argument(metavar="ID", min=1, help="The job's id.")]
_PAYLOAD_HINT = """write --payload '{"version": "1.2"}', or @ and the name of a file"""

Secrets = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="NAME[=FILE][:TASK,...]",
        help="A secret that the tasks get as a file; after a colon, the ids of the only ones that get it. Repeatable.",
    ),
]
Watch = Annotated[bool, typer.Option("--watch", help="Watch it until it is over.")]


@app.command("run")
def run_tasks(
    context: typer.Context,
    tasks: Annotated[list[int] | None, typer.Argument(metavar="[TASK]...", help="Ids of tasks, in order.")] = None,
    *,
    inventory: Annotated[str, typer.Option("--on", metavar="INVENTORY", help="The inventory's name, or its id.")],
    workflow: Annotated[int | None, typer.Option(min=1, help="The id of a saved list, instead of tasks.")] = None,
    limit: Annotated[str, typer.Option(help="Which hosts: 'web*:&label=prod:!web3'; default: all.")] = "",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A variable: JSON, or a text. Repeatable."),
    ] = None,
    payload: Annotated[str, typer.Option(metavar="JSON", help="Variables, or @ and the name of a file.")] = "{}",
    strategy: Annotated[str | None, typer.Option(help="linear: task by task. free: each host by itself.")] = None,
    serial: Annotated[
        list[str] | None, typer.Option(metavar="SIZE", help="Size of a batch: 2 or 20%. Repeatable, the last repeats.")
    ] = None,
    max_fail_percentage: Annotated[
        float, typer.Option(min=0, max=100, help="Stop if more hosts of a batch fail. Default: any failure stops.")
    ] = 0.0,
    secrets: Secrets = None,
    time_limit: Annotated[
        str | None, typer.Option(metavar="DURATION", help="End the job after this time: 90m. Default: no limit.")
    ] = None,
    watch: Watch = False,
) -> None:
    """Run tasks, one after the other, on hosts of an inventory.

    ewms job run 12345 --on lab --limit 'web*' --set version=1.2 --watch
    """
    given: GlobalOptions = context.obj
    fields: dict[str, Any] = {
        "limit": limit,
        "payload": {**_read_payload(payload), **parse_settings(settings or [], name="NAME")},
        "serial": serial or [],
        "max_fail_percentage": max_fail_percentage,
        **({} if strategy is None else {"strategy": strategy}),
        **({} if workflow is None else {"workflow": workflow}),
        **({"tasks": tasks} if tasks else {}),
        # An older WMS refuses fields that it does not know.
        **({} if time_limit is None else {"timeout_s": parse_option("--time-limit", time_limit)}),
        **({"secrets": parse_secrets(secrets)} if secrets else {}),
    }
    with given.make_client() as ews:
        made = ews.jobs.start({**fields, "inventory": ews.inventories.find(inventory)["id"]})
        _tell_start(given, ews, made, watch=watch)


def _read_payload(text: str) -> dict[str, Any]:
    import json

    from schemas.errors import Rejected

    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise Rejected(f"--payload: cannot read {text[1:]}: {error}") from error
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Rejected(
            f"--payload: no JSON: {error}", hint='--payload \'{"version": "1.2"}\', or @ and a file'
        ) from error
    if not isinstance(found, dict):
        raise Rejected("--payload: must be an object of variables", hint='--payload \'{"version": "1.2"}\'')
    return found


def _tell_start(given: GlobalOptions, ews: "Client", made: "JobSeen", *, watch: bool) -> None:
    if watch:
        _watch_job(given, ews, made.id)
    elif not given.write_result(made.model_dump(mode="json"), [str(made.id)]):
        typer.echo(made.id)
        given.tell_user(f"watch it: ewms job watch {made.id}")


@app.command("list")
def list_jobs(
    context: typer.Context,
    *,
    inventory: Annotated[str, typer.Option("--on", metavar="INVENTORY", help="Only those on this inventory.")] = "",
    number: Annotated[int, typer.Option("-n", min=1, max=10_000, help="How many, the newest first.")] = 50,
) -> None:
    """List the latest jobs that you see."""
    from ewms.cli.text.automation.jobs import job_table

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        place = ews.inventories.find(inventory)["id"] if inventory else None
        found = ews.jobs.list_latest(number, inventory=place)
    listed = [one.model_dump(mode="json") for one in found]
    if not given.write_result({"jobs": listed}, [str(one.id) for one in found]):
        given.print_list(job_table(found), "no jobs")


@app.command()
def show(context: typer.Context, job: Job) -> None:
    """Show a job: its tasks, and how many hosts each has done."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _show_job(given, ews.jobs.show(job))


@app.command()
def watch(context: typer.Context, job: Job) -> None:
    """Watch a job until it is over. Exit 0 if it was successful."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _watch_job(given, ews, job)


@app.command("hosts")
def list_hosts(
    context: typer.Context,
    job: Job,
    *,
    state: Annotated[str, typer.Option(help="Only those: ok, failed, error, skipped, canceled, pending.")] = "",
) -> None:
    """List the hosts of a job, and what the last task has said on each."""
    from ewms.cli.text.automation.jobs import job_host_table

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.jobs.list_hosts(job, state=state)
    listed = [one.model_dump(mode="json") for one in found]
    if not given.write_result({"hosts": listed}, [one.name for one in found]):
        given.print_list(job_host_table(found), "no such hosts")


@app.command("logs")
def read_logs(
    context: typer.Context,
    job: Job,
    *,
    host: Annotated[str, typer.Option(help="Only this host's. Without it, each line begins with host and task.")] = "",
    task: Annotated[int | None, typer.Option(min=1, help="Only this task's, by its place in the job.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job is over.")] = False,
) -> None:
    """Write what the containers of a job wrote, line by line as it comes."""
    import sys

    from ewms.cli.text.automation.jobs import LogLines
    from ewms.cli.text.terminal.plain import escape_controls

    given: GlobalOptions = context.obj
    lines = LogLines(named=not host)

    def write_text(text: str) -> None:
        # The text comes from user code.
        sys.stdout.write(escape_controls(text))
        sys.stdout.flush()

    with given.make_client() as ews:
        for part in ews.jobs.read_log(job, host=host, task=task, follow=follow):
            write_text(lines.add_part(part))
    write_text(lines.end_log())


@app.command()
def cancel(context: typer.Context, job: Job) -> None:
    """Cancel a job. It is over when no worker works for it any more."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _show_job(given, ews.jobs.cancel(job))


@app.command()
def rerun(
    context: typer.Context,
    job: Job,
    *,
    hosts: Annotated[str, typer.Option(help="failed (also in error), unfinished (all not ok), or all.")] = "failed",
    watch: Watch = False,
) -> None:
    """Run the tasks of a job again, on the hosts that failed."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _tell_start(given, ews, ews.jobs.rerun(job, hosts=hosts), watch=watch)


@app.command()
def delete(context: typer.Context, job: Job) -> None:
    """Delete a job that is over, with its results."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        ews.jobs.delete(job)
    given.tell_user(f"job {job} is deleted")


def _show_job(given: GlobalOptions, job: "JobSeen") -> None:
    if not given.write_result(job.model_dump(mode="json"), [str(job.id)]):
        from ewms.cli.text.automation.jobs import job_lines

        console = given.make_console()
        for line in job_lines(job):
            console.print(line, soft_wrap=True)


def _watch_job(given: GlobalOptions, ews: "Client", job: int) -> None:
    """Show a job until it is over: as a drawing on a terminal, elsewhere as a line for each task that ends."""
    from ewms.cli.exits import ExitStatus
    from ewms.cli.text.automation.jobs import count_words, job_lines, list_ended_tasks
    from ewms.cli.text.terminal.steps_display import StepsDisplay

    with StepsDisplay(quiet=given.quiet) as display:
        for found in ews.jobs.follow(job):
            display.draw(job_lines(found), list_ended_tasks(found), f"job {job} is {found.status}")
    if given.is_data:
        given.write_result(found.model_dump(mode="json"), [str(job)])
    else:
        typer.echo(f"job {job}: {count_words(found.hosts)}")
    if found.status != "successful":
        raise typer.Exit(ExitStatus.ABORTED if found.status == "canceled" else ExitStatus.FAILED)
