"""`ewms image build`: make a task's image with the cached apptainer.

a definition file, *.def                     apptainer builds it
a directory with a root file system          becomes an image unchanged
any other directory                          goes into an image with Python, at /opt/task
"""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from deploy.local.errors import LaunchError, WrongUse
from deploy.local.fetch import packages
from deploy.local.fetch.cache import Installed
from deploy.local.fetch.images import UnpackedApptainer
from deploy.local.system.up import prepare_servers

#: The path of a directory of programs in its image.
IN_IMAGE = "opt/task"

_TOO_LITTLE = "the source is a directory, or an apptainer definition file whose name ends in .def"


def is_root(directory: Path) -> bool:
    """Return whether `directory` looks like a root file system. Apptainer adds `proc` and `dev`, which pilots need."""
    names = {entry.name for entry in directory.iterdir()}
    return ".singularity.d" in names or ("etc" in names and bool({"bin", "usr"} & names))


def check_build(source: Path, destination: Path) -> None:
    """Check that an image can be built from `source` at `destination`.

    Raises:
        WrongUse: `source` is missing or of another kind, or `destination` exists or lies inside of `source`.
    """
    if not source.exists():
        raise WrongUse(f"{source} does not exist", _TOO_LITTLE)
    if not source.is_dir() and source.suffix != ".def":
        raise WrongUse(f"{source} is neither a directory nor a definition file", _TOO_LITTLE)
    if destination.exists():
        raise WrongUse(f"{destination} exists already", "remove it, or choose another name")
    if source.is_dir() and source.resolve() in destination.resolve().parents:
        raise WrongUse(f"{destination} lies inside {source}", "choose a place outside of it")


def build_image(source: Path, destination: Path, console: Console, environment: Mapping[str, str]) -> Path:
    """Build the image `destination` from `source`, and return its absolute path.

    If the name of `destination` ends in `.sif`, the image is one file, else a directory.

    Raises:
        WrongUse: the arguments are wrong.
        LaunchError: the build failed; the message quotes apptainer.
    """
    check_build(source, destination)
    has_root = source.is_dir() and is_root(source)
    needs_python = source.is_dir() and not has_root
    wanted = (packages.CONTAINERS, packages.PYTHON_IMAGE) if needs_python else (packages.CONTAINERS,)
    installed = prepare_servers(console, environment, wanted)
    destination = destination.absolute()
    if needs_python:
        return _build_with_python(installed, source, destination)
    return UnpackedApptainer(installed.containers).build_with_files(source.absolute(), destination)


def _build_with_python(installed: Installed, source: Path, destination: Path) -> Path:
    root = destination.with_name(f"{destination.name}.{os.getpid()}.root")
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(installed.python_image, root, symlinks=True)
        shutil.copytree(source, root / IN_IMAGE, symlinks=True)
        return UnpackedApptainer(installed.containers).build_with_files(root, destination)
    except OSError as error:
        raise LaunchError(
            f"cannot build {destination}: {error.filename or destination}: {error.strerror}",
            "check the free space there, and that you can write there",
        ) from error
    finally:
        shutil.rmtree(root, ignore_errors=True)


def say_how_to_use(image: Path, source: Path) -> None:
    """Write to stderr the task fields that run the image."""
    if source.is_dir() and not is_root(source):
        scripts = sorted(source.glob("*.py"))
        name = scripts[0].name if scripts else "PROGRAM"
        sys.stderr.write(f'in a task: image="{image}", args="python3 /{IN_IMAGE}/{name} ..."\n')
