"""Check the names of images and of a worker's directories that a task asks for. (core)

The gateway checks the names before it accepts a request, so users learn of a bad name at once. TMS checks the names
before it submits. Only the worker knows to which file a name leads: there the pilot follows links and checks again
(`pilot/containers/allowed_paths.py`).
"""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

#: Directories of the worker that no task may see: processes, devices, sockets, the kernel.
HOSTS_OWN = ("/proc", "/dev", "/sys", "/run", "/boot")

#: The directory where pilots keep the files of their runs. Tasks write below it.
PILOT_DATA = "ewms-pilot-data"

EXTERNAL_DIRECTORIES = "EWMS_PILOT_EXTERNAL_DIRECTORIES"

#: Characters that belong to a container runtime's `source:target,option` syntax, or that control a terminal.
_UNWRITABLE = re.compile(r"[:,\"\x00-\x1f\x7f]")


def path_problem(path: str) -> str:
    """Return which rule for arguments of container runtimes the path breaks, and the remedy, as one text. Return "" if
    it breaks none.
    """
    if not path.startswith("/") or ".." in PurePosixPath(path).parts:
        return "is not an absolute path; write it from / on, without '..'"
    if _UNWRITABLE.search(path):
        return "has a ':', a ',', a quotation mark or a control character; use another directory name"
    return ""


def directory_problem(path: str) -> str:
    """Return which rule for directories in a container the path breaks, and the remedy, as one text. Return "" if it
    breaks none.
    """
    return path_problem(path) or _find_system_fault(PurePosixPath(path))


#: `$` starts an expansion in a submit description. The other characters separate or quote the names in a list.
_NOT_IN_INPUT_FILES = re.compile(r"[$\"',;\\\x00-\x1f\x7f]")


def input_file_problem(path: str) -> str:
    """Return which rule for a job's input files the path breaks, and the remedy, as one text. Return "" if it breaks
    none.
    """
    if path.startswith("/") and path == path.strip() and not _NOT_IN_INPUT_FILES.search(path):
        return ""
    return "a path must be absolute, without control characters or any of $ \" ' , ; \\; rename the file"


def image_problem(name: str) -> str:
    """Return which rule for names of images the name breaks, and the remedy, as one text. Return "" if it breaks
    none.
    """
    if name.startswith("-"):
        return "begins with '-' like an option; give the image's name or path"
    if any(ord(char) < 32 or ord(char) == 127 for char in name):
        return "has a control character; remove it"
    pure = PurePosixPath(name)
    if ".." in pure.parts:
        return "has '..' in its path; write the path without it"
    if not name.startswith("/"):
        return ""
    if PILOT_DATA in pure.parts:
        return f"lies in {PILOT_DATA}, where tasks can write; name an image that no task can change"
    return _find_system_fault(pure)


def split_directories(value: str | int | Iterable[str]) -> list[str]:
    """Return the directories in the value of a variable: a list, or a text with commas between directories."""
    parts = str(value).split(",") if isinstance(value, str | int) else [w for v in value for w in v.split(",")]
    return [part.strip() for part in parts if part.strip()]


def is_within(path: str, places: Iterable[str]) -> bool:
    """Return whether `path` is one of `places`, or lies below one of `places`."""
    pure = PurePosixPath(path)
    return any(pure.is_relative_to(place) for place in places)


def _find_system_fault(pure: PurePosixPath) -> str:
    # POSIX allows `//` to be another root, but on Linux it is `/`.
    if str(pure).strip("/") == "":
        return "is /, the worker's own file system; name a directory below it"
    if is_within("/" + str(pure).lstrip("/"), HOSTS_OWN):
        return f"lies in one of {', '.join(HOSTS_OWN)}, which a worker keeps for itself; leave it out"
    return ""
