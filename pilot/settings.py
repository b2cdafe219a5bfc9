"""The pilot's settings, read once from a mapping of its variables. (core)

The contract's variables (8.2) keep their names and meanings; ours are marked. One error reports all problems together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from pilot.errors import SettingsInvalid
from schemas.pilot.job_names import CHIRP_FD
from schemas.pilot.names import (
    PLATFORM,
    ChirpDest,
    Platform,
    TaskMode,
    asked_platform,
    read_extension,
    read_level,
    read_shm_size,
)
from schemas.pilot.pilot_wire import INCOMING, OUTGOING, PilotJob, PilotProgram, QueueEndpoint, read_fields, read_queues
from schemas.pilot.variables import Variables
from schemas.rules.placeholders import FILE_PLACEHOLDERS
from schemas.rules.worker_paths import image_problem


@dataclass(frozen=True, slots=True)
class Program:
    """A container to run: its image, its arguments with their placeholders, its environment."""

    image: str
    args: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Chirp:
    """Whether and how the pilot chirps. `fd` (ours) is an inherited pipe, to be used instead of HTCondor's chirp."""

    wanted: bool
    dest: ChirpDest
    interval_s: float
    fd: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotSettings(PilotProgram, PilotJob):
    """The settings of one pilot: those that TMS gives to every pilot, and its own.

    A limit of `None` means no limit. With a `prefetch` of `None` the pilot chooses it by the task's duration.
    """

    inputs: tuple[QueueEndpoint, ...]
    outputs: tuple[QueueEndpoint, ...]
    data_dir_parent: str
    infile_ext: str
    outfile_ext: str
    prefetch: int | None
    first_timeout_s: float
    idle_timeout_s: float
    external_directories: tuple[str, ...]
    #: The operator's rules for this worker: directories below which tasks may see files, directories below which images
    #: must lie, and directories that no task may touch.
    external_roots: tuple[str, ...]
    image_roots: tuple[str, ...]
    protected_directories: tuple[str, ...]
    log_level: str
    log_level_third_party: str
    chirp: Chirp
    init_timeout_s: float | None
    task_timeout_s: float | None
    task_mode: TaskMode
    #: How many seconds more than its timeout a warm container's first event may take, because the container starts.
    task_start_s: float
    stop_on_error: bool
    okay_errors: frozenset[str]
    max_failures_in_a_row: int
    concurrency: int
    keep_files: bool
    dump_output: bool
    quarantine_s: float
    drain_grace_s: float
    reconnect_timeout_s: float
    platform: Platform | None
    container_debug: bool
    apptainer: str
    apptainer_build_dir: str
    apptainer_directory_only: bool
    docker_shm_size: str
    #: Variables that begin with `EWMS_PILOT_` but that the pilot does not know: most likely typing errors.
    unknown: tuple[str, ...]

    @property
    def task(self) -> Program:
        """Return the task's container."""
        return Program(self.task_image, self.task_args, self.task_env)

    @property
    def init(self) -> Program | None:
        """Return the container that runs before the first event; None without one."""
        return Program(self.init_image, self.init_args, self.init_env) if self.init_image else None


