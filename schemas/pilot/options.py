"""The settings of a pilot: each variable once, with its name, its default, and who may set it. (core)

The pilot's settings inherit these fields, and the check of a request uses the same readers. `pilot_wire` has the
variables that TMS sets.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from schemas.attempts.trace_sampling import DEFAULT_ONE_IN
from schemas.pilot.job_names import CHIRP_FD
from schemas.pilot.variables import Reader, ReadVariable, Variables, describe_field
from schemas.rules.limits import MAX_EXTENSION_BYTES
from schemas.rules.secret_names import MAX_SECRETS, PROGRAM_SECRET, SECRET_NAME


class Platform(StrEnum):
    """What runs the task's container. With `NONE`, the task is a bare process on the worker."""

    APPTAINER = "apptainer"
    DOCKER = "docker"
    PODMAN = "podman"
    BUBBLEWRAP = "bubblewrap"
    NONE = "none"


class TaskMode(StrEnum):
    """One container for each event (`EVENT`), or one for each slot, which gets one event a line (`STREAM`)."""

    EVENT = "event"
    STREAM = "stream"


class ChirpDest(StrEnum):
    """Where HTCondor writes chirps."""

    JOB_EVENT_LOG = "JOB_EVENT_LOG"
    JOB_ATTR = "JOB_ATTR"


PLATFORM = "_EWMS_PILOT_CONTAINER_PLATFORM"

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

#: How much of each stream of a run the pilot publishes if the user sets nothing, and at most: bytes.
DEFAULT_LOG_BYTES = 1024 * 1024
MAX_LOG_BYTES = 64 * 1024 * 1024

_EXTENSION = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_SIZE = re.compile(r"[0-9]{1,15}[bkmgBKMG]?")


@dataclass(frozen=True, slots=True)
class PilotOption(ReadVariable):
    """A variable that a user may set or, if not `by_user`, only an operator."""

    by_user: bool = True


def _describe_user_option(name: str, read: Reader, *, old_name: str = "") -> dict[str, ReadVariable]:
    return describe_field(PilotOption(name, read, old_name))


def _describe_operator_option(name: str, read: Reader) -> dict[str, ReadVariable]:
    return describe_field(PilotOption(name, read, by_user=False))


def _flag_reader(*, default: bool) -> Reader:
    return lambda v, name: v.read_flag(name, default=default)


def _seconds_reader(default: float) -> Reader:
    return lambda v, name: v.read_seconds(name, default)


def _text_reader(default: str = "") -> Reader:
    return lambda v, name: v.read_string(name, default)


def _words_reader(separator: str | None) -> Callable[[Variables, str], tuple[str, ...]]:
    return lambda v, name: v.read_words(name, separator)


def _extension_reader(default: str) -> Reader:
    """Return a reader of file extensions in lower case without their leading dot."""

    def read(v: Variables, name: str) -> str:
        extension = v.read_string(name, default).lower().removeprefix(".")
        if len(extension) > MAX_EXTENSION_BYTES:
            v.note_problem(name, f"must have at most {MAX_EXTENSION_BYTES} characters", "write it like .json")
        elif extension and not _EXTENSION.fullmatch(extension):
            v.note_problem(name, "must be an extension of letters, digits, '_' and '-'", "write it like .json")
        return extension

    return read


def _level_reader(default: str) -> Reader:
    """Return a reader of log levels in capitals."""

    def read(v: Variables, name: str) -> str:
        level = v.read_string(name, default).upper()
        if level not in LOG_LEVELS:
            v.note_problem(name, f"must be one of {', '.join(LOG_LEVELS)}", "choose one, or unset it")
        return level

    return read


def _read_shm_size(v: Variables, name: str) -> str:
    """Read a size in docker's form. Return "" if it is unset or wrong."""
    size = v.read_string(name)
    if size and not _SIZE.fullmatch(size):
        v.note_problem(name, "must be a size in docker's form", "write it like 512m or 2g")
        return ""
    return size


def _read_prefetch(v: Variables, name: str) -> int | None:
    prefetch = v.read_integer(name)
    return None if prefetch is None else max(1, prefetch)


def _read_log_limit(v: Variables, name: str) -> int:
    limit = v.read_integer(name)
    if limit is not None and not 0 < limit <= MAX_LOG_BYTES:
        v.note_problem(name, f"must be a number of bytes from 1 to {MAX_LOG_BYTES}", "write digits only, or unset it")
    return DEFAULT_LOG_BYTES if limit is None else limit


