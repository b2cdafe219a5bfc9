"""What TMS is told by its environment. Lists and mappings are JSON."""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, AliasChoices, Field, model_validator

from runtime.settings import ServiceSettings
from tms.errors import Unsubmittable
from tms.pilotfiles import PilotProfile
from tms.submission import ContainerPool, PoolProfile, checked_path


class PoolKind(StrEnum):
    """Where pilots run."""

    CONDOR = "condor"
    LOCAL = "local"


class Platform(StrEnum):
    """What may run a task on a worker; `NONE` is a bare process."""

    APPTAINER = "apptainer"
    DOCKER = "docker"
    PODMAN = "podman"
    BUBBLEWRAP = "bubblewrap"
    NONE = "none"


def _sayable(path: Path) -> Path:
    """Return a path that a submit description can contain."""
    try:
        checked_path(str(path))
    except Unsubmittable as error:
        raise ValueError(error.reason) from error
    return path


SayablePath = Annotated[Path, AfterValidator(_sayable)]
Count = Annotated[int, Field(ge=1)]


class Settings(ServiceSettings):
    """Settings of TMS. Units are in the names."""

    #: The name under which WMS knows this TMS's work; also the schedd's own, unless `condor_schedd` says another.
    schedd: Annotated[str, Field(min_length=1, max_length=255)]
    pool: PoolKind = PoolKind.CONDOR
    #: Job event logs, checkpoints and token files; one directory for each TMS, on the access point's own disk.
    tms_dir: Annotated[SayablePath, Field(validation_alias=AliasChoices("EWMS_TMS_DIR", "JOB_EVENT_LOG_DIR"))]

    #: The schedd's name at the collector (empty: the only one there), and the collector (empty: as HTCondor is set up).
    condor_schedd: str | None = None
    collector: str = ""
    condor_timeout_s: Annotated[float, Field(gt=0)] = 30
    #: What every job of the pool must find, as a ClassAd expression.
    pool_requirements: str = ""
    #: The pilot's image without its tag: makes this a pool of containers.
    container_image: str = ""
    excluded_glidein_sites: tuple[str, ...] = ()
    excluded_osg_sites: tuple[str, ...] = ()
    max_idle: Count = 1000
    max_cluster_age_s: Count = 14 * 86_400
    max_held_s: Count = 3600

    #: How a worker starts a pilot, and what HTCondor must carry there for it.
    pilot_command: tuple[str, ...] = ()
    pilot_files: tuple[SayablePath, ...] = ()
    worker_path: str = "/usr/bin:/bin"
    #: Container platforms that tasks may ask for, and the one of those that do not ask.
    allowed_platforms: frozenset[Platform] = frozenset({Platform.APPTAINER})
    pilot_platform: Platform | None = None
    #: The apptainer on the workers, where it is not in their PATH.
    apptainer: str = ""
    #: More variables for all pilots.
    pilot_environment: dict[str, str] = Field(default_factory=dict)
    #: Where files may lie that users send to workers.
    input_roots: tuple[SayablePath, ...] = ()

    #: Cores of this machine that the local pool may use at once.
    local_slots: Count = 8
    #: How long the files of a taskforce are kept after its end.
    keep_files_days: Annotated[float, Field(gt=0)] = 7

    @model_validator(mode="after")
    def _pilots_can_be_started(self) -> Self:
        if not self.pilot_command and not self.container_image:
            raise ValueError("pilot_command or container_image must say how a worker starts a pilot")
        return self

    @property
    def pool_profile(self) -> PoolProfile:
        """What submit descriptions say of the pool."""
        container = ContainerPool(
            image=self.container_image,
            excluded_glidein_sites=self.excluded_glidein_sites,
            excluded_osg_sites=self.excluded_osg_sites,
        )
        return PoolProfile(
            pilot_command=self.pilot_command,
            pilot_files=tuple(map(str, self.pilot_files)),
            worker_path=self.worker_path,
            requirements=self.pool_requirements,
            container=container if self.container_image else None,
            max_idle=self.max_idle,
            max_age_s=self.max_cluster_age_s,
            max_held_s=self.max_held_s,
        )

    @property
    def pilot_profile(self) -> PilotProfile:
        """What pilots are told by the operator."""
        return PilotProfile(
            allowed_platforms=frozenset(map(str, self.allowed_platforms)),
            platform=self.pilot_platform or "",
            apptainer=self.apptainer,
            environment=self.pilot_environment,
        )

    @property
    def keep_files(self) -> timedelta:
        """How long files are kept."""
        return timedelta(days=self.keep_files_days)