def read_settings(environment: Mapping[str, str], *, directory: str) -> PilotSettings:
    """Return the settings that `environment` holds. Relative paths start from `directory`.

    Raises: SettingsInvalid, with all problems that were found.
    """
    v = Variables(environment)
    stop_on_error = v.read_flag("STOP_LISTENING_ON_TASK_ERROR", default=True)
    quarantine_s = v.read_seconds("QUARANTINE_TIME", 0)
    in_a_row = max(0, v.read_integer("MAX_FAILURES_IN_A_ROW") or 0)
    if quarantine_s and not stop_on_error and not in_a_row:
        v.note_problem(
            "QUARANTINE_TIME",
            "is not allowed with STOP_LISTENING_ON_TASK_ERROR=False",
            "without a stop there is no quarantine: unset one of the two, or set MAX_FAILURES_IN_A_ROW",
        )
    idle_timeout_s = v.read_seconds("TIMEOUT_QUEUE_INCOMING", 1)
    concurrency = max(1, v.read_integer("MAX_CONCURRENT_TASKS") or 1)
    prefetch = v.read_integer("PREFETCH")
    task_timeout_s, old_timeout_s = v.read_limit_s("TASK_TIMEOUT"), v.read_limit_s("SUBPROC_TIMEOUT")
    told = read_fields(PilotProgram, v) | read_fields(PilotJob, v)
    told["token_file"] = _make_absolute(told["token_file"], directory)
    result = PilotSettings(
        **told,
        inputs=read_queues(v, INCOMING),
        outputs=read_queues(v, OUTGOING),
        data_dir_parent=_make_absolute(v.read_string("DATA_DIR_PARENT_PATH_ON_HOST", "."), directory),
        infile_ext=read_extension(v, "INFILE_EXT", ".in"),
        outfile_ext=read_extension(v, "OUTFILE_EXT", ".out"),
        prefetch=None if prefetch is None else max(1, prefetch),
        first_timeout_s=v.read_seconds("TIMEOUT_QUEUE_WAIT_FOR_FIRST_MESSAGE", idle_timeout_s),
        idle_timeout_s=idle_timeout_s,
        external_directories=v.read_words("EXTERNAL_DIRECTORIES", ","),
        external_roots=v.read_words("EXTERNAL_ROOTS", ","),
        image_roots=v.read_words("IMAGE_ROOTS", ","),
        protected_directories=v.read_words("PROTECTED_DIRECTORIES", ","),
        log_level=read_level(v, "CL_LOG"),
        log_level_third_party=read_level(v, "CL_LOG_THIRD_PARTY", "WARNING"),
        chirp=_parse_chirp(v),
        init_timeout_s=v.read_limit_s("INIT_TIMEOUT"),
        task_timeout_s=task_timeout_s or old_timeout_s,
        task_mode=v.read_choice("TASK_MODE", TaskMode, TaskMode.EVENT) or TaskMode.EVENT,
        task_start_s=v.read_seconds("TASK_START_TIMEOUT", 60),
        stop_on_error=stop_on_error,
        okay_errors=frozenset(v.read_words("OKAY_ERRORS", None)),
        max_failures_in_a_row=in_a_row,
        concurrency=concurrency,
        keep_files=v.read_flag("KEEP_ALL_TASK_FILES", default=False),
        dump_output=v.read_flag("DUMP_TASK_OUTPUT", default=False),
        quarantine_s=quarantine_s,
        drain_grace_s=v.read_seconds("DRAIN_GRACE", 20),
        reconnect_timeout_s=v.read_seconds("RECONNECT_TIMEOUT", 600),
        platform=_parse_platform(v),
        container_debug=v.read_flag("CONTAINER_DEBUG", default=False),
        apptainer=v.read_string("APPTAINER"),
        apptainer_build_dir=v.read_string("_EWMS_PILOT_APPTAINER_BUILD_WORKDIR", "/var/tmp"),  # noqa: S108 - the contract's
        apptainer_directory_only=v.read_flag("_EWMS_PILOT_APPTAINER_IMAGE_DIRECTORY_MUST_BE_PRESENT", default=True),
        docker_shm_size=read_shm_size(v),
        unknown=v.list_unread(),
    )
    _check_together(v, result)
    if v.problems:
        raise SettingsInvalid(v.problems)
    return result


def read_chirp(environment: Mapping[str, str]) -> Chirp:
    """Return how to chirp. Wrong other variables do not matter, because the pilot must be able to report them."""
    return _parse_chirp(Variables(environment))


def _parse_chirp(v: Variables) -> Chirp:
    return Chirp(
        wanted=v.read_flag("HTCHIRP", default=False),
        dest=v.read_choice("HTCHIRP_DEST", ChirpDest, ChirpDest.JOB_ATTR) or ChirpDest.JOB_ATTR,
        interval_s=v.read_seconds("HTCHIRP_RATELIMIT_INTERVAL", 60),
        fd=v.read_integer(CHIRP_FD),
    )


def _parse_platform(v: Variables) -> Platform | None:
    platform = v.read_choice(PLATFORM, Platform, None)
    image = v.read_string("TASK_IMAGE")
    return Platform.NONE if platform is None and asked_platform(image, {}) == Platform.NONE else platform


def _make_absolute(path: str, directory: str) -> str:
    return str(PurePosixPath(directory) / path)


def _check_together(v: Variables, s: PilotSettings) -> None:
    """Note the problems that only several variables together show, such as an image that is missing for apptainer."""
    if not s.task.image and s.platform is not Platform.NONE:
        v.note_problem(
            "TASK_IMAGE", "must name the task's image", "set it, or set the platform to none for a bare process"
        )
    for name, program in (("TASK_IMAGE", s.task), ("INIT_IMAGE", s.init)):
        if program is not None and s.platform is not Platform.NONE and (problem := image_problem(program.image)):
            rule, _, remedy = problem.partition("; ")
            v.note_problem(name, rule, remedy)
    if s.platform is Platform.NONE and not s.task.args:
        v.note_problem("TASK_ARGS", "must be the command of a bare process", "set it")
    if not s.inputs and not s.outputs:
        v.note_problem(
            "QUEUE_INCOMING", "or EWMS_PILOT_QUEUE_OUTGOING must name a queue", "a task needs at least one queue"
        )
    if s.task_mode is TaskMode.STREAM:
        _check_stream(v, s)


def _check_stream(v: Variables, s: PilotSettings) -> None:
    """Note the problems of settings that a warm task cannot have."""
    if not s.inputs and s.outputs:
        v.note_problem("TASK_MODE", "stream needs an input queue", "a task without one gets no events: unset the mode")
    if any(placeholder in argument for argument in s.task.args for placeholder in FILE_PLACEHOLDERS):
        v.note_problem(
            "TASK_ARGS",
            f"must not name {', '.join(FILE_PLACEHOLDERS)} with EWMS_PILOT_TASK_MODE=stream",
            "a warm task reads events from standard input and answers on standard output: remove them, or the mode",
        )
