"""Decide which paths of the worker a task may use: its image, and the external directories that it names. (core)

    image      an image file, or a directory that looks like a root file system made to be one
    directory  below a root that the operator has opened (`EWMS_PILOT_EXTERNAL_ROOTS`); by default there is none

Neither may be, contain, or lie in a directory of EWMS itself: a pilot's directory holds its token, TMS's holds the
tokens of all. The rules apply to the real path, after all links. The shell (`held_paths.py`) follows links and looks
into directories; this module decides.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from pilot.containers.mounts import Mount, check_mount
from pilot.errors import ImageUnusable, MountRefused
from schemas.rules.worker_paths import PILOT_DATA, directory_problem, image_problem, is_within

#: The worker's system directories. Images may lie there only if the operator names such a root.
SYSTEM = (
    *("/bin", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/usr"),
    *("/var/cache", "/var/log", "/var/spool"),
)

#: A root file system has all of the first, and one of the second, which hold the programs.
_ROOT_HAS = ("etc", "proc", "dev")
_PROGRAMS = ("bin", "usr")
#: Apptainer marks its root file systems by this entry.
_APPTAINERS = ".singularity.d"


@dataclass(frozen=True, slots=True)
class WorkerPlaces:
    """Which directories of this worker belong to whom. All paths are real paths: the kernel has followed the links."""

    #: The pilot's own directory. It holds the pilot's token.
    own: str
    #: The directory that contains the directories of all jobs of the worker; empty: unknown.
    shared: str = ""
    protected: tuple[str, ...] = ()
    external_roots: tuple[str, ...] = ()
    #: Where images must lie; none: anywhere but in the worker's system.
    image_roots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PathFacts:
    """What was found at a path of the worker: its real path, and the names at the top of a directory."""

    real: str
    is_directory: bool
    #: Whether it is the worker's own root directory `/`, under any name.
    is_root: bool = False
    names: frozenset[str] = frozenset()
    #: Whether it is a file whose first bytes are those of an image that apptainer mounts.
    is_image_file: bool = False


def external_mounts(
    directories: Iterable[str], looked: Mapping[str, PathFacts], places: WorkerPlaces
) -> tuple[Mount, ...]:
    """Return the read-only mounts of `EWMS_PILOT_EXTERNAL_DIRECTORIES`, each at its own path.

    `looked` maps each existing path to what was found there.

    Raises: MountRefused, naming the directory, the rule and the remedy.
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
    """Raise ImageUnusable if no task may run in the image `name`. The error names the image, the rule, the remedy."""
    if problem := image_problem(name) or _image_problem(looked, places):
        raise ImageUnusable(_refusal_text("the image", name, problem))


def _external_problem(path: str, looked: PathFacts, places: WorkerPlaces) -> str:
    if not places.external_roots:
        return (
            "is not open to tasks: this site opens none; leave EWMS_PILOT_EXTERNAL_DIRECTORIES out, or ask the "
            "operator to name a root in EWMS_EXTERNAL_ROOTS"
        )
    roots = ", ".join(places.external_roots)
    if not is_within(looked.real, places.external_roots):
        led = f", for it leads to {looked.real}" if looked.real != str(PurePosixPath(path)) else ""
        return f"is not open to tasks{led}; open is what lies in {roots} (EWMS_EXTERNAL_ROOTS)"
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
        return "lies in a directory of the worker's system; put the image elsewhere, or have EWMS_IMAGE_ROOTS name it"
    if looked.is_directory and not looks_like_an_image(looked.names):
        return (
            "does not look like a root file system: it needs the directories "
            f"{', '.join(_ROOT_HAS)} and {' or '.join(_PROGRAMS)}; build it with apptainer, or make these"
        )
    if not looked.is_directory and not looked.is_image_file:
        return "is no image file (SIF or squashfs); build one with apptainer"
    return ""


def looks_like_an_image(names: Iterable[str]) -> bool:
    """Return whether a directory with `names` at its top was made to be the root of a container."""
    there = set(names)
    return _APPTAINERS in there or (there.issuperset(_ROOT_HAS) and not there.isdisjoint(_PROGRAMS))


def _reserved_problem(looked: PathFacts, places: WorkerPlaces) -> str:
    """Return why no task may ever see this path, even if the operator opens it; empty if there is no such reason."""
    real = looked.real
    if looked.is_root:
        return "is the worker's own file system; name a directory that was made for tasks"
    if problem := directory_problem("/" + real.lstrip("/")) if looked.is_directory else image_problem(real):
        return f"leads to {real!r}, which {problem}"
    if PILOT_DATA in PurePosixPath(real).parts:
        return f"lies in {PILOT_DATA}, where tasks can write; name what no task can change"
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
