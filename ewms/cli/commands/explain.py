"""`ewms explain`: why a workflow, a process or a tree stands as it does. The groups have the same command."""

from typing import TYPE_CHECKING, Annotated

import typer

from ewms.cli.context import GlobalOptions

if TYPE_CHECKING:
    from ewms.client import Client
    from schemas.api.workflows.explanation import Explanation, ObjectExplanation

What = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="A workflow (WF-...), the id of a process or flow, or the number of a launched tree."
    ),
]


def explain(context: typer.Context, what: What) -> None:
    """Explain why a workflow, a process or a tree stands as it does: causes and what helps, the most serious first."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = _ask(ews, what)
    print_explanation(given, found)


def print_explanation(given: GlobalOptions, found: "Explanation | ObjectExplanation") -> None:
    """Print causes in the form that the user wants."""
    if given.write_result(found.model_dump(mode="json"), [each.cause for each in found.causes]):
        return
    from ewms.cli.text.fleet.explanation import explanation_lines

    console = given.make_console()
    for line in explanation_lines(found):
        console.print(line)


def _ask(ews: "Client", what: str) -> "Explanation | ObjectExplanation":
    """Ask the server that knows what has the id `what`.

    Raises:
        Rejected: it is no such id.
    """
    from uuid import UUID

    from schemas.errors import Rejected

    if what.startswith("WF-"):
        return ews.run(what).views.explain()
    if what.isascii() and what.isdecimal():
        return ews.trees.get(int(what)).explain()
    try:
        UUID(what)
    except ValueError:
        raise Rejected(
            f"{what!r} is no id of a workflow, a process or a tree",
            hint="give WF-..., a UUID, or a number: see `ewms workflow list`, `ewms process list`, `ewms tree launch`",
        ) from None
    return ews.processes.get(what).explain()
