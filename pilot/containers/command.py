"""Make a command (argv, environment, mounts) of a program and an event's files. No shell is involved. (core)

    cp {{INFILE}} {{OUTFILE}}   ->   cp /ewms-pilot-data/task-io/infile-<uuid>.in /ewms-pilot-data/task-io/outfile-...

The program is split into arguments before the placeholders are replaced, so a path never becomes two arguments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from pilot.containers.mounts import DATA_HUB, TASK_HOME, TASK_IO, TASK_SECRETS, Mount
from pilot.settings import Program
from schemas.rules.placeholders import (
    ENV_DATA_HUB,
    ENV_INFILE,
    ENV_OUTFILE,
    ENV_RUN,
    ENV_SECRETS,
    FILE_PLACEHOLDERS,
    HUB_PLACEHOLDERS,
)

_INFILE, _OUTFILE = FILE_PLACEHOLDERS[:2], FILE_PLACEHOLDERS[2:]


@dataclass(frozen=True, slots=True)
class RunPlace:
    """The paths of one run's files, on the worker or as the task sees them. A path is empty without such a file."""

    task_io: str = ""
    infile: str = ""
    outfile: str = ""
    data_hub: str = ""
    home: str = ""
    #: The directory with the task's secrets, mounted read-only.
    secrets: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """A command to start with exactly `environment`. `kill_argv` ends a container that signals do not reach."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    kill_argv: tuple[str, ...] = ()


class Runtime(Protocol):
    """A way to run a program on this worker, for example apptainer."""

    @property
    def on_host(self) -> bool:
        """Whether the paths in the arguments are paths of the worker (a bare process), not of a container."""

    @property
    def has_home(self) -> bool:
        """Whether the image has a writable home directory and sets HOME to it."""

    def build_command(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        mounts: Sequence[Mount],
        name: str,
        *,
        listens: bool = False,
    ) -> Command:
        """Return the command that runs `arguments` in the image. `name` is unique to this run.

        With `listens`, the container reads the command's standard input.
        """


def task_command(
    runtime: Runtime,
    program: Program,
    external: Sequence[Mount],
    place: RunPlace,
    name: str,
    *,
    listens: bool = False,
    payload: str | None = None,
) -> Command:
    """Return the command of one run of `program` (the task or the init program), whose files are at `place`.

    A `payload` is one more argument. It is data, so its placeholders stay as they are.
    """
    seen = _seen_on_host(place) if runtime.on_host else _seen_in_container(place)
    arguments = tuple(_fill_placeholders(argument, seen) for argument in program.args)
    arguments += () if payload is None else (payload,)
    named = {ENV_INFILE: seen.infile, ENV_OUTFILE: seen.outfile, ENV_DATA_HUB: seen.data_hub, ENV_SECRETS: seen.secrets}
    environment = {**program.environment, **{key: value for key, value in named.items() if value}}
    if runtime.has_home:
        place = replace(place, home="")
    elif seen.home:
        environment.setdefault("HOME", seen.home)
    command = runtime.build_command(arguments, environment, task_mounts(external, place), name, listens=listens)
    return replace(command, environment={**command.environment, ENV_RUN: name})


def task_mounts(external: Sequence[Mount], place: RunPlace) -> tuple[Mount, ...]:
    """Return all mounts of a run: the `external` mounts, and the mounts of the run's own files at `place`."""
    own = ((place.task_io, TASK_IO), (place.data_hub, DATA_HUB), (place.home, TASK_HOME))
    secrets = (Mount(place.secrets, TASK_SECRETS, read_only=True),) if place.secrets else ()
    return (*(Mount(source, target) for source, target in own if source), *secrets, *external)


def _seen_in_container(place: RunPlace) -> RunPlace:
    return RunPlace(
        task_io=TASK_IO if place.task_io else "",
        infile=f"{TASK_IO}/{place.infile}" if place.infile else "",
        outfile=f"{TASK_IO}/{place.outfile}" if place.outfile else "",
        data_hub=DATA_HUB if place.data_hub else "",
        home=TASK_HOME if place.home else "",
        secrets=TASK_SECRETS if place.secrets else "",
    )


def _seen_on_host(place: RunPlace) -> RunPlace:
    return RunPlace(
        task_io=place.task_io,
        infile=f"{place.task_io}/{place.infile}" if place.infile else "",
        outfile=f"{place.task_io}/{place.outfile}" if place.outfile else "",
        data_hub=place.data_hub,
        home=place.home,
        secrets=place.secrets,
    )


def _fill_placeholders(argument: str, seen: RunPlace) -> str:
    if "{{" not in argument:
        return argument
    for names, value in ((_INFILE, seen.infile), (_OUTFILE, seen.outfile), (HUB_PLACEHOLDERS, seen.data_hub)):
        if value:
            for name in names:
                argument = argument.replace(name, value)
    return argument
