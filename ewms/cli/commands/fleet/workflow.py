"""`ewms workflow`: submit, follow and end workflows."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ewms.cli.commands.explain import explain
from ewms.cli.commands.fleet import ending, workflow_views
from ewms.cli.commands.workflow_argument import Id
from ewms.cli.context import GlobalOptions, OutputFormat, can_ask, parse_option, parse_settings

if TYPE_CHECKING:
    from ewms.client import Client, Run

app = typer.Typer()

#: For how many taskforces `show` tells why they are stuck, and which pilots were killed, the waiting ones first;
#: `ewms taskforce show` tells it for any.
_MOST_STUCK = 10

Set = Annotated[
    list[str],
    typer.Option("--set", metavar="PATH=VALUE", help="Change the request: tasks.0.n_workers=8, tasks.*.task_image=X."),
]


@app.command()
def submit(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The request as JSON; - reads standard input.")],
    *,
    set_: Set = [],  # noqa: B006 - the parser copies it
    check: Annotated[
        bool, typer.Option("--check", help="Report what is wrong with the request, and submit nothing.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Then watch it until it is over.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Then wait until it is over.")] = False,
    expect: Annotated[
        int | None, typer.Option("--expect", metavar="N", min=1, help="End the workflow when N results have arrived.")
    ] = None,
) -> None:
    """Submit the workflow in FILE and print its id."""
    from ewms.workflows.checking import find_complaints
    from ewms.workflows.definition import apply_settings, fill_defaults
    from schemas.errors import Rejected

    given: GlobalOptions = context.obj
    try:
        request = apply_settings(_read_json(file), parse_settings(set_))
    except ValueError as error:
        raise Rejected(str(error)) from error
    try:
        client = given.make_client()
    except Rejected:
        # No server is known, but we can still tell what is wrong with the file.
        _check_request(given, fill_defaults(request, given.default_clusters))
        if check:
            return
        raise
    request = fill_defaults(request, client.server.clusters)
    if check:
        _check_request(given, request, _fetch_cluster_names(client))
        return
    with client as ews:
        run = ews.submit(request)
        if not given.is_data:
            # A script may want the id also if the rest of this command fails or is interrupted.
            typer.echo(run.id)
        for complaint in find_complaints(request):
            given.tell_user(f"note: {complaint}")
        if expect is not None:
            _expect_results(given, run, expect)
        if watch:
            _follow_run(given, run)
        elif wait:
            given.tell_user("waiting until it is over")
            _report_outcome(given, run)
        elif given.output is OutputFormat.NAME:
            given.write_result({}, [run.id])
        elif not given.is_data or not given.write_result(run.show().as_json()):
            given.tell_user(f"follow it with: ewms workflow watch {run.id}")


def _expect_results(given: GlobalOptions, run: "Run", n: int) -> None:
    from schemas.errors import EWMSError

    try:
        run.expect_results(n)
    except EWMSError:
        given.tell_user(f"{run.id} was submitted, and its end does not depend on the number of its results")
        raise


def _fetch_cluster_names(client: "Client") -> dict[str, str] | None:
    """Return a mapping: each name, with the location that the name is an alias of; "" for a location's own name.

    Return None if the server does not answer.
    """
    from schemas.errors import EWMSError

    try:
        with client as ews:
            return {cluster.name: cluster.alias_of for cluster in ews.clusters()}
    except EWMSError:
        return None


def _check_request(given: GlobalOptions, request: Any, clusters: dict[str, str] | None = None) -> None:
    """Tell the user what is unusual in `request`. Check the names of locations only if `clusters` is given.

    Raises:
        CannotRun: the request has errors.
    """
    from ewms.workflows.checking import find_complaints, refuse_what_cannot_run

    refuse_what_cannot_run(request, clusters)
    for complaint in find_complaints(request, clusters):
        given.tell_user(f"note: {complaint}")
    if clusters is None:
        given.tell_user("note: no server answered, so this did not check the names of clusters")


@app.command("list")
def list_workflows(
    context: typer.Context,
    all_: Annotated[bool, typer.Option("--all", help="Also workflows that have ended.")] = False,
) -> None:
    """List workflows, oldest first."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        workflows = ews.workflows(None if all_ else {"deactivated": None})
        tasks = [] if given.is_data else ews.tasks([workflow.workflow_id for workflow in workflows])
    found = {"workflows": [workflow.model_dump(mode="json") for workflow in workflows], "next_after": None}
    if given.write_result(found, [workflow.workflow_id for workflow in workflows]):
        return
    if not workflows:
        given.tell_user(
            "you have no workflows: `ewms workflow submit FILE` makes one"
            if all_
            else "none of your workflows is under way; --all also shows those that have ended"
        )
        return
    from ewms.cli.text.fleet.tables import workflow_table

    given.make_console().print(workflow_table(workflows, tasks, wide=given.is_wide))


