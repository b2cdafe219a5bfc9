"""`ewms taskforce`: show the taskforces of a workflow or a task, why workers are missing, and the workers' logs."""

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from ewms.cli.commands.fleet.logs import show_logs
from ewms.cli.context import GlobalOptions

if TYPE_CHECKING:
    from ewms.client import Run
    from schemas.api.workflows.explanation import ExplainedCause

app = typer.Typer()
app.command("logs")(show_logs)


@app.command("list")
def list_taskforces(
    context: typer.Context,
    id_: Annotated[str, typer.Argument(metavar="ID", help="A workflow or a task: WF-..., TK-...")],
) -> None:
    """List taskforces: phase, workers by status, errors."""
    from ewms.cli.text.fleet.tables import taskforce_table

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        taskforces = ews.taskforces(id_)
        found = {"taskforces": [one.model_dump(mode="json") for one in taskforces], "next_after": None}
        if not given.write_result(found, [one.taskforce_uuid for one in taskforces]):
            given.make_console().print(taskforce_table(taskforces, wide=given.is_wide))


@app.command()
def show(
    context: typer.Context,
    id_: Annotated[str, typer.Argument(metavar="TASKFORCE", help="The taskforce's id: TF-...")],
) -> None:
    """Show one taskforce, and every change of its phase, also those that failed."""
    from ewms.cli.text.fleet.tables import health_lines, phase_table, taskforce_table

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        for taskforce in ews.taskforces(id_):
            if not given.write_result(taskforce.model_dump(mode="json"), [taskforce.taskforce_uuid]):
                console = given.make_console()
                console.print(taskforce_table([taskforce], wide=given.is_wide), phase_table(taskforce))
                for line in health_lines(ews.health(taskforce.taskforce_uuid)):
                    console.print(line)


@app.command()
def why(
    context: typer.Context,
    id_: Annotated[str, typer.Argument(metavar="ID", help="A taskforce, a task or a workflow: TF-..., TK-..., WF-...")],
) -> None:
    """Tell how many workers are missing, why, and what to type next; or that the workflow is over."""
    from ewms.cli.text.fleet.tables import advice_line, missing_lines, stall_lines
    from schemas.ids import TaskforceUuid, workflow_of

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        uuids: list[TaskforceUuid] = [one.taskforce_uuid for one in ews.taskforces(id_)]
        healths = {uuid: ews.health(uuid) for uuid in uuids}
        run = ews.run(workflow_of(uuids[0])) if uuids else None
        stall = run.stall() if run is not None else None
        step = _find_next_step(run) if run is not None and stall is None else None
    parts = {"n_wanted", "n_at_work", "missing", "kills", "ended"}
    found = [
        {"taskforce_uuid": uuid, **health.model_dump(mode="json", include=parts)} for uuid, health in healths.items()
    ]
    stalled = None if stall is None else stall.model_dump(mode="json")
    next_step = None if step is None else {"text": step.text, "command": step.command}
    if not given.write_result({"taskforces": found, "stalled": stalled, "next_step": next_step}, uuids):
        for uuid, health in healths.items():
            for line in missing_lines(uuid, health):
                given.make_console().print(line)
        if stall is not None and not stall.is_stalled:
            # The workers take events, so none is missing, and yet nothing succeeds.
            for line in stall_lines(stall):
                given.make_console().print(line)
        if uuids and all(health.ended for health in healths.values()):
            given.tell_user(f"see how it ended: ewms workflow show {workflow_of(uuids[0])}")
        if step is not None:
            given.make_console().print(advice_line(step.text, step.command))


def _find_next_step(run: "Run") -> "ExplainedCause | None":
    """Return what lets the run end, if only its open inputs keep it going. Return None if the server does not say."""
    from ewms.workflows.progress import compute_progress
    from schemas.errors import EWMSError

    with suppress(EWMSError):
        # Without an answer, why workers are missing is still worth showing.
        return compute_progress([run.look()]).next_step
    return None
