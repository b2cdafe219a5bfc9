"""`ewms catalogue test`: build a task and run it once here. An entry point names the launcher, which does it."""

from pathlib import Path
from typing import Annotated

import typer

from ewms.cli.commands.system.up import run_launcher


def try_task(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The task's directory, with its Dockerfile.")],
    command: Annotated[
        str, typer.Option(help="The task's command in its image. It gets the payload as its last argument.")
    ],
    payload: Annotated[str, typer.Option(metavar="JSON", help="The payload, or @ and the name of a file.")] = "{}",
    secret: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="A secret: the task finds FILE's content in its file NAME. Repeatable."),
    ] = None,
    keep: Annotated[Path | None, typer.Option(metavar="NAME", help="Keep the image as this directory.")] = None,
) -> None:
    """Build a task and run it once on this machine, as the catalogue does it, before you register the task.

    The exit status is the task's own. What it writes into $EWMS_TASK_OUTFILE is shown as its output.
    """
    if payload.startswith("@"):
        try:
            payload = Path(payload[1:]).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise typer.BadParameter(f"cannot read {payload[1:]}: {error}", param_hint="--payload") from error
    kept = [] if keep is None else ["--keep", str(keep)]
    given = [f"--secret={each}" for each in secret or ()]
    words = ["try-task", str(directory), f"--command={command}", f"--payload={payload}", *given, *kept]
    raise typer.Exit(run_launcher(words))