def _read_trace_one_in(v: Variables, name: str) -> int:
    one_in = v.read_integer(name)
    if one_in is not None and one_in < 0:
        v.note_problem(name, "must be 0 or more", "write 0 to trace no event, 1 to trace all, or unset it")
    return DEFAULT_ONE_IN if one_in is None else one_in


def read_secret_names(v: Variables, name: str) -> tuple[str, ...]:
    """Return the names of a task's secrets. A request may join a list by `;`, as it joins all lists."""
    names = tuple(word for part in v.read_words(name, ";") for word in part.replace(",", " ").split())
    if any(not SECRET_NAME.fullmatch(secret) and secret != PROGRAM_SECRET for secret in names):
        v.note_problem(name, f"must be names that match {SECRET_NAME.pattern}", "write it like db-password,api-key")
    elif len(names) > MAX_SECRETS or len(set(names)) < len(names):
        v.note_problem(name, f"must be at most {MAX_SECRETS} different names", "leave some out")
    return names


@dataclass(frozen=True, slots=True)
class Chirp:
    """Whether and how the pilot chirps. `fd` (ours) is an inherited pipe to use instead of HTCondor's chirp."""

    wanted: bool = field(metadata=_describe_user_option("HTCHIRP", _flag_reader(default=False)))
    dest: ChirpDest = field(
        metadata=_describe_user_option(
            "HTCHIRP_DEST", lambda v, name: v.read_choice(name, ChirpDest, ChirpDest.JOB_ATTR)
        )
    )
    interval_s: float = field(metadata=_describe_user_option("HTCHIRP_RATELIMIT_INTERVAL", _seconds_reader(60)))
    fd: int | None = field(metadata=_describe_operator_option(CHIRP_FD, Variables.read_integer))


