"""Run a task with docker or podman, which take the same arguments. (core)

The client process only waits for the container. A second command ends the container by its name.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pilot.containers.command import Command
from pilot.containers.mounts import Mount

#: Variables of the pilot's environment that the client itself needs, to find the daemon and the storage of images.
KEPT = ("DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "CONTAINERS_CONF", "HOME", "XDG_RUNTIME_DIR", "TMPDIR")

#: Source: the grammar of references of the distribution project, which docker and podman share.
_REFERENCE = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]{1,5})?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[a-z0-9]+:[0-9a-fA-F]{32,})?"
)


@dataclass(frozen=True, slots=True)
class Docker:
    """Runs tasks by `binary`, the client of docker or podman. `image` is a reference to an image on this worker."""

    binary: str
    image: str
    environment: Mapping[str, str]
    shm_size: str = ""
    on_host: bool = False
    has_home: bool = True

    def build_command(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        mounts: Sequence[Mount],
        name: str,
        *,
        listens: bool = False,
    ) -> Command:
        """Return `docker run ... IMAGE ARGS`."""
        specs = [f"type=bind,source={m.source},target={m.target}{',readonly' if m.read_only else ''}" for m in mounts]
        argv = (
            self.binary,
            "run",
            "--rm",
            "--init",
            "--security-opt=no-new-privileges",
            *(("--interactive",) if listens else ()),
            "--name",
            name,
            *(("--shm-size", self.shm_size) if self.shm_size else ()),
            *(word for spec in specs for word in ("--mount", spec)),
            *(word for key, value in environment.items() for word in ("--env", f"{key}={value}")),
            self.image,
            *arguments,
        )
        return Command(argv, self.environment, kill_argv=(self.binary, "rm", "--force", name))


def is_reference(name: str) -> bool:
    """Return whether `name` can name an image at a registry or in the engine's store. A path or an archive cannot."""
    return _REFERENCE.fullmatch(name) is not None


def inspect_argv(binary: str, image: str) -> tuple[str, ...]:
    """Return the command that succeeds if the image is on this worker already."""
    return (binary, "image", "inspect", image)


def pull_argv(binary: str, image: str) -> tuple[str, ...]:
    """Return the command that fetches the image."""
    return (binary, "pull", image)
