"""`ewms image`: make images for tasks. The launcher makes them; the command finds the launcher by an entry point."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ewms.cli.commands.system.up import run_launcher
from ewms.cli.context import GlobalOptions

app = typer.Typer()


@app.command()
def build(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="DIR|DEFINITION",
            help="A directory of programs (the image adds Python), a directory with a root file system, or a "
            "definition file (*.def).",
        ),
    ],
    name: Annotated[
        Path, typer.Argument(metavar="NAME", help="The image: NAME.sif makes one file, any other name a directory.")
    ],
) -> None:
    """Build a task's image on this machine, with apptainer from the cache of `ewms up`, and print its path."""
    given: GlobalOptions = context.obj
    if status := run_launcher(["image", str(source), str(name)]):
        raise typer.Exit(status)
    image = str(name.absolute())
    if not given.write_result({"image": image}, [image]):
        sys.stdout.write(f"{image}\n")
        sys.stdout.flush()
