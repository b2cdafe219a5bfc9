"""`ewms simulate`: what a past workflow would take with other numbers of workers.

An entry point names the simulation. It needs the decisions of pilots and pools, which the client's package has not.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ewms.cli.commands.workflow_argument import Id
from ewms.cli.context import GlobalOptions
from ewms.errors import Unreachable
from schemas.errors import Rejected

if TYPE_CHECKING:
    from schemas.api.workflows.simulation import Simulation, SimulationOrder

#: The group of entry points. Each is a callable that takes a `SimulationOrder` and returns a `Simulation`.
GROUP = "ewms.simulator"


def simulate_workflow(
    context: typer.Context,
    workflow: Id,
    *,
    workers: Annotated[
        list[str] | None,
        typer.Option("--workers", metavar="TASK=N,N,...", help="Numbers of workers of a task to try; its id or name."),
    ] = None,
    events: Annotated[int | None, typer.Option("--events", metavar="N", help="How many events users publish.")] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another order of short and long runs.")] = 0,
) -> None:
    """Simulate a past workflow with other numbers of workers: when it would finish, and what it would cost.

    Pilots and jobs decide as in a real run, on a virtual clock, with the service times of the past run.
    """
    from schemas.api.workflows.simulation import SimulationOrder

    given: GlobalOptions = context.obj
    wanted = parse_workers(workers or ())
    run_simulation = find_simulator()
    with given.make_client() as ews:
        run = ews.run(workflow)
        report, state = run.views.report(), run.show()
    found = run_simulation(
        SimulationOrder(
            report=report,
            tasks=state.task_directives,
            taskforces=state.taskforces,
            workers=wanted,
            n_events=events,
            seed=seed,
        )
    )
    suggested = found.runs[found.suggested].workers
    if given.write_result(found.model_dump(mode="json"), [f"{task}={n}" for task, n in suggested.items()]):
        return
    from ewms.cli.text.fleet.simulation import simulation_view

    given.make_console().print(simulation_view(found))


def parse_workers(words: Sequence[str]) -> dict[str, list[int]]:
    """Return task -> numbers of workers, for `words` such as `TASK=1,2,4`. A name of a task may contain `=`.

    Raises:
        Rejected: a word has no task or no numbers.
    """
    wanted: dict[str, list[int]] = {}
    for word in words:
        task, _, numbers = word.rpartition("=")
        try:
            wanted.setdefault(task, []).extend(int(each) for each in numbers.split(","))
        except ValueError:
            task = ""
        if not task:
            raise Rejected(f"--workers {word}: write it as TASK=N,N", hint="for example --workers reco=10,20,40")
    return wanted


def find_simulator() -> "Callable[[SimulationOrder], Simulation]":
    """Return the simulation that is installed.

    Raises:
        Unreachable: none is installed.
    """
    from importlib.metadata import entry_points

    hint = "install it with the server: pip install 'ewms[local]'"
    for found in entry_points(group=GROUP):
        try:
            simulator: Callable[[SimulationOrder], Simulation] = found.load()
        except ImportError as error:
            raise Unreachable(f"the simulation lacks a library here: {error.name}", hint=hint) from error
        return simulator
    raise Unreachable("the simulation is not installed here", hint=hint)
