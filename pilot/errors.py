"""The errors that stop a pilot. (core)"""

from collections.abc import Sequence

from schemas.errors import Rejected, Unavailable


class SettingsInvalid(Rejected):
    """The pilot's variables are wrong. `problems` has one line for each problem."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class ImageUnusable(Rejected):
    """The worker lacks the task's image or the program that runs it, or tasks may not use the image."""


class MountRefused(Rejected):
    """A directory that may not be mounted into a task container."""


class TokenUnusable(Rejected):
    """The token file is missing, readable by others, or contains no token."""


class SecretsUnusable(Rejected):
    """The file with the task's secrets is missing, readable by others, or lacks a secret."""


class BrokerAway(Unavailable):
    """The pilot cannot reach the broker, or the broker refuses the pilot."""


class QueueGone(BrokerAway):
    """A queue of the pilot does not exist: the workflow is over, or the queue was deleted."""


class StartOutlivedWorker(Unavailable):
    """The worker's runtime ended before the pilot could take an event."""
