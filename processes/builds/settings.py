"""The settings of the builder, read from the environment of its step worker."""

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from runtime.settings import LogSettings, explain_error
from schemas.automation.build_sources import DEFAULT_GIT_PROTOCOLS


class ImageLocation(BaseModel):
    """Where a cluster location gets images: a shared directory, or a repository of a registry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: The directory's absolute path. The cluster's workers must see it at the same path.
    directory: str = ""
    #: The registry's host and the repository, as registry.example.org/tasks.
    registry: str = ""
    #: The name of a credential for the registry.
    credential: str = ""

    @model_validator(mode="after")
    def _one_kind(self) -> "ImageLocation":
        if bool(self.directory) == bool(self.registry):
            raise ValueError("give either a directory or a registry")
        if self.directory and not self.directory.startswith("/"):
            raise ValueError("the directory must be an absolute path")
        return self


class BuilderSettings(LogSettings):
    """Settings of the builder. Lists and mappings are JSON."""

    #: The gateway's address, for reports.
    gateway: str = ""
    #: The builder's own directory: builds, base images. All workers of the pool share it.
    build_directory: Path
    #: A JSON file with the paths of the unpacked programs, and the command that fetches them if the file is missing.
    build_programs: Path
    build_programs_fetch: tuple[str, ...] = ()
    #: The command that runs a program as the account of builds, and that account's id on the machine.
    build_holder: tuple[str, ...] = ()
    build_account: int | None = None
    #: Location -> where it gets images.
    build_locations: dict[str, ImageLocation] = Field(default_factory=dict)
    #: The roots of directories that may be tasks.
    task_roots: tuple[str, ...] = ()
    build_git_protocols: tuple[str, ...] = DEFAULT_GIT_PROTOCOLS
    build_git_hosts: tuple[str, ...] = ("*",)
    #: The prefixes of images at registries on which tasks may build, and the roots of OCI directories.
    build_registries: tuple[str, ...] = ()
    build_base_roots: tuple[str, ...] = ()
    #: The registries that speak plain HTTP.
    build_plain_registries: tuple[str, ...] = ()
    #: The hosts that RUN may reach if a task asks for them; patterns.
    build_network_hosts: tuple[str, ...] = ()
    #: The directory of credentials: one file a name, as `git credential-store` or a registry's auth file.
    build_credentials: Path | None = None
    build_max_processes: Annotated[int, Field(ge=16, le=100_000)] = 1024


@cache
def load_settings() -> BuilderSettings:
    """Return the settings. They are read from the environment once.

    Raises:
        Rejected: a setting is missing or invalid.
    """
    try:
        return BuilderSettings()
    except ValidationError as error:
        raise explain_error(error) from None
