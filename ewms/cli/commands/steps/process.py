"""`ewms process`: start, list, show, explain, watch, resume, retry and abort processes, and read their log."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ewms.cli.commands.explain import explain
from ewms.cli.context import GlobalOptions, can_ask
from ewms.cli.text.terminal.plain import escape_controls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ewms.client import Client
    from ewms.processes.plain_processes import ProcessRun
    from schemas.api.processes import ProcessDetail

app = typer.Typer()

Process = Annotated[str, typer.Argument(metavar="PROCESS", help="The process's id.")]
Input = Annotated[
    str | None,
    typer.Option(
        "--input",
        metavar="FILE|JSON",
        help="The pages of the form: a list of JSON objects, in a file, as JSON, or - for standard input. Without it "
        "the command asks.",
    ),
]


@app.command()
def start(
    context: typer.Context,
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="The name of the step list.")],
    *,
    given_pages: Input = None,
    subscription: Annotated[
        str | None, typer.Option(help="The subscription to run it on: the form's first page.")
    ] = None,
    product: Annotated[
        str | None,
        typer.Option(help="The product, by name or id, of the subscription to create: the form's first page."),
    ] = None,
    organization: Annotated[
        str, typer.Option(help="The organization that owns a process without a customer, if you may start in several.")
    ] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Then watch it.")] = False,
) -> None:
    """Start a process of WORKFLOW. On a terminal, ask for each field of the form that --input leaves out.

    `--subscription` or `--product` is the form's first page, and the pages of --input follow it.
    """
    from ewms.cli.text.steps.form_input import complete_pages, describe_page, read_pages
    from ewms.errors import FormNotComplete
    from schemas.errors import Rejected

    given: GlobalOptions = context.obj
    pages: list[Mapping[str, Any]] = [] if subscription is None else [{"subscription_id": subscription}]
    with given.make_client() as ews:
        if product is not None:
            pages.append({"product": _find_product_id(ews, product)})
        if given_pages is not None:
            pages += read_pages(given_pages)
        if can_ask():
            pages = complete_pages(pages, lambda so_far: ews.processes.next_form(workflow, pages=so_far))
        try:
            run = ews.processes.start(workflow, pages=pages or [{}], organization=organization)
        except FormNotComplete as error:
            raise Rejected(
                f"the form has another page, with {describe_page(error.form)}",
                hint="add it to the list of --input, or run the command on a terminal, where it asks",
            ) from error
        if not given.write_result({"id": run.id}, [run.id]):
            typer.echo(run.id)
            if not watch:
                given.tell_user(f"watch it: ewms process watch {run.id}")
        if watch:
            _watch_run(given, run)


@app.command("list")
def list_processes(
    context: typer.Context,
    *,
    workflow: Annotated[str | None, typer.Option(help="Only processes of this step list.")] = None,
    status: Annotated[str | None, typer.Option(help="Only those that stand so: failed, suspended, ...")] = None,
    subscription: Annotated[str | None, typer.Option(help="Only those on this subscription.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=250, help="At most this many, the latest first.")] = 25,
) -> None:
    """List processes, the latest first."""
    from ewms.cli.text.steps.processes import process_table

    given: GlobalOptions = context.obj
    wanted = {"workflow_name": workflow, "last_status": status, "subscription_id": subscription}
    with given.make_client() as ews:
        found = ews.processes.find({name: value for name, value in wanted.items() if value is not None}, n=n)
    if not given.write_result([one.model_dump(mode="json") for one in found], [one.process_id for one in found]):
        given.print_list(process_table(found), "no such processes")


@app.command()
def show(context: typer.Context, process: Process) -> None:
    """Show the steps of a process, why it waits or has failed, and what to type next."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _show_detail(given, ews.processes.get(process).show())


app.command()(explain)


