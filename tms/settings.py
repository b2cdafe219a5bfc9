"""The settings of TMS, read from the environment. Lists and mappings are JSON."""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, AliasChoices, Field, model_validator

from runtime.settings import ServiceSettings
from schemas.pilot.options import Platform
from tms.errors import Unsubmittable
from tms.jobs.pilot_files import PilotProfile
from tms.jobs.submit_description import CONTAINER_REQUIREMENTS, ContainerPool, PoolProfile, check_submit_path
from tms.worker_logs.file_retention import RetentionAges


class PoolKind(StrEnum):
    """Where pilots run."""

    CONDOR = "condor"
    LOCAL = "local"


def _check_submittable(path: Path) -> Path:
    """Return `path` if a submit description can contain it safely.

    Raises:
        ValueError: a submit description cannot contain `path` safely.
    """
    try:
        check_submit_path(str(path))
    except Unsubmittable as error:
        raise ValueError(error.reason) from error
    return path


SayablePath = Annotated[Path, AfterValidator(_check_submittable)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


def _parse_assignments(words: str) -> dict[str, str]:
    """Return the variables that the words in `words` assign (`NAME=value NAME=value`).

    Raises:
        ValueError: a word does not assign one of the pilot's variables.
    """
    assigned = {}
    for word in words.split():
        name, equals, value = word.partition("=")
        if not equals or not name.startswith(("EWMS_PILOT_", "_EWMS_PILOT_")):
            raise ValueError(f"{name[:100]!r} is not EWMS_PILOT_<NAME>=<value>")
        assigned[name] = value
    return assigned


class TmsSettings(ServiceSettings):
    """Settings of TMS. Units are in the names."""

    #: The schedd's name at WMS. It is also the name in HTCondor, unless `condor_schedd` gives another.
    schedd: Annotated[str, Field(min_length=1, max_length=255)]
    pool: PoolKind = PoolKind.CONDOR
    #: Holds job event logs, checkpoints and token files. Each TMS needs its own, on the access point's own disk.
    tms_dir: Annotated[SayablePath, Field(validation_alias=AliasChoices("EWMS_TMS_DIR", "JOB_EVENT_LOG_DIR"))]

    #: The schedd's name at the collector (empty: the only one there), and the collector (empty: as HTCondor is set up).
    condor_schedd: str | None = None
    collector: str = ""
    condor_timeout_s: Annotated[float, Field(gt=0)] = 30
    #: The requirements of every job, as a ClassAd expression. If None, a pool of containers requires a runtime for them
    #: (`CONTAINER_REQUIREMENTS`), and any other pool requires nothing.
    pool_requirements: str | None = None
    #: The pilot's image without its tag. With an image, this is a pool of containers.
    container_image: str = Field("", validation_alias=AliasChoices("EWMS_CONTAINER_IMAGE", "CVMFS_PILOT_PATH"))
    excluded_glidein_sites: tuple[str, ...] = ()
    excluded_osg_sites: tuple[str, ...] = ()
    max_idle: Count = 1000
    max_cluster_age_s: Count = 14 * 86_400
    max_held_s: Count = 3600
    job_lease_s: Count = 300
    #: The site's accounting group for all jobs. In it, each EWMS user is a separate submitter.
    accounting_group: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]*$")] = ""

    #: The command that starts a pilot on a worker, and the files that HTCondor must transfer for it.
    pilot_command: tuple[str, ...] = ()
    pilot_files: tuple[SayablePath, ...] = ()
    worker_path: str = "/usr/bin:/bin"
    #: The container platforms that tasks may request, and the platform of tasks that request none.
    allowed_platforms: frozenset[Platform] = frozenset({Platform.APPTAINER})
    pilot_platform: Platform | None = None
    #: The path of apptainer on the workers, where it is not in their PATH.
    apptainer: str = ""
    #: Tasks may see directories of a worker below these, if they ask for them. If empty, they may see none.
    external_roots: tuple[SayablePath, ...] = ()
    #: An image that is a file or directory of a worker must lie below these. If empty, it may lie anywhere outside of
    #: the worker's system.
    image_roots: tuple[SayablePath, ...] = ()
    #: No task may see these directories and no user may send files from them, even if the roots allow it. `tms_dir` is
    #: always among them.
    protected_directories: tuple[SayablePath, ...] = ()
    #: Further variables for all pilots.
    pilot_environment: dict[str, str] = Field(default_factory=dict)
    #: The same in the existing TMS's form: `NAME=value NAME=value`. `pilot_environment` overrides these.
    pilot_environment_words: Annotated[str, Field(validation_alias="TMS_ENV_VARS_AND_VALS_ADD_TO_PILOT")] = ""
    #: Users may send files to workers from below these directories.
    input_roots: tuple[SayablePath, ...] = ()
    #: The most bytes of the input files of one taskforce together. The access point keeps copies of them as long as the
    #: taskforce is in the queue.
    input_max_bytes: Count = 1024**3

    #: How many cores of this machine the local pool uses at once.
    local_slots: Count = 8
    #: The user id of the local pool's first slot; the other slots have the ids after it. This needs a TMS that runs as
    #: root, and accounts made for it, as `make up` does for root. If None, pilots run under TMS's own account.
    local_first_account: Annotated[int, Field(ge=1)] | None = None
    #: Words that the local pool puts before a pilot's command, as `make up` does for an ordinary user. They hide TMS's
    #: files from the pilot, except for the directory where it starts. If empty, the pilot sees what TMS sees.
    local_holder: tuple[str, ...] = ()
    #: How many seconds a log without changes stays as it is: of a taskforce that is over, and of any other taskforce
    #: that is in no queue. Then how long the compressed log stays.
    log_quiet_s: Seconds = Field(
        86_400, validation_alias=AliasChoices("EWMS_LOG_QUIET_S", "JOB_EVENT_LOG_MODIFICATION_EXPIRY_SHORT")
    )
    unfinished_log_quiet_s: Seconds = Field(
        7 * 86_400,
        validation_alias=AliasChoices("EWMS_UNFINISHED_LOG_QUIET_S", "JOB_EVENT_LOG_MODIFICATION_EXPIRY_LONG"),
    )
    packed_log_keep_s: Seconds = Field(
        7 * 86_400, validation_alias=AliasChoices("EWMS_PACKED_LOG_KEEP_S", "JOB_EVENT_LOG_ARCHIVE_DELETE_EXPIRY")
    )
    #: How many seconds a taskforce's files without changes stay as they are, and then how long the archive stays.
    files_quiet_s: Seconds = Field(
        5 * 86_400, validation_alias=AliasChoices("EWMS_FILES_QUIET_S", "TASKFORCE_DIRS_EXPIRY")
    )
    packed_files_keep_s: Seconds = Field(
        5 * 86_400, validation_alias=AliasChoices("EWMS_PACKED_FILES_KEEP_S", "TASKFORCE_DIRS_TAR_EXPIRY")
    )
    #: How many bytes of the disk the workers' logs and the archives may take together; 0 means no limit.
    worker_logs_max_bytes: int = Field(20 * 1024**3, ge=0, validation_alias="EWMS_WORKER_LOGS_MAX_BYTES")
    #: How often TMS looks for files to compress, pack or remove.
    tidy_interval_s: Seconds = Field(
        3600, validation_alias=AliasChoices("EWMS_TIDY_INTERVAL_S", "TMS_FILE_MANAGER_INTERVAL")
    )
    #: The existing TMS's switch. This TMS has no dry run, so it refuses to start with it.
    dry_run: bool = Field(False, validation_alias="DRYRUN")

    @model_validator(mode="after")
    def _pilots_can_be_started(self) -> Self:
        _parse_assignments(self.pilot_environment_words)
        if self.dry_run:
            raise ValueError("DRYRUN is set, but this TMS has no dry run and always submits: unset it")
        if not self.pilot_command and not self.container_image:
            raise ValueError(
                "EWMS_PILOT_COMMAND or EWMS_CONTAINER_IMAGE is needed: it tells how a worker starts a pilot"
            )
        return self

    @property
    def pool_profile(self) -> PoolProfile:
        """Return the operator's settings for submit descriptions."""
        container = ContainerPool(
            image=self.container_image,
            excluded_glidein_sites=self.excluded_glidein_sites,
            excluded_osg_sites=self.excluded_osg_sites,
        )
        return PoolProfile(
            pilot_command=self.pilot_command,
            pilot_files=tuple(map(str, self.pilot_files)),
            worker_path=self.worker_path,
            requirements=self._choose_requirements,
            container=container if self.container_image else None,
            max_idle=self.max_idle,
            max_age_s=self.max_cluster_age_s,
            max_held_s=self.max_held_s,
            lease_s=self.job_lease_s,
            accounting_group=self.accounting_group,
        )

    @property
    def _choose_requirements(self) -> str:
        if self.pool_requirements is None:
            return CONTAINER_REQUIREMENTS if self.container_image else ""
        return self.pool_requirements

    @property
    def kept_directories(self) -> tuple[Path, ...]:
        """Return the directories with tokens and keys. Users can never see them or send files from them."""
        return (self.tms_dir, *self.protected_directories)

    @property
    def pilot_profile(self) -> PilotProfile:
        """Return the operator's settings for pilots."""
        return PilotProfile(
            allowed_platforms=frozenset(map(str, self.allowed_platforms)),
            platform=self.pilot_platform or "",
            apptainer=self.apptainer,
            external_roots=tuple(map(str, self.external_roots)),
            image_roots=tuple(map(str, self.image_roots)),
            protected_directories=tuple(map(str, self.kept_directories)),
            environment=_parse_assignments(self.pilot_environment_words) | self.pilot_environment,
        )

    @property
    def ages(self) -> RetentionAges:
        """Return how long TMS keeps files."""
        return RetentionAges(
            log=timedelta(seconds=self.log_quiet_s),
            unfinished_log=timedelta(seconds=self.unfinished_log_quiet_s),
            packed_log=timedelta(seconds=self.packed_log_keep_s),
            directory=timedelta(seconds=self.files_quiet_s),
            packed_directory=timedelta(seconds=self.packed_files_keep_s),
        )
