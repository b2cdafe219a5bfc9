"""`ewms up`: the whole system on this machine. Its launcher is no part of the client: an entry point names it."""

from collections.abc import Sequence

import typer

from ewms.errors import Unreachable

#: Each entry of the group is a callable: command-line words in, exit status out.
GROUP = "ewms.launcher"


def up(context: typer.Context) -> None:
    """Run the whole system on this machine, with its real services, until Ctrl-C."""
    raise typer.Exit(run_launcher(["up", *context.args]))


def run_launcher(words: Sequence[str]) -> int:
    """Run the launcher's command line `words`; return its exit status.

    Raises:
        Unreachable: there is no launcher here.
    """
    from importlib.metadata import entry_points

    launchers = list(entry_points(group=GROUP))
    if not launchers:
        raise Unreachable(
            "the launcher is not installed here", hint="install it with the server: pip install 'ewms[local]'"
        )
    status: int = launchers[0].load()(words)
    return status
