"""The options by which `ewms catalogue create` and `update` name the fields of a task."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

Description = Annotated[str | None, typer.Option(help="What it does, for people.")]
Git = Annotated[str | None, typer.Option(metavar="URL", help="The git repository where it lives.")]
Ref = Annotated[str | None, typer.Option(help="A branch, a tag or a commit; default: the default branch.")]
Subdirectory = Annotated[str | None, typer.Option(help="The directory of the repository with the Dockerfile.")]
Credential = Annotated[str | None, typer.Option(help="The name of a credential that the builder has.")]
Directory = Annotated[str | None, typer.Option(metavar="PATH", help="A directory of the server, instead of git.")]
Command = Annotated[
    str | None, typer.Option(metavar="COMMAND", help="The program and its arguments; a job appends its payload.")
]
FanOut = Annotated[str | None, typer.Option(help="What a container gets: one 'host', or the whole 'inventory'.")]
Idempotent = Annotated[
    bool | None, typer.Option("--idempotent/--not-idempotent", help="Whether it may run twice on a host.")
]
Cores = Annotated[int | None, typer.Option(min=1, help="How many cores a container gets.")]
Memory = Annotated[str | None, typer.Option(metavar="SIZE", help="How much memory it gets: 512M, 2G.")]
Disk = Annotated[str | None, typer.Option(metavar="SIZE", help="How much disk it gets.")]
MaxRuntime = Annotated[str | None, typer.Option(metavar="DURATION", help="How long it may run: 10m, 2h.")]
Parameters = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A file with the JSON schema of its variables; -: stdin.")
]
Network = Annotated[list[str] | None, typer.Option(metavar="HOST", help="A host that the build may reach. Repeatable.")]
Clusters = Annotated[
    list[str] | None,
    typer.Option("--cluster", metavar="NAME", help="A cluster location that gets the image; default: all. Repeatable."),
]


def collect_fields(
    plain: Mapping[str, Any],
    *,
    location: Mapping[str, str | None],
    command: str | None,
    resources: Mapping[str, Any],
    max_runtime: str | None,
    parameters: Path | None,
    lists: Mapping[str, Sequence[str] | None],
) -> dict[str, Any]:
    """Return the body of a request from the options that were given.

    Raises:
        Rejected: an option's value cannot be read.
    """
    from ewms.cli.context import parse_option

    fields = {name: value for name, value in plain.items() if value is not None}
    if place := {name: value for name, value in location.items() if value is not None}:
        fields["location"] = place
    if command is not None:
        fields["command"] = _split_command(command)
    given = {name: value for name, value in resources.items() if value is not None}
    if (seconds := parse_option("--max-runtime", max_runtime)) is not None:
        given["max_runtime_s"] = max(1, round(seconds))
    if given:
        fields["resources"] = given
    if parameters is not None:
        fields["parameters"] = _read_schema(parameters)
    return {**fields, **{name: list(value) for name, value in lists.items() if value}}


def _split_command(command: str) -> list[str]:
    from schemas.errors import Rejected

    try:
        return shlex.split(command)
    except ValueError as error:
        raise Rejected(f"--command: {error}", hint="quote it as in a shell") from error


def _read_schema(file: Path) -> Any:
    import json

    from ewms.cli.text.terminal.streams import read_document
    from schemas.errors import Rejected

    try:
        return json.loads(read_document(file))
    except ValueError as error:
        raise Rejected(f"--parameters {file}: not JSON: {error}") from error
