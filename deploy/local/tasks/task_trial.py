"""`ewms catalogue test`: build a task's image on this machine and run it once, as a job of the catalogue does.

The builder and the pilot's own command line are used, so that a task that runs here runs there.
"""

import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from deploy.local.errors import LaunchError, WrongUse
from deploy.local.fetch import packages
from deploy.local.fetch.cache import Installed, cache_directory
from deploy.local.fetch.on_demand import PYTHON_BASE
from deploy.local.system.up import prepare_servers
from ewms.cli.text.terminal.plain import escape_controls
from pilot.runtimes.apptainer import Apptainer
from processes.builds.build_errors import BuildFailed, LocationsLackImage
from processes.builds.programs import Programs
from processes.builds.settings import BuilderSettings, ImageLocation
from processes.builds.workshop import Workshop
from schemas.automation.builds import BuildOrder, DirectorySource
from schemas.automation.jobs import MAX_PAYLOAD_BYTES

_HERE = "here"


@dataclass(frozen=True, slots=True)
class TaskTrial:
    """A task's directory, its command, the JSON of its payload, and where to keep the image."""

    directory: Path
    command: str
    payload: str
    keep: Path | None = None

    def build_and_run(self, console: Console, environment: Mapping[str, str]) -> int:
        """Build the image, run the command in it with the payload as its last argument, and return its exit status.

        The builder's log goes to stderr, the task's output to this process's own output.

        Raises:
            WrongUse: the arguments are wrong.
            LaunchError: the build failed.
        """
        words = self._read_command()
        installed = prepare_servers(console, environment, packages.BUILDER_SETS)
        trials = cache_directory(environment) / "trials"
        trials.mkdir(mode=0o700, exist_ok=True)
        images = trials / f"images-{secrets.token_hex(4)}"
        images.mkdir()
        try:
            image = self._build_image(installed, trials, images, console, environment)
            status = _run_task(installed, image, [*words, self.payload])
            if self.keep is not None:
                shutil.move(image, self.keep)
                console.print(f"the image is {self.keep.absolute()}", markup=False, highlight=False, soft_wrap=True)
        finally:
            shutil.rmtree(images, ignore_errors=True)
        return status

    def _read_command(self) -> list[str]:
        if not (self.directory / "Dockerfile").is_file():
            raise WrongUse(f"{self.directory} has no Dockerfile", "name a directory that has one")
        if self.keep is not None and self.keep.exists():
            raise WrongUse(f"{self.keep} exists already", "remove it, or choose another name")
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            raise WrongUse(f"--command {self.command!r} cannot be read: {error}", "close its quotes") from error
        if not words:
            raise WrongUse("--command is empty", "name the command to run, as --command 'python3 /craton/task.py'")
        try:
            is_object = isinstance(json.loads(self.payload), dict)
        except ValueError:
            is_object = False
        if not is_object:
            raise WrongUse("--payload is no JSON object", """give one, as --payload '{"host": {"name": "a"}}'""")
        if len(self.payload.encode()) > MAX_PAYLOAD_BYTES:
            raise WrongUse(
                f"--payload takes more than {MAX_PAYLOAD_BYTES} bytes, the limit of one argument", "make it smaller"
            )
        return words

    def _build_image(
        self, installed: Installed, trials: Path, images: Path, console: Console, environment: Mapping[str, str]
    ) -> Path:
        directory = self.directory.resolve()
        chosen = {"build_registries": environment.get("EWMS_BUILD_REGISTRIES")}
        settings = BuilderSettings(
            build_directory=trials,
            build_programs=trials / "programs.json",
            task_roots=(str(directory),),
            build_locations={_HERE: ImageLocation(directory=str(images))},
            **{name: json.loads(value) for name, value in chosen.items() if value},
        )
        programs = Programs(installed.builder, installed.containers, {PYTHON_BASE: installed.python_image})

        def show(chunk: bytes) -> None:
            text = escape_controls(chunk.decode(errors="replace"))
            console.print(text, end="", markup=False, highlight=False, soft_wrap=True)

        workshop = Workshop(settings, programs, show)
        source = DirectorySource(path=str(directory))
        order = BuildOrder(build=secrets.token_hex(8), task=0, version=0, source=source, locations=(_HERE,))
        try:
            order = order.model_copy(update={"commit": workshop.find_commit(order, "").commit})
            image = workshop.build_image(order, "")
            return Path(workshop.sync_image(order, "", image)[_HERE].image)
        except (BuildFailed, LocationsLackImage) as error:
            raise LaunchError(f"the task cannot be built: {error.message}", "correct that, and try again") from error
        finally:
            workshop.remove_build(order)


def _run_task(installed: Installed, image: Path, words: list[str]) -> int:
    tree = installed.containers
    environment = {**os.environ, "PATH": f"{tree}/usr/bin:{tree}/usr/sbin:/usr/bin:/bin"}
    apptainer = Apptainer(str(tree / "usr/bin/apptainer"), str(image), environment)
    command = apptainer.build_command(words, {}, (), "trial")
    sys.stdout.flush()
    return subprocess.run(command.argv, env=dict(command.environment), stdin=subprocess.DEVNULL, check=False).returncode