@app.command()
def watch(context: typer.Context, process: Process) -> None:
    """Show a process until it is over or has failed. Status: 0 completed, 1 failed, 9 aborted."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _watch_run(given, ews.processes.get(process))


@app.command()
def log(context: typer.Context, process: Process) -> None:
    """Show what has happened to a process: every attempt of a step, and every action of a person."""
    from ewms.cli.text.steps.processes import log_lines

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        detail = ews.processes.get(process).show()
    entries = {"steps": [step.model_dump(mode="json") for step in detail.steps if step.completed is not None]}
    entries["acts"] = [act.model_dump(mode="json") for act in detail.acts]
    if not given.write_result(entries, [process]):
        for line in log_lines(detail):
            typer.echo(escape_controls(line))


@app.command()
def resume(context: typer.Context, process: Process, *, given_pages: Input = None) -> None:
    """Fill in the form that a process waits for, and continue the process."""
    from ewms.cli.text.steps.form_input import complete_pages, read_pages
    from ewms.errors import FormNotComplete

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        run = ews.processes.get(process)
        if given_pages is not None:
            run.resume(pages=read_pages(given_pages))
        else:
            detail = run.show()
            first = detail.form

            def find_next(so_far: "list[Mapping[str, Any]]") -> "Mapping[str, Any] | None":
                if not so_far:
                    return first
                try:
                    run.resume(pages=so_far)
                except FormNotComplete as error:
                    return error.form
                return None

            if first is None or not can_ask():
                run.resume(pages=[{}] if first is None else [])
            else:
                complete_pages([], find_next)
        _say_done(given, run.id, "resumed")


@app.command()
def retry(context: typer.Context, process: Process) -> None:
    """Begin again at the step that failed. The steps before it do not run again."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        ews.processes.get(process).resume(pages=[{}])
    _say_done(given, process, "retried")


@app.command()
def abort(
    context: typer.Context,
    process: Process,
    *,
    reason: Annotated[str, typer.Option(help="Why; the log keeps it.")] = "",
) -> None:
    """End a process for good. The step under way ends first; its subscription stays out of sync."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        ews.processes.get(process).abort(reason=reason)
    _say_done(given, process, "aborted")


@app.command("publish-event")
def publish_event(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The event that steps wait for.")],
    *,
    correlation: Annotated[str, typer.Option(help="Only steps that wait with this value get the event.")] = "",
    body: Annotated[
        str,
        typer.Option(
            metavar="FILE|JSON",
            help="What the state of the process gets: in a file, as a JSON object or list, or - for standard input.",
        ),
    ] = "{}",
    event_id: Annotated[
        str, typer.Option("--id", help="The event's own id. The same event again then changes nothing.")
    ] = "",
    organization: Annotated[
        str, typer.Option(help="The organization of the processes, if you have a role in several.")
    ] = "",
) -> None:
    """Publish an event for the processes that wait for it. If none waits, the first that does gets it."""
    from ewms.cli.text.steps.form_input import read_json

    given: GlobalOptions = context.obj
    value = read_json(body, option="--body", example='{"key": "value"}')
    with given.make_client() as ews:
        n = ews.processes.publish_event(
            name, value, correlation=correlation, event_id=event_id, organization=organization
        )
    if not given.write_result({"name": name, "n_ended": n}, [str(n)]):
        brought = (
            f"{n} process{'' if n == 1 else 'es'} went on" if n else "no process waits for it; the server keeps it"
        )
        given.tell_user(f"published {name}: {brought}")


def _find_product_id(ews: "Client", product: str) -> str:
    from schemas.errors import NotFound

    products = ews.subscriptions.products()
    for one in products:
        if product in (one.name, str(one.product_id)):
            return str(one.product_id)
    names = ", ".join(one.name for one in products) or "none; a step worker registers them"
    raise NotFound(f"there is no product {product!r}", hint=f"products: {names}")


def _say_done(given: GlobalOptions, process: str, what: str) -> None:
    if not given.write_result({"id": process, what: True}, [process]):
        given.tell_user(f"{process} is {what}; see it: ewms process show {process}")


def _show_detail(given: GlobalOptions, detail: "ProcessDetail") -> None:
    from ewms.cli.text.steps.processes import process_lines

    if not given.write_result(detail.model_dump(mode="json"), [detail.process_id]):
        console = given.make_console()
        for line in process_lines(detail, datetime.now(UTC)):
            console.print(line, soft_wrap=True)


def _watch_run(given: GlobalOptions, run: "ProcessRun") -> None:
    """Show the process until it ends or needs a person: as a drawing on a terminal, elsewhere as a line for each step
    that ends.
    """
    from ewms.cli.exits import ExitStatus
    from ewms.cli.text.fleet.watch import tick_regularly
    from ewms.cli.text.steps.process_watch import draw_process
    from ewms.cli.text.steps.processes import SETTLED
    from ewms.cli.text.terminal.steps_display import StepsDisplay
    from schemas.engine.processes import ProcessStatus

    with StepsDisplay(quiet=given.quiet) as display:
        for _ in tick_regularly(forever=True, interval_s=0.5):
            detail = run.show()
            draw_process(display, detail, datetime.now(UTC))
            if detail.status in SETTLED:
                break
    if given.is_data:
        given.write_result(detail.model_dump(mode="json"), [detail.process_id])
    if detail.status is not ProcessStatus.COMPLETED:
        raise typer.Exit(ExitStatus.ABORTED if detail.status is ProcessStatus.ABORTED else ExitStatus.FAILED)
