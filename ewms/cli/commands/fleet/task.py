"""`ewms task`: show a workflow's tasks and their errors and logs, and give a task more workers."""

from typing import Annotated

import typer

from ewms.cli.commands.fleet.logs import show_logs
from ewms.cli.commands.fleet.task_errors import show_errors
from ewms.cli.commands.workflow_argument import Id
from ewms.cli.context import GlobalOptions, write_json

app = typer.Typer()
app.command("logs")(show_logs)
app.command("errors")(show_errors)

TaskId = Annotated[str, typer.Argument(metavar="TASK", help="The task's id: TK-...")]


@app.command("list")
def list_tasks(context: typer.Context, workflow: Id) -> None:
    """List a workflow's tasks: where they run, their queues, their command."""
    from ewms.cli.text.fleet.tables import task_table
    from ewms.errors import NotThere

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        run = ews.run(workflow)
        tasks = run.show().task_directives
        found = {"task_directives": [task.model_dump(mode="json") for task in tasks], "next_after": None}
        if given.write_result(found, [task.task_id for task in tasks]):
            return
        try:
            aliases = {queue.mqid: queue.alias for queue in run.depths().queues}
        except NotThere:
            # The workflow has ended, and its queues are retired.
            aliases = {}
        given.make_console().print(task_table(tasks, aliases, wide=given.is_wide))


@app.command()
def show(context: typer.Context, task: TaskId) -> None:
    """Show a task directive, as JSON."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.task(task).model_dump(mode="json")
        if not given.write_result(found, [task]):
            write_json(found)


@app.command("add-workers")
def add_workers(
    context: typer.Context,
    task: TaskId,
    n: Annotated[int, typer.Option("-n", min=1, help="How many.")],
    cluster: Annotated[
        str | None, typer.Option(help="The cluster location. You can leave it out if the task runs at one only.")
    ] = None,
) -> None:
    """Give a running task more workers: a further taskforce, whose id is printed."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        taskforce = ews.add_workers(task, n, cluster=cluster)
        if not given.write_result(taskforce.model_dump(mode="json"), [taskforce.taskforce_uuid]):
            typer.echo(taskforce.taskforce_uuid)
            given.tell_user(f"follow it with: ewms workflow watch {taskforce.workflow_id}")
