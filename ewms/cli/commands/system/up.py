"""`ewms up`, `ewms down`: run the whole system on this machine, and end it.

An entry point names the launcher. The client's package has no launcher.
"""

from collections.abc import Sequence

import typer

from ewms.errors import Unreachable

#: The group of entry points. Each is a callable that takes command-line words and returns an exit status.
GROUP = "ewms.launcher"


def run_system(context: typer.Context) -> None:
    """Run the whole system on this machine, with its real services, until Ctrl-C."""
    raise typer.Exit(run_launcher(["up", *context.args]))


def end_system(context: typer.Context) -> None:
    """End the system that `ewms up` runs in this folder (or with `--data DIRECTORY`), and wait until it has ended."""
    raise typer.Exit(run_launcher(["down", *context.args]))


def run_launcher(words: Sequence[str]) -> int:
    """Run the launcher with the command line `words`, and return its exit status.

    Raises:
        Unreachable: no launcher is installed.
    """
    from importlib.metadata import entry_points

    launchers = list(entry_points(group=GROUP))
    if not launchers:
        raise Unreachable(
            "the launcher is not installed here", hint="install it with the server: pip install 'ewms[local]'"
        )
    status: int = launchers[0].load()(words)
    return status
