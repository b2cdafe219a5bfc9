"""Run a task as a bare process of the worker, where its placeholders are the worker's own paths. (core)

It is separated from the pilot by its environment only; which programs may run so is for the site to allow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pilot.containers.command import Command
from pilot.containers.mounts import Mount

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Bare:
    """`environment` is what every task gets; a task's own variables override it."""

    environment: Mapping[str, str]
    on_host: bool = True
    has_home: bool = False

    def command(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        mounts: Sequence[Mount],
        name: str,
        *,
        listens: bool = False,
    ) -> Command:
        """Return the task's own command; mounts mean nothing to it."""
        return Command(tuple(arguments), {**self.environment, **environment})
