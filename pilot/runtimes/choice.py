"""Look at this worker, and choose how its task containers run. Fetch or build the image if needed and allowed."""

import asyncio
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pilot.containers.allowed_paths import PathFacts, WorkerPlaces, check_image
from pilot.containers.command import Command, Runtime
from pilot.containers.held_paths import Pin, look_at
from pilot.containers.processes import TaskProcesses
from pilot.containers.run_files import read_tail
from pilot.errors import ImageUnusable
from pilot.failures.error_text import last_words
from pilot.runtimes import apptainer, docker
from pilot.runtimes.apptainer import RUNSCRIPT, Apptainer
from pilot.runtimes.bare import DEFAULT_PATH, Bare
from pilot.runtimes.bubblewrap import Bubblewrap, Entry
from pilot.runtimes.docker import Docker
from pilot.settings import PilotSettings
from schemas.pilot.options import Platform

log = logging.getLogger(__name__)

#: The most characters of a run script that the pilot reads.
_MAX_RUNSCRIPT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Image:
    """An image's name, and the file or directory with that name on this worker; `path` is empty if there is none."""

    name: str
    path: str = ""
    is_directory: bool = False
    runscript: str | None = None
    entries: tuple[Entry, ...] = ()
    looked: PathFacts | None = None
    pin: Pin | None = None


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    """A runtime for an image, and pins on the files that must not be exchanged while the runtime is in use."""

    runtime: Runtime
    pins: tuple[Pin, ...] = ()


def look_up_image(name: str) -> Image:
    """Look for the image `name` on this worker. A slow file system may delay this: call it in a thread."""
    seen = look_at(str(Path(name).absolute()), inside=True) if name else None
    if seen is None:
        return Image(name)
    looked, pin = seen
    if not looked.is_directory:
        return Image(name, looked.real, looked=looked, pin=pin)
    root = Path(looked.real)
    entries = tuple(Entry(name, _read_link(root / name)) for name in sorted(looked.names))
    return Image(
        name,
        looked.real,
        is_directory=True,
        runscript=_read_head(root / RUNSCRIPT.lstrip("/")),
        entries=entries,
        looked=looked,
        pin=pin,
    )


def _read_link(path: Path) -> str:
    return str(path.readlink()) if path.is_symlink() else ""


def _read_head(script: Path) -> str | None:
    """Return the beginning of a run script. Return None if the image has no readable run script."""
    try:
        with script.open(errors="replace") as file:
            return file.read(_MAX_RUNSCRIPT) if script.is_file() else None
    except OSError:
        return None


def choose_platform(settings: PilotSettings, image: Image) -> Platform:
    """Return the platform: the configured one; else apptainer for an image on this worker; else docker. (core)

    If the settings name an apptainer program, apptainer also runs images that are not on this worker.
    """
    return settings.platform or (Platform.APPTAINER if image.path or settings.apptainer else Platform.DOCKER)


async def choose_runtime(
    settings: PilotSettings,
    image_name: str,
    children: TaskProcesses,
    environment: Mapping[str, str],
    *,
    places: WorkerPlaces,
) -> RuntimeChoice:
    """Choose the runtime for the image, and fetch or build the image if needed. `environment` is the pilot's own.

    Raises:
        ImageUnusable: the image or the program that runs it is missing or not allowed. The text has the remedy.
    """
    image = await asyncio.to_thread(look_up_image, image_name)
    platform = choose_platform(settings, image)
    if image.looked and platform in (Platform.APPTAINER, Platform.BUBBLEWRAP):
        check_image(image_name, image.looked, places)
    match platform:
        case Platform.NONE:
            return RuntimeChoice(Bare({"PATH": DEFAULT_PATH}))
        case Platform.BUBBLEWRAP:
            binary = _find_binary("bwrap", "", environment, "install bubblewrap")
            if not image.is_directory:
                raise ImageUnusable(
                    f"the image {image.name!r} is not a folder of this worker; bubblewrap runs only folders"
                )
            runtime = Bubblewrap(binary, image.path, image.entries, _outer_environment(binary, environment, ("HOME",)))
            return RuntimeChoice(runtime, _pins_of(image))
        case Platform.APPTAINER:
            remedy = "set EWMS_PILOT_APPTAINER to the program, or add its directory to PATH"
            binary = _find_binary("apptainer", settings.apptainer, environment, remedy)
            outer = _outer_environment(binary, environment, apptainer.KEPT)
            if not image.is_directory and not image.path.endswith(".sif"):
                image = await _build_sandbox(settings, image, children, binary, outer)
            script = image.runscript
            if not image.is_directory:
                # A program of the image reads the script, confined like the task. `inspect` cannot be confined.
                reader = Apptainer(binary, image.path, outer).build_command(("cat", RUNSCRIPT), {}, (), "")
                said = await _run_command(children, reader.argv, reader.environment)
                script = said.stdout if said.code == 0 else None
            as_run = apptainer.has_entry_point(script)
            made = Apptainer(binary, image.path, outer, as_run=as_run, debug=settings.container_debug)
            return RuntimeChoice(made, _pins_of(image))
        case Platform.DOCKER | Platform.PODMAN as engine:
            if not docker.is_reference(image.name):
                raise ImageUnusable(
                    f"the image {image.name!r} is not the name of an image at a registry, which {engine.value} needs; "
                    "write it like registry.example.org/group/image:tag"
                )
            binary = _find_binary(engine.value, "", environment, f"install {engine.value}")
            outer = _outer_environment(binary, environment, docker.KEPT)
            if (await _run_command(children, docker.inspect_argv(binary, image.name), outer)).code != 0:
                log.info("pulling image %s", image.name)
                said = await _run_command(children, docker.pull_argv(binary, image.name), outer)
                if said.code != 0:
                    why = f"is not on this worker and cannot be pulled: {said.last_words}"
                    raise ImageUnusable(f"the image {image.name!r} {why}")
            return RuntimeChoice(Docker(binary, image.name, outer, settings.docker_shm_size))


