"""Run a task with apptainer, unprivileged: on a sandbox directory or a .sif file. (core)

The pilot passes the task's environment in `APPTAINERENV_` variables: a process list does not show them, and a comma
does not split a value. `--containall` hides the pilot's own environment, home, processes and temporary files.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pilot.containers.command import Command
from pilot.containers.mounts import TASK_HOME, Mount

#: Variables of the pilot's environment that apptainer itself needs, to find its helpers and its caches.
KEPT = ("APPTAINER_CACHEDIR", "APPTAINER_TMPDIR", "HOME", "USER", "XDG_RUNTIME_DIR")

#: If an image defines no run script, apptainer's default script prints this text and succeeds.
_NO_RUNSCRIPT = "There is no runscript defined for this container"

#: The path of the run script in an image.
RUNSCRIPT = "/.singularity.d/runscript"

_ADDRESS = re.compile(r"(docker|oras|library|shub)://[A-Za-z0-9][A-Za-z0-9._:/@-]*")


@dataclass(frozen=True, slots=True)
class Apptainer:
    """Runs tasks in `image`, a directory or .sif file. With `as_run`, the image's own entry point starts."""

    binary: str
    image: str
    environment: Mapping[str, str]
    as_run: bool = False
    debug: bool = False
    on_host: bool = False
    has_home: bool = False

    def build_command(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        mounts: Sequence[Mount],
        name: str,
        *,
        listens: bool = False,
    ) -> Command:
        """Return `apptainer exec|run ... IMAGE ARGS`."""
        inner = {f"APPTAINERENV_{key}": value for key, value in environment.items() if key != "HOME"}
        # Apptainer takes HOME only by an option, and that option splits its value at a colon.
        home = environment.get("HOME", "")
        home = home if home.startswith("/") and ":" not in home else TASK_HOME
        binds = [f"{m.source}:{m.target}{':ro' if m.read_only else ''}" for m in mounts]
        argv = (
            self.binary,
            *(("--debug",) if self.debug else ("--quiet",)),
            "run" if self.as_run else "exec",
            "--userns",
            "--containall",
            # These two options together set HOME and mount no home directory.
            "--no-home",
            "--home",
            home,
            "--no-eval",
            "--pwd",
            "/",
            *(word for bind in binds for word in ("--bind", bind)),
            self.image,
            *arguments,
        )
        return Command(argv, {**self.environment, **inner})


def build_argv(binary: str, image: str, sandbox: str) -> tuple[str, ...]:
    """Return the command that builds the directory `sandbox` from `image`, a file or an address (docker://...)."""
    return (binary, "build", "--fix-perms", "--sandbox", sandbox, image)


def is_address(name: str) -> bool:
    """Return whether `name` is the address of an image at a registry, for example docker://python:3.11.

    Without a file of the worker, the pilot builds a sandbox only from such an address. Otherwise apptainer would run
    the `%setup` of a definition file on the worker, or read any archive there.
    """
    return _ADDRESS.fullmatch(name) is not None


def has_entry_point(runscript: str | None) -> bool:
    """Return whether the run script of an image has an entry point of the image, not only apptainer's default.

    Source: apptainer 1.4. For an OCI image `build` writes a run script that sets `OCI_ENTRYPOINT`. For an image without
    an entry point `build` writes a script that only prints that fact and succeeds. Such a run would look like a task
    without output.
    """
    if runscript is None or _NO_RUNSCRIPT in runscript:
        return False
    lines = [line.strip() for line in runscript.splitlines()]
    if any(line.startswith("OCI_ENTRYPOINT=") for line in lines):
        return any(line.startswith("OCI_ENTRYPOINT=") and line.partition("=")[2].strip("'\" ") for line in lines)
    return any(line and not line.startswith("#") for line in lines) and "exec /bin/bash" not in runscript
