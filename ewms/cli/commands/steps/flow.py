"""`ewms flow`: start, list, show, watch, stop, resume and cancel flows."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ewms.cli.context import GlobalOptions, parse_settings

if TYPE_CHECKING:
    from ewms.flows.service import WorkflowService

app = typer.Typer()

Flow = Annotated[str, typer.Argument(metavar="FLOW", help="The flow's id.")]


@app.command()
def start(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name under which a step worker offers the flow.")],
    *,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set a key of its context, as JSON or text; repeatable."),
    ] = None,
    biz_type: Annotated[str, typer.Option(help="What it is about: cluster, host, platform, ...")] = "",
    biz_id: Annotated[str, typer.Option(help="Which of these it is about.")] = "",
    organization: Annotated[
        str, typer.Option(help="The organization that owns it, if you may start flows in several.")
    ] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Then watch it.")] = False,
) -> None:
    """Create a flow, set its context, and start it."""
    from schemas.errors import EWMSError

    given: GlobalOptions = context.obj
    values = parse_settings(settings or [], name="KEY")
    with given.make_flow_service() as flows:
        flow_id = flows.create_work_flow(biz_id, biz_type, name, organization=organization)
        try:
            for key, value in values.items():
                flows.init_context(flow_id, key, value)
            flows.start(flow_id)
        except EWMSError:
            given.tell_user(f"{flow_id} is created and not started; start it: ewms flow resume {flow_id}")
            raise
        if not given.write_result({"id": flow_id}, [flow_id]):
            typer.echo(flow_id)
            if not watch:
                given.tell_user(f"watch it: ewms flow watch {flow_id}")
        if watch:
            _watch_flow(given, flows, flow_id)


@app.command("list")
def list_flows(
    context: typer.Context,
    *,
    name: Annotated[str, typer.Option(help="Only flows with this in their name.")] = "",
    status: Annotated[str, typer.Option(help="Only those that stand so: Processing, Stopped, ...")] = "",
    biz_type: Annotated[str, typer.Option(help="Only those about such things.")] = "",
    biz_id: Annotated[str, typer.Option(help="Only those about this one.")] = "",
    n: Annotated[int, typer.Option("-n", min=1, max=1000, help="At most this many, the latest first.")] = 25,
) -> None:
    """List flows, the latest first."""
    from ewms.cli.text.steps.flows import flow_table

    given: GlobalOptions = context.obj
    with given.make_flow_service() as flows:
        found, page = flows.list_work_flows(
            status=status, flow_name=name, biz_id=biz_id, biz_type=biz_type, page_size=n
        )
    listed = [one.model_dump(mode="json", by_alias=True) for one in found.work_flows]
    if not given.write_result(listed, [one.id for one in found.work_flows]):
        given.print_list(flow_table(found.work_flows), "no such flows")
        if page.total > len(listed):
            given.tell_user(f"these are {len(listed)} of {page.total}; see more: -n {min(page.total, 1000)}")


@app.command()
def show(context: typer.Context, flow: Flow) -> None:
    """Show the nodes of a flow, its status, and what to type next."""
    from ewms.cli.text.steps.flows import flow_lines

    given: GlobalOptions = context.obj
    with given.make_flow_service() as flows:
        detail = flows.detail_work_flow(flow)
    if not given.write_result(detail.model_dump(mode="json", by_alias=True), [flow]):
        console = given.make_console()
        for line in flow_lines(detail, datetime.now(UTC)):
            console.print(line, soft_wrap=True)


@app.command()
def watch(context: typer.Context, flow: Flow) -> None:
    """Show a flow until it is over or stopped. Status: 0 finished, 1 failed or stopped, 9 canceled."""
    given: GlobalOptions = context.obj
    with given.make_flow_service() as flows:
        _watch_flow(given, flows, flow)


@app.command()
def stop(context: typer.Context, flow: Flow) -> None:
    """Stop a flow after its current node: that node runs to its end, and the next node does not start."""
    given: GlobalOptions = context.obj
    with given.make_flow_service() as flows:
        flows.stop(flow)
    _say_done(given, flow, "stopped")


@app.command()
def resume(context: typer.Context, flow: Flow) -> None:
    """Start a flow that was only created, or continue a stopped flow. A node that failed runs again."""
    given: GlobalOptions = context.obj
    with given.make_flow_service() as flows:
        flows.start(flow)
    _say_done(given, flow, "started")


@app.command()
def cancel(
    context: typer.Context, flow: Flow, *, reason: Annotated[str, typer.Option(help="Why; the flow keeps it.")] = ""
) -> None:
    """End a flow for good, as soon as its current node allows."""
    given: GlobalOptions = context.obj
    with given.make_flow_service() as flows:
        flows.cancel(flow, reason)
    _say_done(given, flow, "canceled")


def _say_done(given: GlobalOptions, flow: str, what: str) -> None:
    if not given.write_result({"id": flow, what: True}, [flow]):
        given.tell_user(f"{flow} is {what}; see it: ewms flow show {flow}")


def _watch_flow(given: GlobalOptions, flows: "WorkflowService", flow: str) -> None:
    """Show the flow until it ends or stops: as a drawing on a terminal, elsewhere as a line for each node that ends."""
    from ewms.cli.exits import ExitStatus
    from ewms.cli.text.fleet.watch import tick_regularly
    from ewms.cli.text.steps.flows import find_flow_command, flow_lines, is_flow_settled, list_ended_nodes
    from ewms.cli.text.terminal.steps_display import StepsDisplay
    from schemas.engine.flows import FlowStatus

    with StepsDisplay(quiet=given.quiet) as display:
        for _ in tick_regularly(forever=True, interval_s=0.5):
            detail = flows.detail_work_flow(flow)
            info = detail.info
            status = f"{info.name} is {info.status}; next: {find_flow_command(info)}"
            display.draw(flow_lines(detail, datetime.now(UTC)), list_ended_nodes(detail), status)
            if is_flow_settled(info.status):
                break
    if given.is_data:
        given.write_result(detail.model_dump(mode="json", by_alias=True), [flow])
    if info.status is not FlowStatus.FINISHED:
        raise typer.Exit(ExitStatus.ABORTED if info.status is FlowStatus.CANCELED else ExitStatus.FAILED)
