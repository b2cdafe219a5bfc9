"""`ewms pool`: see the pools of step workers."""

import typer

from ewms.cli.context import GlobalOptions

app = typer.Typer()


@app.command("list")
def list_pools(context: typer.Context) -> None:
    """List the pools of step workers: the workers, since when they run, how many steps run, and what they offer."""
    from ewms.cli.text.steps.processes import pool_table

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.processes.pools()
    if not given.write_result(found, [pool["name"] for pool in found]):
        given.make_console().print(pool_table(found))
        if not any(pool["workers"] for pool in found):
            given.tell_user("no step worker is there; start one: ewms worker --module MODULE")
