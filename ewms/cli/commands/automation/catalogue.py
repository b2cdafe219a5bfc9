"""`ewms catalogue`: register tasks, approve them, and follow how their images are built."""

from typing import TYPE_CHECKING, Annotated

import typer

from ewms.cli.commands.automation import catalogue_options as options
from ewms.cli.commands.automation import catalogue_trial
from ewms.cli.context import GlobalOptions, can_ask

if TYPE_CHECKING:
    from schemas.api.automation.tasks import TaskSeen

app = typer.Typer()

app.command("test")(catalogue_trial.try_task)

Task = Annotated[int, typer.Argument(metavar="ID", min=1, help="The task's id.")]
Version = Annotated[int | None, typer.Option(min=1, help="Which version; default: the latest.")]
Reason = Annotated[str, typer.Option(help="Why, for the record.")]


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, unique in its organization.")],
    *,
    command: options.Command = None,
    git: options.Git = None,
    ref: options.Ref = None,
    subdirectory: options.Subdirectory = None,
    credential: options.Credential = None,
    directory: options.Directory = None,
    description: options.Description = None,
    organization: Annotated[str, typer.Option(help="Its organization, if you may create tasks in several.")] = "",
    fan_out: options.FanOut = None,
    idempotent: options.Idempotent = None,
    cores: options.Cores = None,
    memory: options.Memory = None,
    disk: options.Disk = None,
    max_runtime: options.MaxRuntime = None,
    parameters: options.Parameters = None,
    network: options.Network = None,
    cluster: options.Clusters = None,
) -> None:
    """Register a task. The builder looks at its source; an admin approves what it has found.

    ewms catalogue create task1 --git https://github.com/sulochan/craton_tasks --command "python /craton/task1.py"
    """
    given: GlobalOptions = context.obj
    fields = options.collect_fields(
        {"description": description, "fan_out": fan_out, "idempotent": idempotent},
        location={
            "git": git,
            "ref": ref,
            "subdirectory": subdirectory,
            "credential": credential,
            "directory": directory,
        },
        command=command,
        resources={"n_cores": cores, "memory": memory, "disk": disk},
        max_runtime=max_runtime,
        parameters=parameters,
        lists={"network": network, "cluster_locations": cluster},
    )
    with given.make_client() as ews:
        made = ews.catalogue.create({**fields, "name": name, "organization": organization})
    if not given.write_result(made.model_dump(mode="json"), [str(made.id)]):
        typer.echo(made.id)
        given.tell_user(f"the builder looks at its source; see what it finds: ewms catalogue show {made.id}")


@app.command("list")
def list_tasks(
    context: typer.Context,
    *,
    status: Annotated[str | None, typer.Option(help="Only those that stand so: Ready, 'Pending approval', ...")] = None,
    name: Annotated[str | None, typer.Option(help="Only those with this name.")] = None,
    organization: Annotated[str | None, typer.Option(help="Only those of this organization.")] = None,
) -> None:
    """List the tasks that you see."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.catalogue.list_all(status=status, name=name, organization=organization)
    listed = [one.model_dump(mode="json") for one in found]
    if not given.write_result({"tasks": listed}, [str(one.id) for one in found]):
        from ewms.cli.text.automation.catalogue import task_table

        given.print_list(task_table(found), "no such tasks")


@app.command()
def show(context: typer.Context, task: Task) -> None:
    """Show a task, its versions, and what to type next."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.catalogue.show(task)
    _show_task(given, found)


