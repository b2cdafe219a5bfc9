"""All variables whose names begin with `EWMS_PILOT_`: who sets each one, and its value. (core)

`pilot.settings` reads them all. `find_variable_problems` uses the same readers to check a user's variables before any
pilot starts.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum

from schemas.pilot.job_names import CHIRP_FD
from schemas.pilot.pilot_wire import QUEUE_VARIABLES, PilotJob, PilotProgram, list_variables
from schemas.pilot.variables import PREFIX, Variables, full_name
from schemas.rules.limits import MAX_EXTENSION_BYTES
from schemas.rules.spelling import find_nearest


class Platform(StrEnum):
    """The runtime of the task's container; `NONE`: the task is a bare process on the worker."""

    APPTAINER = "apptainer"
    DOCKER = "docker"
    PODMAN = "podman"
    BUBBLEWRAP = "bubblewrap"
    NONE = "none"


class TaskMode(StrEnum):
    """How containers take events: one container for each event, or (`STREAM`) for each slot, with an event a line."""

    EVENT = "event"
    STREAM = "stream"


class ChirpDest(StrEnum):
    """The places where HTCondor writes chirps."""

    JOB_EVENT_LOG = "JOB_EVENT_LOG"
    JOB_ATTR = "JOB_ATTR"


PLATFORM = "_EWMS_PILOT_CONTAINER_PLATFORM"

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_EXTENSION = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_SIZE = re.compile(r"[0-9]{1,15}[bkmgBKMG]?")

_Reader = Callable[[Variables, str], object]


def read_extension(v: Variables, name: str, default: str = "") -> str:
    """Return a file extension in lower case without its leading dot."""
    extension = v.read_string(name, default).lower().removeprefix(".")
    if len(extension) > MAX_EXTENSION_BYTES:
        v.note_problem(name, f"must have at most {MAX_EXTENSION_BYTES} characters", "write it like .json")
    elif extension and not _EXTENSION.fullmatch(extension):
        v.note_problem(name, "must be an extension of letters, digits, '_' and '-'", "write it like .json")
    return extension


def read_level(v: Variables, name: str, default: str = "INFO") -> str:
    """Return the name of a log level in capitals."""
    level = v.read_string(name, default).upper()
    if level not in LOG_LEVELS:
        v.note_problem(name, f"must be one of {', '.join(LOG_LEVELS)}", "choose one, or unset it")
    return level


def read_shm_size(v: Variables, name: str = "_EWMS_PILOT_DOCKER_SHM_SIZE") -> str:
    """Return a size in docker's form, or an empty text."""
    size = v.read_string(name)
    if size and not _SIZE.fullmatch(size):
        v.note_problem(name, "must be a size in docker's form", "write it like 512m or 2g")
        return ""
    return size


def _read_flag(v: Variables, name: str) -> object:
    return v.read_flag(name, default=False)


def _read_seconds(v: Variables, name: str) -> object:
    return v.read_seconds(name, 0)


def _read_text(v: Variables, name: str) -> object:
    return v.read_string(name)


#: The variables that users may set -> how the pilot reads them.
OF_USERS: Mapping[str, _Reader] = {
    "CL_LOG": read_level,
    "CL_LOG_THIRD_PARTY": read_level,
    "CONTAINER_DEBUG": _read_flag,
    "DRAIN_GRACE": _read_seconds,
    "DUMP_TASK_OUTPUT": _read_flag,
    "EXTERNAL_DIRECTORIES": _read_text,
    "HTCHIRP": _read_flag,
    "HTCHIRP_DEST": lambda v, name: v.read_choice(name, ChirpDest, None),
    "HTCHIRP_RATELIMIT_INTERVAL": _read_seconds,
    "INFILE_EXT": read_extension,
    "INIT_TIMEOUT": Variables.read_limit_s,
    "KEEP_ALL_TASK_FILES": _read_flag,
    "MAX_CONCURRENT_TASKS": Variables.read_integer,
    "MAX_FAILURES_IN_A_ROW": Variables.read_integer,
    "OKAY_ERRORS": _read_text,
    "OUTFILE_EXT": read_extension,
    "PREFETCH": Variables.read_integer,
    "QUARANTINE_TIME": _read_seconds,
    "RECONNECT_TIMEOUT": _read_seconds,
    "STOP_LISTENING_ON_TASK_ERROR": _read_flag,
    "SUBPROC_TIMEOUT": Variables.read_limit_s,
    "TASK_MODE": lambda v, name: v.read_choice(name, TaskMode, None),
    "TASK_START_TIMEOUT": _read_seconds,
    "TASK_TIMEOUT": Variables.read_limit_s,
    "TIMEOUT_QUEUE_INCOMING": _read_seconds,
    "TIMEOUT_QUEUE_WAIT_FOR_FIRST_MESSAGE": _read_seconds,
    "_EWMS_PILOT_APPTAINER_IMAGE_DIRECTORY_MUST_BE_PRESENT": _read_flag,
    PLATFORM: lambda v, name: v.read_choice(name, Platform, None),
    "_EWMS_PILOT_DOCKER_SHM_SIZE": read_shm_size,
}

