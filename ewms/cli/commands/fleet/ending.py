"""`ewms workflow close-inputs` and `ewms workflow expect`: let a workflow end by itself."""

from typing import Annotated

import typer

from ewms.cli.commands.workflow_argument import Id
from ewms.cli.context import GlobalOptions


def close_inputs(context: typer.Context, workflow: Id) -> None:
    """Say that no more events will come: the workflow ends by itself when every event is settled."""
    from ewms.errors import AlreadyThere
    from schemas.fleet.endings import outcome_words

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        run = ews.run(workflow)
        # The server accepts a repeated request even after the end, so look whether the workflow has ended.
        deactivated = run.show().workflow.deactivated
        if deactivated is not None:
            ended = run.ending()
            words = outcome_words(deactivated, ended.completion if ended is not None else None)
            raise AlreadyThere(f"workflow {workflow} is {words} already: its inputs cannot be closed")
        ending = run.close_inputs()
    if not given.write_result(ending.model_dump(mode="json"), [ending.workflow_id]):
        typer.echo(f"{ending.workflow_id}: inputs closed; it ends by itself")
        given.tell_user(f"wait for it with: ewms workflow wait {ending.workflow_id}")


def expect_results(
    context: typer.Context,
    workflow: Id,
    n: Annotated[int, typer.Argument(metavar="N", min=1, help="The number of results.")],
    count_failures: Annotated[
        bool, typer.Option("--count-failures", help="Also count a dead letter as a result.")
    ] = False,
) -> None:
    """Have a workflow end by itself once N events have arrived in its public output queues."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        ending = ews.run(workflow).expect_results(n, count_failures=count_failures)
    if not given.write_result(ending.model_dump(mode="json"), [ending.workflow_id]):
        typer.echo(f"{ending.workflow_id}: ends when {n} result(s) have arrived")