@app.command()
def show(context: typer.Context, workflow: Id) -> None:
    """Show the state of a workflow."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        run = ews.run(workflow)
        if given.is_data and given.write_result(run.show().as_json(), [run.id]):
            return
        from ewms.cli.text.fleet.tables import health_lines, kill_lines
        from ewms.errors import NotThere
        from ewms.workflows.progress import compute_progress
        from ewms.workflows.state import find_waiting
        from ewms.workflows.view import render_progress

        looked = run.look()
        console = given.make_console()
        console.print(render_progress(compute_progress([looked])))
        waiting = find_waiting(looked.state)
        others = [taskforce for taskforce in looked.state.taskforces if taskforce not in waiting]
        for taskforce in [*waiting, *others][:_MOST_STUCK]:
            describe = health_lines if taskforce in waiting else kill_lines
            with suppress(NotThere):
                # A taskforce may have gone since.
                for line in describe(ews.health(taskforce.taskforce_uuid)):
                    console.print(f"{taskforce.taskforce_uuid}:", line)


@app.command()
def watch(context: typer.Context, workflow: Id) -> None:
    """Watch a workflow until it is over."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _follow_run(given, ews.run(workflow))


@app.command()
def wait(
    context: typer.Context,
    workflow: Id,
    until: Annotated[str, typer.Option("--for", help="over, active (its queues), or a phase: condor-submit.")] = "over",
    within: Annotated[str | None, typer.Option(help="Give up after this long: 90s, 2h.")] = None,
    fail_if_stalled: Annotated[
        bool, typer.Option("--fail-if-stalled", help="End with status 1 when the workflow stalls: events wait in vain.")
    ] = False,
) -> None:
    """Wait until a workflow is over, its queues are active, or its taskforces have reached a phase."""
    from schemas.errors import Rejected
    from schemas.fleet.phases import Phase

    given: GlobalOptions = context.obj
    if until not in ("over", "active", *Phase):
        raise Rejected(f"--for {until}: no such thing to wait for", hint="over, active or " + ", ".join(Phase))
    with given.make_client() as ews:
        _report_outcome(given, ews.run(workflow), until, within, fail_if_stalled=fail_if_stalled)


@app.command()
def finish(context: typer.Context, workflow: Id) -> None:
    """Finish a workflow: its workers stop, and its queues are retired."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _report_end(given, "finished", ews.run(workflow).finish())


@app.command()
def abort(
    context: typer.Context,
    workflow: Id,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Stop a workflow at once. The work that is not done is lost."""
    from schemas.errors import Rejected

    given: GlobalOptions = context.obj
    if not yes:
        if not can_ask():
            raise Rejected("aborting throws work away", hint="confirm it with --yes")
        typer.confirm(f"Abort {workflow}? Its workers stop at once", abort=True, err=True)
    with given.make_client() as ews:
        _report_end(given, "aborted", ews.run(workflow).abort())


def _report_end(given: GlobalOptions, verb: str, answer: Any) -> None:
    if not given.write_result(answer.model_dump(mode="json"), [answer.workflow_id]):
        typer.echo(f"{answer.workflow_id} {verb}; {answer.n_taskforces} taskforce(s) ordered to stop")


def _follow_run(given: GlobalOptions, run: "Run") -> None:
    from ewms.cli.text.fleet.watch import watch_until_over

    watch_until_over(run, quiet=given.quiet or given.is_data)
    _report_outcome(given, run)


def _report_outcome(
    given: GlobalOptions, run: "Run", until: str = "over", within: str | None = None, *, fail_if_stalled: bool = False
) -> None:
    timeout_s = parse_option("--within", within)
    outcome = run.wait(
        until,  # type: ignore[arg-type]  # checked by the commands
        timeout=timeout_s,
        fail_if_stalled=fail_if_stalled,
        on_notice=given.tell_user,
    )
    if not given.write_result(outcome.state.as_json(), [run.id]):
        ended = f"{outcome.word}: {outcome.reason}" if outcome.reason else outcome.word
        given.tell_user(f"{run.id} is {until if until != 'over' else ended}")
    if until == "over":
        outcome.raise_for_failures()


def _read_json(file: Path) -> Any:
    from ewms.cli.text.terminal.streams import describe_file, read_document
    from ewms.workflows.request_files import parse_request
    from schemas.errors import Rejected

    try:
        return parse_request(read_document(file), describe_file(file))
    except OSError as error:
        raise Rejected(
            f"cannot read {file}: {error.strerror}", hint="give the request as a JSON file, or - for standard input"
        ) from error


# Last, so that help lists them last.
app.command("close-inputs")(ending.close_inputs)
app.command("expect")(ending.expect_results)
app.command("graph")(workflow_views.draw_workflow)
app.command()(explain)
app.command("report")(workflow_views.report_workflow)
app.command("events")(workflow_views.follow_workflow)