#: The variables that only an operator sets: programs that run outside of the container with the pilot's rights, the
#: directories that the pilot writes to, and the parts of the worker that a task may see.
OF_OPERATORS = (
    "APPTAINER",
    "DATA_DIR_PARENT_PATH_ON_HOST",
    "EXTERNAL_ROOTS",
    CHIRP_FD,
    "IMAGE_ROOTS",
    "PROTECTED_DIRECTORIES",
    "_EWMS_PILOT_APPTAINER_BUILD_WORKDIR",
)

#: The variables that have their own field in the task. A request must not set them a second time.
OF_FIELDS = tuple(variable.name for variable in list_variables(PilotProgram).values())

#: The variables that EWMS sets for each pilot. It overrides a request's values.
OF_EWMS = (*QUEUE_VARIABLES, *(variable.name for variable in list_variables(PilotJob).values()))

#: Messages guess the meaning of this many unknown names: each guess takes time, and a request may have any number.
_MAX_GUESSES = 20

#: All known names, in full.
KNOWN = frozenset(full_name(name) for name in (*OF_USERS, *OF_OPERATORS, *OF_FIELDS, *OF_EWMS))

_BY_FULL_NAME = {full_name(name): (name, read) for name, read in OF_USERS.items()}
_OPERATORS = frozenset(map(full_name, OF_OPERATORS))
_EWMS = frozenset(map(full_name, OF_EWMS))
_FIELDS = frozenset(map(full_name, OF_FIELDS))


def find_variable_problems(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the faults of the variables that a user sets for the pilot: name -> rule and remedy."""
    found: dict[str, str] = {}
    n_unknown = 0
    v = Variables(environment)
    for name in sorted(environment):
        n_before = len(v.problems)
        if name in _BY_FULL_NAME:
            short, read = _BY_FULL_NAME[name]
            read(v, short)
            if len(v.problems) > n_before:
                found[name] = v.problems[-1].removeprefix(name).strip()
        elif name in _OPERATORS:
            found[name] = "is a variable that only the operator sets; leave it out: the pool has its own value"
        elif name in _EWMS:
            found[name] = "is a variable that EWMS sets, so it has no effect here; leave it out"
        elif name.startswith((PREFIX, f"_{PREFIX}")) and name not in _FIELDS:
            n_unknown += 1
            meant = find_nearest(name, _BY_FULL_NAME) if n_unknown <= _MAX_GUESSES else ""
            found[name] = "is a variable that no pilot reads; " + (
                f"did you mean {meant}?" if meant else "leave it out"
            )
    return found


def waits_in_vain(environment: Mapping[str, str]) -> bool:
    """Return whether the variables set a quarantine after errors, but also tell the pilot not to stop at errors."""
    v = Variables(environment)
    return bool(v.read_seconds("QUARANTINE_TIME", 0)) and not v.read_flag("STOP_LISTENING_ON_TASK_ERROR", default=True)


def asked_platform(image: str, environment: Mapping[str, object]) -> str:
    """Return the platform that a task requests, in lower case; empty: any. An image named `none` requests `none`."""
    asked = str(environment.get(PLATFORM, "")).strip().lower()
    return Platform.NONE.value if not asked and image.strip().lower() == Platform.NONE else asked
