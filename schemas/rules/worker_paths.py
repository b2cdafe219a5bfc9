"""What a task may name of a worker, as far as the name alone tells: images and directories. (core)

The gateway checks names before it takes a request, and TMS before it submits: so users hear of a bad name at once.
Only the worker knows what a name leads to: there the pilot follows links and checks again
(`pilot/containers/allowed_paths.py`).
"""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

#: What a worker keeps for itself: processes, devices, sockets, the kernel.
HOSTS_OWN = ("/proc", "/dev", "/sys", "/run", "/boot")

#: Where pilots keep the files of their runs; tasks write below it.
PILOT_DATA = "ewms-pilot-data"

EXTERNAL_DIRECTORIES = "EWMS_PILOT_EXTERNAL_DIRECTORIES"

#: What a container runtime would read as part of its own `source:target,option` syntax, or a terminal as a command.
_UNWRITABLE = re.compile(r"[:,\"\x00-\x1f\x7f]")


def path_problem(path: str) -> str:
    """Return the rule that `path` breaks as part of a container runtime's arguments, and the remedy; empty: none."""
    if not path.startswith("/") or ".." in PurePosixPath(path).parts:
        return "is not an absolute path; write it from / on, without '..'"
    if _UNWRITABLE.search(path):
        return "has a ':', a ',', a quotation mark or a control character; use another directory name"
    return ""


def directory_problem(path: str) -> str:
    """Return the rule that `path` breaks as a directory which a container is to see, and the remedy; empty: none."""
    return path_problem(path) or _hosts_own(PurePosixPath(path))


#: `$` starts an expansion in a submit description; the rest separates or quotes the names in a list.
_NOT_IN_INPUT_FILES = re.compile(r"[$\"',;\\\x00-\x1f\x7f]")


def input_file_problem(path: str) -> str:
    """Return the rule that `path` breaks as a file which travels with each job, and the remedy; empty: none."""
    if path.startswith("/") and path == path.strip() and not _NOT_IN_INPUT_FILES.search(path):
        return ""
    return "a path must be absolute, without control characters or any of $ \" ' , ; \\; rename the file"


def image_problem(name: str) -> str:
    """Return the rule that an image's `name` breaks, and the remedy; empty: none that the name alone shows."""
    if name.startswith("-"):
        return "begins with '-', which would be read as an option; give the image's name or path"
    if any(ord(char) < 32 or ord(char) == 127 for char in name):
        return "has a control character; remove it"
    pure = PurePosixPath(name)
    if ".." in pure.parts:
        return "has '..' in its path; write the path without it"
    if not name.startswith("/"):
        return ""
    if PILOT_DATA in pure.parts:
        return f"lies in {PILOT_DATA}, where tasks can write; name an image that no task can change"
    return _hosts_own(pure)


def split_directories(value: str | int | Iterable[str]) -> list[str]:
    """Return the directories that a variable names: a list of them, or one text in which `,` joins them."""
    parts = str(value).split(",") if isinstance(value, str | int) else [w for v in value for w in v.split(",")]
    return [part.strip() for part in parts if part.strip()]


def is_within(path: str, places: Iterable[str]) -> bool:
    """Return whether `path` is one of `places` or lies below one."""
    pure = PurePosixPath(path)
    return any(pure.is_relative_to(place) for place in places)


def _hosts_own(pure: PurePosixPath) -> str:
    # `//` is a root of its own to POSIX, and to Linux the same.
    if str(pure).strip("/") == "":
        return "is /, the worker's own file system; name a directory below it"
    if is_within("/" + str(pure).lstrip("/"), HOSTS_OWN):
        return f"lies in one of {', '.join(HOSTS_OWN)}, which a worker keeps for itself; leave it out"
    return ""
