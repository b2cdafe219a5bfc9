"""Decide whether a task may use a path of the worker as its image or as an external directory. (core)

    image      an image file, or a directory that looks like the root file system of an image
    directory  below a root that the operator has opened (`EWMS_PILOT_EXTERNAL_ROOTS`); by default there is no such root

An image or a directory may not be, contain, or lie in a directory of EWMS itself: a pilot's directory holds its token,
and TMS's directory holds the tokens of all pilots. The rules apply to the real path, after all links. The shell
(`held_paths.py`) follows links and looks into directories; this module decides.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from pilot.containers.mounts import Mount, check_mount
from pilot.errors import ImageUnusable, MountRefused
from schemas.rules.worker_paths import PILOT_DATA, directory_problem, image_problem, is_within

#: The worker's system directories. Images may lie there only if EWMS_IMAGE_ROOTS names such a directory.
SYSTEM = (
    *("/bin", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/usr"),
    *("/var/cache", "/var/log", "/var/spool"),
)

#: A root file system has all directories of `_ROOT_HAS`, and one of `_PROGRAMS`.
_ROOT_HAS = ("etc", "proc", "dev")
_PROGRAMS = ("bin", "usr")
#: Each root file system that apptainer builds has this entry.
_APPTAINERS = ".singularity.d"


@dataclass(frozen=True, slots=True)
class WorkerPlaces:
    """The directories of this worker for which special rules hold. All paths are real paths, after all links."""

    #: The pilot's own directory. It holds the pilot's token.
    own: str
    #: The directory that contains the directories of all jobs of the worker; empty if unknown.
    shared: str = ""
    protected: tuple[str, ...] = ()
    external_roots: tuple[str, ...] = ()
    #: Images must lie in one of these roots. If there are no roots, images may lie anywhere but in `SYSTEM`.
    image_roots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PathFacts:
    """Facts about a path of the worker: its real path, its kind, and for a directory the names of its entries."""

    real: str
    is_directory: bool
    #: Whether the path leads to the worker's own root directory `/`.
    is_root: bool = False
    names: frozenset[str] = frozenset()
    #: Whether the path leads to a file that begins like an image that apptainer can mount.
    is_image_file: bool = False


def external_mounts(
    directories: Iterable[str], looked: Mapping[str, PathFacts], places: WorkerPlaces
) -> tuple[Mount, ...]:
    """Return the read-only mounts of the external `directories`, each mounted in the container at the same path.

    `looked` maps each existing path to the facts about it.

    Raises:
        MountRefused: a task may not use a directory; the text names the directory, the rule and the remedy.
    """
    mounts = []
    for path in directories:
        if problem := directory_problem(path):
            raise MountRefused(_refusal_text("the external directory", path, problem))
        found = looked.get(path)
        if found is None or not found.is_directory:
            problem = "is not a directory of this worker; check the path, or leave it out"
            raise MountRefused(_refusal_text("the external directory", path, problem))
        if problem := _external_problem(path, found, places):
            raise MountRefused(_refusal_text("the external directory", path, problem))
        mount = Mount(found.real, str(PurePosixPath(path)), read_only=True)
        check_mount(mount)
        check_mount(Mount(mount.target, mount.target, read_only=True))
        mounts.append(mount)
    return tuple(mounts)


def check_image(name: str, looked: PathFacts, places: WorkerPlaces) -> None:
    """Raise ImageUnusable if no task may use the image `name`. The text names the image, the rule and the remedy."""
    if problem := image_problem(name) or _image_problem(looked, places):
        raise ImageUnusable(_refusal_text("the image", name, problem))


def _external_problem(path: str, looked: PathFacts, places: WorkerPlaces) -> str:
    if not places.external_roots:
        return (
            "is not open to tasks: this site opens no directory; unset EWMS_PILOT_EXTERNAL_DIRECTORIES, or ask the "
            "operator to name a root in EWMS_EXTERNAL_ROOTS"
        )
    roots = ", ".join(places.external_roots)
    if not is_within(looked.real, places.external_roots):
        led = f" because it leads to {looked.real}" if looked.real != str(PurePosixPath(path)) else ""
        return f"is not open to tasks{led}; choose a directory in {roots} (EWMS_EXTERNAL_ROOTS)"
    return _reserved_problem(looked, places) or (
        "is where the worker's jobs have their files; leave it out" if is_within(looked.real, (places.own,)) else ""
    )


def _image_problem(looked: PathFacts, places: WorkerPlaces) -> str:
    if problem := _reserved_problem(looked, places):
        return problem
    if places.image_roots:
        if not is_within(looked.real, places.image_roots):
            return f"lies outside of {', '.join(places.image_roots)} (EWMS_IMAGE_ROOTS); move it there"
    elif is_within(looked.real, SYSTEM):
        return (
            "lies in a directory of the worker's system; put the image elsewhere, or ask the operator to name it in "
            "EWMS_IMAGE_ROOTS"
        )
    if looked.is_directory and not looks_like_an_image(looked.names):
        return (
            "does not look like a root file system: it needs the directories "
            f"{', '.join(_ROOT_HAS)} and {' or '.join(_PROGRAMS)}; build it with apptainer, or make these"
        )
    if not looked.is_directory and not looked.is_image_file:
        return "is not an image file (SIF or squashfs); build one with apptainer"
    return ""


def looks_like_an_image(names: Iterable[str]) -> bool:
    """Return whether a directory with `names` at its top looks like the root file system of a container."""
    there = set(names)
    return _APPTAINERS in there or (there.issuperset(_ROOT_HAS) and not there.isdisjoint(_PROGRAMS))


def _reserved_problem(looked: PathFacts, places: WorkerPlaces) -> str:
    """Return why no task may see this path, even if the operator opens the path. Return "" if tasks may see it."""
    real = looked.real
    if looked.is_root:
        return "is the worker's own file system; name a directory that was made for tasks"
    if problem := directory_problem("/" + real.lstrip("/")) if looked.is_directory else image_problem(real):
        return f"leads to {real!r}, which {problem}"
    if PILOT_DATA in PurePosixPath(real).parts:
        return f"lies in {PILOT_DATA}, where tasks can write; name a path that no task can change"
    if is_within(places.own, (real,)):
        return "holds the pilot's own files; name a directory further down"
    if is_within(real, (places.own,)):
        # It came with the job, as an input file does.
        return ""
    for place in places.protected:
        if is_within(real, (place,)) or is_within(place, (real,)):
            return "is, holds or lies in a directory of EWMS itself; name another"
    if places.shared and is_within(places.shared, (real,)):
        return "holds the files of the worker's jobs; name a directory further down"
    if places.shared and is_within(real, (places.shared,)):
        return "is where the worker's jobs have their files; leave it out"
    return ""


def _refusal_text(what: str, path: str, problem: str) -> str:
    return f"{what} {path[:200]!r} {problem}"