def _pins_of(image: Image) -> tuple[Pin, ...]:
    return (image.pin,) if image.pin else ()


async def _build_sandbox(
    settings: PilotSettings, image: Image, children: TaskProcesses, binary: str, outer: Mapping[str, str]
) -> Image:
    """Return a sandbox directory of `image`. Build it if no earlier pilot of this user has built it.

    Raises:
        ImageUnusable: the settings or the image allow no build, or the build fails.
    """
    if settings.apptainer_directory_only:
        raise ImageUnusable(
            f"the image {image.name!r} is neither a sandbox directory nor a .sif file of this worker; name the path of "
            "one, or set _EWMS_PILOT_APPTAINER_IMAGE_DIRECTORY_MUST_BE_PRESENT=False to have it built"
        )
    if not image.path and not apptainer.is_address(image.name):
        raise ImageUnusable(
            f"the image {image.name!r} is neither an image file nor an address, so no sandbox can be built; "
            "name an image file of this worker, or an image at a registry, like docker://registry.example.org/group/image:tag"
        )
    digest = hashlib.sha256((image.path or image.name).encode()).hexdigest()[:16]
    sandbox = f"{settings.apptainer_build_dir}/ewms-sandbox-{os.geteuid()}-{digest}"
    if not await asyncio.to_thread(_is_own_directory, sandbox):
        # Build the sandbox beside its path, then rename it: other pilots of this worker never see it incomplete.
        partial = f"{sandbox}.{os.getpid()}"
        try:
            said = await _run_command(children, apptainer.build_argv(binary, image.path or image.name, partial), outer)
            if said.code != 0 or not await asyncio.to_thread(_move_into_place, partial, sandbox):
                why = f"apptainer cannot build a sandbox from the image {image.name!r}: {said.last_words}"
                raise ImageUnusable(why)
        finally:
            # Remove the partial sandbox now: its name has this process's number, so no later pilot would find it.
            shutil.rmtree(partial, ignore_errors=True)
    return await asyncio.to_thread(look_up_image, sandbox)


def _is_own_directory(path: str) -> bool:
    """Return whether `path` is a directory that this account owns. Other accounts may write into its parent."""
    try:
        return Path(path).is_dir() and Path(path).lstat().st_uid == os.geteuid()
    except OSError:
        return False


def _move_into_place(partial: str, sandbox: str) -> bool:
    with suppress(OSError):  # another pilot was faster
        Path(partial).rename(sandbox)
    return _is_own_directory(sandbox)


def _find_binary(name: str, given: str, environment: Mapping[str, str], remedy: str) -> str:
    """Return the path of the program that runs containers: `given` from the settings, or `name` found in PATH.

    Raises:
        ImageUnusable: the program is not on this worker. The text has the `remedy`.
    """
    path = given or shutil.which(name, path=environment.get("PATH") or DEFAULT_PATH)
    if not path or not os.access(path, os.X_OK):
        raise ImageUnusable(f"the program {given or name!r} that runs the task's image is not on this worker; {remedy}")
    return str(Path(path).absolute())


def _outer_environment(binary: str, environment: Mapping[str, str], kept: Sequence[str]) -> dict[str, str]:
    """Return the environment for the program that runs containers: PATH, and the pilot's variables named in `kept`."""
    path = f"{Path(binary).parent}:{DEFAULT_PATH}"
    return {"PATH": path, **{name: environment[name] for name in kept if name in environment}}


@dataclass(frozen=True, slots=True)
class _CommandResult:
    """The result of a command of the container program."""

    code: int
    stdout: str
    last_words: str


async def _run_command(children: TaskProcesses, argv: Sequence[str], environment: Mapping[str, str]) -> _CommandResult:
    """Run a command of the container program, and wait until it has ended.

    Raises:
        ImageUnusable: the command cannot be started.
    """
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def note_exit(code: int) -> None:
        # If the caller no longer waits, the future is cancelled; the command still ends and calls this.
        if not ended.done():
            ended.set_result(code)

    with tempfile.TemporaryDirectory(prefix="ewms-pilot-") as directory:
        stdout, stderr = f"{directory}/stdout", f"{directory}/stderr"
        try:
            command = Command(tuple(argv), environment)
            child = children.spawn_to_files(command, stdout=stdout, stderr=stderr, on_end=note_exit)
        except OSError as error:
            raise ImageUnusable(f"{argv[0]!r} cannot be started: {error.strerror or error}") from error
        try:
            code = await ended
        except asyncio.CancelledError:
            children.kill_child(child)
            raise
        return _CommandResult(code, read_tail(stdout), last_words(read_tail(stderr))[0])