@app.command()
def update(
    context: typer.Context,
    task: Task,
    *,
    name: Annotated[str | None, typer.Option(help="Its new name.")] = None,
    command: options.Command = None,
    git: options.Git = None,
    ref: options.Ref = None,
    subdirectory: options.Subdirectory = None,
    credential: options.Credential = None,
    directory: options.Directory = None,
    description: options.Description = None,
    fan_out: options.FanOut = None,
    idempotent: options.Idempotent = None,
    cores: options.Cores = None,
    memory: options.Memory = None,
    disk: options.Disk = None,
    max_runtime: options.MaxRuntime = None,
    parameters: options.Parameters = None,
    network: options.Network = None,
    cluster: options.Clusters = None,
    visibility: Annotated[
        str | None, typer.Option(help="For whom it exists: private, roles or public. For admins.")
    ] = None,
    role: Annotated[
        list[str] | None, typer.Option(metavar="ROLE", help="With --visibility roles: org-member, ... Repeatable.")
    ] = None,
    disable: Annotated[
        bool | None, typer.Option("--disable/--enable", help="Let no new job run it, or let jobs run it. For admins.")
    ] = None,
    reason: Reason = "",
) -> None:
    """Change a task. A new source or command makes a new version, which waits for approval.

    The version in use stays in use. Of the location and of the resources, give all that shall hold.
    """
    from schemas.errors import Rejected

    given: GlobalOptions = context.obj
    fields = options.collect_fields(
        {"name": name, "description": description, "fan_out": fan_out, "idempotent": idempotent},
        location={
            "git": git,
            "ref": ref,
            "subdirectory": subdirectory,
            "credential": credential,
            "directory": directory,
        },
        command=command,
        resources={"n_cores": cores, "memory": memory, "disk": disk},
        max_runtime=max_runtime,
        parameters=parameters,
        lists={"network": network, "cluster_locations": cluster},
    )
    if role and visibility is None:
        raise Rejected("--role: belongs to --visibility roles")
    if not fields and visibility is None and disable is None:
        raise Rejected("nothing to change", hint="ewms catalogue update --help shows what can change")
    with given.make_client() as ews:
        found = ews.catalogue.update(task, {**fields, "reason": reason}) if fields else None
        if visibility is not None:
            found = ews.catalogue.share(task, visibility, roles=role or (), reason=reason)
        if disable is not None:
            act = ews.catalogue.disable if disable else ews.catalogue.enable
            found = act(task, reason=reason)
    assert found is not None
    _show_task(given, found)


@app.command()
def approve(
    context: typer.Context,
    task: Task,
    *,
    version: Version = None,
    commit: Annotated[
        str, typer.Option(help="The commit that you have read; another one is refused. Without it you are asked.")
    ] = "",
    reason: Reason = "",
) -> None:
    """Approve a version: the builder then builds its commit, and brings the image to the clusters."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        if not commit:
            commit = _ask_for_commit(ews.catalogue.show(task), version)
        _show_task(given, ews.catalogue.approve(task, version=version, commit=commit, reason=reason))


@app.command()
def reject(context: typer.Context, task: Task, *, version: Version = None, reason: Reason = "") -> None:
    """Reject a version. The version in use stays in use."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _show_task(given, ews.catalogue.reject(task, version=version, reason=reason))


@app.command()
def rebuild(
    context: typer.Context,
    task: Task,
    *,
    new_version: Annotated[
        bool, typer.Option("--new-version", help="Make a new version even if the commit is the same.")
    ] = False,
) -> None:
    """Look for a new commit. If there is none, repeat a build that has failed."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _show_task(given, ews.catalogue.rebuild(task, new_version=new_version))


@app.command()
def log(
    context: typer.Context,
    task: Task,
    *,
    version: Version = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the build is over.")] = False,
) -> None:
    """Write the log of a version's last build."""
    import sys

    from ewms.cli.text.terminal.plain import escape_controls

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        for part in ews.catalogue.read_log(task, version=version, follow=follow):
            # The text comes from user code.
            sys.stdout.write(escape_controls(part))
            sys.stdout.flush()


@app.command()
def webhook(
    context: typer.Context,
    task: Task,
    *,
    renew: Annotated[bool, typer.Option("--renew", help="Make another key first. The former one ends.")] = False,
) -> None:
    """Show where a git server reports new commits, and the key with which it signs."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.catalogue.show_webhook(task, renew=renew)
    if not given.write_result(found.model_dump(mode="json"), [found.path]):
        typer.echo(f"path  {found.path}\nkey   {found.key}")


@app.command()
def delete(context: typer.Context, task: Task) -> None:
    """Delete a task and the logs of its builds."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        ews.catalogue.delete(task)
    given.tell_user(f"task {task} is deleted")


def _ask_for_commit(task: "TaskSeen", number: int | None) -> str:
    """Return the commit that waits for approval, once a person has confirmed it; "" if none waits: the server says why.

    Raises:
        Rejected: there is no person to ask.
    """
    from ewms.cli.text.automation.catalogue import describe_commit
    from schemas.automation.catalogue import TaskStatus
    from schemas.errors import Rejected

    wanted = task.latest_version if number is None else number
    found = next((each for each in task.versions if each.number == wanted), None)
    if found is None or not found.commit or found.status != TaskStatus.PENDING_APPROVAL:
        return ""
    if not can_ask():
        raise Rejected("an approval names the commit that it means", hint=f"read it, then add --commit {found.commit}")
    typer.confirm(f"Approve version {found.number} of task {task.id}: {describe_commit(found)}?", abort=True, err=True)
    return found.commit


def _show_task(given: GlobalOptions, task: "TaskSeen") -> None:
    if not given.write_result(task.model_dump(mode="json"), [str(task.id)]):
        from ewms.cli.text.automation.catalogue import task_lines

        console = given.make_console()
        for line in task_lines(task):
            console.print(line, soft_wrap=True)
