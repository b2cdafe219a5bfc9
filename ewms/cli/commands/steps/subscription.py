"""`ewms subscription`: list and show subscriptions, see what can run on one, and set one in sync."""

from typing import Annotated

import typer

from ewms.cli.commands.explain import print_explanation
from ewms.cli.context import GlobalOptions
from ewms.cli.text.terminal.plain import escape_controls

app = typer.Typer()

Subscription = Annotated[str, typer.Argument(metavar="SUBSCRIPTION", help="The subscription's id.")]


@app.command("list")
def list_subscriptions(
    context: typer.Context,
    *,
    product: Annotated[str | None, typer.Option(help="Only subscriptions to this product.")] = None,
    status: Annotated[str | None, typer.Option(help="Only those that stand so: active, provisioning, ...")] = None,
    customer: Annotated[str | None, typer.Option(help="Only those of this customer.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=250, help="At most this many.")] = 25,
) -> None:
    """List subscriptions: product, lifecycle, whether they are in sync, customer and description."""
    from ewms.cli.text.steps.processes import subscription_table

    given: GlobalOptions = context.obj
    wanted = {"product": product, "status": status, "customer_id": customer}
    with given.make_client() as ews:
        found = ews.subscriptions.find({name: value for name, value in wanted.items() if value is not None}, n=n)
    listed = [one.model_dump(mode="json") for one in found]
    if not given.write_result(listed, [str(one.subscription_id) for one in found]):
        given.print_list(subscription_table(found), "no such subscriptions")


@app.command()
def show(context: typer.Context, subscription: Subscription) -> None:
    """Show a subscription with the values of its blocks, and the processes that have worked on it."""
    from ewms.cli.text.steps.processes import process_table
    from ewms.cli.text.terminal.yaml_text import yaml_text

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = dict(ews.subscriptions.get(subscription))
        processes = ews.subscriptions.processes(subscription)
    listed = [one.model_dump(mode="json") for one in processes]
    if not given.write_result({"subscription": found, "processes": listed}, [subscription]):
        typer.echo(yaml_text(found), nl=False)
        given.print_list(process_table(processes), "it has no processes")


@app.command()
def workflows(context: typer.Context, subscription: Subscription) -> None:
    """Show which workflows can start on a subscription now, and why the others cannot."""
    from ewms.cli.text.steps.processes import workflow_lines

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.subscriptions.workflows(subscription)
    startable = [one["name"] for group in found.values() for one in group if "reason" not in one]
    if not given.write_result(found, startable):
        for line in workflow_lines(found):
            typer.echo(escape_controls(line))
        if startable:
            given.tell_user(f"start one: ewms process start {startable[0]} --subscription {subscription}")


@app.command()
def explain(context: typer.Context, subscription: Subscription) -> None:
    """Explain why workflows may not start on a subscription: all causes, and what helps."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.subscriptions.explain(subscription)
    print_explanation(given, found)


@app.command()
def sync(context: typer.Context, subscription: Subscription) -> None:
    """Mark a subscription as in sync. Use this after a process for it has failed and you have repaired its data."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        ews.subscriptions.set_in_sync(subscription)
    if not given.write_result({"subscription_id": subscription, "insync": True}, [subscription]):
        given.tell_user(f"{subscription} is in sync")