@dataclass(frozen=True, kw_only=True)
class PilotOptions:
    """The settings of a pilot that users and operators make. A limit of None means no limit."""

    infile_ext: str = field(metadata=_describe_user_option("INFILE_EXT", _extension_reader(".in")))
    outfile_ext: str = field(metadata=_describe_user_option("OUTFILE_EXT", _extension_reader(".out")))
    #: None means that the pilot chooses the prefetch by how long the task takes.
    prefetch: int | None = field(metadata=_describe_user_option("PREFETCH", _read_prefetch))
    #: If unset, the same as `idle_timeout_s`.
    first_timeout_s: float = field(
        metadata=_describe_user_option("TIMEOUT_QUEUE_WAIT_FOR_FIRST_MESSAGE", Variables.read_seconds_if_set)
    )
    idle_timeout_s: float = field(metadata=_describe_user_option("TIMEOUT_QUEUE_INCOMING", _seconds_reader(1)))
    external_directories: tuple[str, ...] = field(
        metadata=_describe_user_option("EXTERNAL_DIRECTORIES", _words_reader(","))
    )
    log_level: str = field(metadata=_describe_user_option("CL_LOG", _level_reader("INFO")))
    log_level_third_party: str = field(metadata=_describe_user_option("CL_LOG_THIRD_PARTY", _level_reader("WARNING")))
    init_timeout_s: float | None = field(metadata=_describe_user_option("INIT_TIMEOUT", Variables.read_limit_s))
    task_timeout_s: float | None = field(
        metadata=_describe_user_option("TASK_TIMEOUT", Variables.read_limit_s, old_name="SUBPROC_TIMEOUT")
    )
    task_mode: TaskMode = field(
        metadata=_describe_user_option("TASK_MODE", lambda v, name: v.read_choice(name, TaskMode, TaskMode.EVENT))
    )
    #: How many seconds more than its timeout a warm container's first event may take, because the container starts.
    task_start_s: float = field(metadata=_describe_user_option("TASK_START_TIMEOUT", _seconds_reader(60)))
    stop_on_error: bool = field(
        metadata=_describe_user_option("STOP_LISTENING_ON_TASK_ERROR", _flag_reader(default=True))
    )
    okay_errors: frozenset[str] = field(
        metadata=_describe_user_option("OKAY_ERRORS", lambda v, name: frozenset(v.read_words(name, None)))
    )
    max_failures_in_a_row: int = field(
        metadata=_describe_user_option("MAX_FAILURES_IN_A_ROW", lambda v, name: max(0, v.read_integer(name) or 0))
    )
    #: The aliases of the output queues for the events' outcomes and for the logs of their runs; empty for none.
    outcomes_to: str = field(metadata=_describe_user_option("OUTCOMES_TO", _text_reader()))
    logs_to: str = field(metadata=_describe_user_option("LOGS_TO", _text_reader()))
    #: The most bytes of each of a run's two streams that the pilot publishes.
    log_limit_bytes: int = field(metadata=_describe_user_option("LOG_LIMIT", _read_log_limit))
    #: The names of the task's secrets. Their values come in a file of their own.
    secrets: tuple[str, ...] = field(metadata=_describe_user_option("SECRETS", read_secret_names))
    #: Append the event's bytes to the task's arguments, as one more argument.
    payload_argument: bool = field(metadata=_describe_user_option("PAYLOAD_ARGUMENT", _flag_reader(default=False)))
    #: After exit status 0, publish the input event to the output queues, and not the outfile.
    forward_events: bool = field(metadata=_describe_user_option("FORWARD_EVENTS", _flag_reader(default=False)))
    #: Do not run an event again that a lost pilot may have run.
    at_most_once: bool = field(metadata=_describe_user_option("AT_MOST_ONCE", _flag_reader(default=False)))
    #: Refuse to work with a variable that this pilot does not know. A newer option may be a promise.
    refuses_unknown: bool = field(metadata=_describe_user_option("REFUSE_UNKNOWN", _flag_reader(default=False)))
    concurrency: int = field(
        metadata=_describe_user_option("MAX_CONCURRENT_TASKS", lambda v, name: max(1, v.read_integer(name) or 1))
    )
    #: Trace the families of about one root event in this many; 0 for none. Failures are always reported.
    trace_one_in: int = field(metadata=_describe_user_option("TRACE_ONE_IN", _read_trace_one_in))
    keep_files: bool = field(metadata=_describe_user_option("KEEP_ALL_TASK_FILES", _flag_reader(default=False)))
    dump_output: bool = field(metadata=_describe_user_option("DUMP_TASK_OUTPUT", _flag_reader(default=False)))
    quarantine_s: float = field(metadata=_describe_user_option("QUARANTINE_TIME", _seconds_reader(0)))
    drain_grace_s: float = field(metadata=_describe_user_option("DRAIN_GRACE", _seconds_reader(20)))
    reconnect_timeout_s: float = field(metadata=_describe_user_option("RECONNECT_TIMEOUT", _seconds_reader(600)))
    #: None means that the pilot chooses the platform by the image.
    platform: Platform | None = field(
        metadata=_describe_user_option(PLATFORM, lambda v, name: v.read_choice(name, Platform, None))
    )
    container_debug: bool = field(metadata=_describe_user_option("CONTAINER_DEBUG", _flag_reader(default=False)))
    apptainer_directory_only: bool = field(
        metadata=_describe_user_option(
            "_EWMS_PILOT_APPTAINER_IMAGE_DIRECTORY_MUST_BE_PRESENT", _flag_reader(default=True)
        )
    )
    docker_shm_size: str = field(metadata=_describe_user_option("_EWMS_PILOT_DOCKER_SHM_SIZE", _read_shm_size))

    # Only operators set these: programs that run outside of the container with the pilot's rights, directories that the
    # pilot writes to, and the parts of the worker that a task may see.

    apptainer: str = field(metadata=_describe_operator_option("APPTAINER", _text_reader()))
    apptainer_build_dir: str = field(
        metadata=_describe_operator_option("_EWMS_PILOT_APPTAINER_BUILD_WORKDIR", _text_reader("/var/tmp"))  # noqa: S108 - the contract's
    )
    #: A relative path starts from the job's directory.
    data_dir_parent: str = field(metadata=_describe_operator_option("DATA_DIR_PARENT_PATH_ON_HOST", _text_reader(".")))
    #: The authority of the site, which the pilot trusts besides the system's; "": none. A path may be relative, too.
    ca_file: str = field(metadata=_describe_operator_option("CA_FILE", _text_reader()))
    #: The operator's rules for this worker: directories below which tasks may see files, directories below which images
    #: must lie, and directories that no task may touch.
    external_roots: tuple[str, ...] = field(metadata=_describe_operator_option("EXTERNAL_ROOTS", _words_reader(",")))
    image_roots: tuple[str, ...] = field(metadata=_describe_operator_option("IMAGE_ROOTS", _words_reader(",")))
    protected_directories: tuple[str, ...] = field(
        metadata=_describe_operator_option("PROTECTED_DIRECTORIES", _words_reader(","))
    )
