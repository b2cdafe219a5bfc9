"""Run a task as a bare process of the worker. Its placeholders are paths of the worker. (core)

Only the task's environment separates the task from the pilot. The site decides which programs may run like this.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pilot.containers.command import Command
from pilot.containers.mounts import Mount

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Bare:
    """Runs each task with `environment`. The task's own variables override it."""

    environment: Mapping[str, str]
    on_host: bool = True
    has_home: bool = False

    def build_command(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        mounts: Sequence[Mount],
        name: str,
        *,
        listens: bool = False,
    ) -> Command:
        """Return the task's own command. A bare process has no mounts."""
        return Command(tuple(arguments), {**self.environment, **environment})
