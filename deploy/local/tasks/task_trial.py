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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from deploy.local.errors import LaunchError, WrongUse
from deploy.local.fetch import packages
from deploy.local.fetch.cache import Installed, cache_directory
from deploy.local.fetch.on_demand import PYTHON_BASE
from deploy.local.system.up import prepare_servers
from ewms.cli.text.terminal.plain import escape_controls
from pilot.containers.command import RunPlace, task_command
from pilot.containers.run_files import WorkDirectory, read_outfile
from pilot.containers.secret_files import write_secrets
from pilot.failures.failure import Failure
from pilot.runtimes.apptainer import Apptainer
from pilot.settings import Program
from processes.builds.build_errors import BuildFailed, LocationsLackImage
from processes.builds.programs import Programs
from processes.builds.settings import BuilderSettings, ImageLocation
from processes.builds.workshop import Workshop
from schemas.automation.builds import BuildOrder, DirectorySource
from schemas.automation.jobs import MAX_ARTIFACT_BYTES, MAX_PAYLOAD_BYTES
from schemas.rules.secret_names import SECRET_NAME

_HERE = "here"


@dataclass(frozen=True, slots=True)
class TaskTrial:
    """A task's directory, its command, the JSON of its payload, files with its secrets, and where to keep the image.

    Of `secrets` each is NAME=FILE: the task finds the content of FILE in its file NAME.
    """

    directory: Path
    command: str
    payload: str
    secrets: Sequence[str] = ()
    keep: Path | None = None

    def build_and_run(self, console: Console, environment: Mapping[str, str]) -> int:
        """Build the image, run the command in it with the payload as its last argument, and return its exit status.

        The builder's log, and what the task leaves in its outfile, go to stderr. What the task prints goes to this
        process's own output.

        Raises:
            WrongUse: the arguments are wrong.
            LaunchError: the build failed.
        """
        words, secret_values = self._read_command(), _read_secrets(self.secrets)
        installed = prepare_servers(console, environment, packages.BUILDER_SETS)
        trials = cache_directory(environment) / "trials"
        trials.mkdir(mode=0o700, exist_ok=True)
        images = trials / f"images-{secrets.token_hex(4)}"
        images.mkdir()
        try:
            image = self._build_image(installed, trials, images, console, environment)
            with TemporaryDirectory(prefix="run-", dir=trials) as place:
                status = self._run_task(
                    installed, image, words, place=Path(place), secret_values=secret_values, console=console
                )
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

    def _run_task(
        self,
        installed: Installed,
        image: Path,
        words: Sequence[str],
        *,
        place: Path,
        secret_values: Mapping[str, str],
        console: Console,
    ) -> int:
        """Run the task with its files in `place`, as a pilot does for one host; return its exit status."""
        tree = installed.containers
        environment = {**os.environ, "PATH": f"{tree}/usr/bin:{tree}/usr/sbin:/usr/bin:/bin"}
        work = WorkDirectory(str(place), infile_ext="in", outfile_ext="out")
        work.make_directories()
        work.secrets = write_secrets(secret_values, place / "secrets", shared=False)
        files = work.begin_run(self.payload.encode())
        command = task_command(
            Apptainer(str(tree / "usr/bin/apptainer"), str(image), environment),
            Program(str(image), tuple(words), {}),
            (),
            RunPlace(files.task_io, files.infile, files.outfile, work.data_hub, files.home, work.secrets),
            f"ewms-{files.name}",
            payload=self.payload,
        )
        sys.stdout.flush()
        ended = subprocess.run(
            command.argv, env=dict(command.environment), stdin=subprocess.DEVNULL, cwd=files.directory, check=False
        )
        output = read_outfile(files)
        if isinstance(output, Failure):
            console.print(f"the host would be failed: {output}", markup=False, highlight=False, soft_wrap=True)
            return ended.returncode or 1
        if output is not None:
            text = escape_controls(output.decode(errors="replace").rstrip("\n"))
            console.print(f"its output: {text}", markup=False, highlight=False, soft_wrap=True)
        if output is not None and len(output) > MAX_ARTIFACT_BYTES:
            console.print(
                f"a job would not keep that output: it has more than {MAX_ARTIFACT_BYTES} bytes", highlight=False
            )
        return ended.returncode


def _read_secrets(named: Iterable[str]) -> dict[str, str]:
    """Return name -> value of the secrets.

    Raises:
        WrongUse: one has no good name, or its file cannot be read.
    """
    values = {}
    for each in named:
        name, _, file = each.partition("=")
        if not SECRET_NAME.fullmatch(name) or not file:
            raise WrongUse(
                f"--secret {each!r} is not NAME=FILE, with a name that matches {SECRET_NAME.pattern}",
                "name a file with the value, as --secret db-password=password.txt",
            )
        try:
            values[name] = Path(file).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise WrongUse(f"--secret {name}: {file} cannot be read: {error}", "name a file of text") from error
    return values
