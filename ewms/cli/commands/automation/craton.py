"""`ewms craton`: the commands that Craton's users know."""

from typing import Annotated, Any

import typer

from ewms.cli.context import GlobalOptions, parse_secrets, parse_settings

app = typer.Typer()


@app.command("task-show")
def show_task(
    context: typer.Context, task: Annotated[int, typer.Argument(metavar="ID", min=1, help="The task's id.")]
) -> None:
    """Show a task as one row of a table."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.catalogue.show(task)
    if not given.write_result(found.model_dump(mode="json"), [str(found.id)]):
        from ewms.cli.text.automation.catalogue import craton_table
        from ewms.cli.text.terminal.plain import escape_controls

        typer.echo(escape_controls(craton_table(found)))


Workflow = Annotated[int, typer.Argument(metavar="ID", min=1, help="The saved workflow's id.")]
Strategy = Annotated[str | None, typer.Option(help="linear: task by task. free: each host by itself.")]
Secrets = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="NAME[=FILE][:TASK,...]",
        help="A secret that its tasks get as a file; after a colon, the ids of the only ones that get it. Repeatable.",
    ),
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A variable of its jobs. Repeatable.")
]


@app.command("workflow-create")
def create_workflow(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, unique in its organization.")],
    tasks: Annotated[list[int], typer.Argument(metavar="TASK...", help="Ids of tasks, in order.")],
    *,
    settings: Settings = None,
    secrets: Secrets = None,
    strategy: Strategy = None,
    description: Annotated[str, typer.Option(help="What it does, for people.")] = "",
    organization: Annotated[str, typer.Option(help="Its organization, if you may save in several.")] = "",
) -> None:
    """Save an ordered list of tasks. `ewms job run --workflow ID --on INVENTORY` runs it."""
    given: GlobalOptions = context.obj
    fields: dict[str, Any] = {
        "name": name,
        "tasks": tasks,
        "description": description,
        "organization": organization,
        "secrets": parse_secrets(secrets or []),
    }
    with given.make_client() as ews:
        made = ews.jobs.save_list({**fields, **_collect(settings, strategy)})
    if not given.write_result(made.model_dump(mode="json"), [str(made.id)]):
        typer.echo(made.id)
    for warning in made.warnings:
        given.tell_user(f"a job would be refused now: {warning}")


@app.command("workflow-list")
def list_workflows(context: typer.Context) -> None:
    """List the saved workflows that you see."""
    from ewms.cli.text.automation.jobs import task_list_table

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.jobs.list_lists()
    listed = [one.model_dump(mode="json") for one in found]
    if not given.write_result({"workflows": listed}, [str(one.id) for one in found]):
        given.make_console().print(task_list_table(found))


@app.command("workflow-show")
def show_workflow(context: typer.Context, workflow: Workflow) -> None:
    """Show a saved workflow."""
    from ewms.cli.text.automation.jobs import task_list_table

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.jobs.show_list(workflow)
    if not given.write_result(found.model_dump(mode="json"), [str(found.id)]):
        given.make_console().print(task_list_table([found]))
    for warning in found.warnings:
        given.tell_user(f"a job would be refused now: {warning}")


@app.command("workflow-update")
def update_workflow(
    context: typer.Context,
    workflow: Workflow,
    *,
    name: Annotated[str | None, typer.Option(help="Its new name.")] = None,
    task: Annotated[list[int] | None, typer.Option(help="A task by its id; name all of them. Repeatable.")] = None,
    settings: Settings = None,
    strategy: Strategy = None,
    description: Annotated[str | None, typer.Option(help="What it does, for people.")] = None,
) -> None:
    """Change a saved workflow. Jobs that run do not change."""
    given: GlobalOptions = context.obj
    plain = {"name": name, "tasks": task or None, "description": description}
    fields = {key: value for key, value in plain.items() if value is not None}
    with given.make_client() as ews:
        found = ews.jobs.change_list(workflow, {**fields, **_collect(settings, strategy)})
    given.write_result(found.model_dump(mode="json"), [str(found.id)])


@app.command("workflow-delete")
def delete_workflow(context: typer.Context, workflow: Workflow) -> None:
    """Delete a saved workflow. Its jobs stay."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        ews.jobs.delete_list(workflow)
    given.tell_user(f"workflow {workflow} is deleted")


def _collect(settings: list[str] | None, strategy: str | None) -> dict[str, Any]:
    fields: dict[str, Any] = {} if settings is None else {"payload": parse_settings(settings, name="NAME")}
    return fields if strategy is None else {**fields, "strategy": strategy}
