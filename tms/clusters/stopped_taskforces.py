"""Remember the taskforces that were stopped while this TMS runs, so that TMS refuses to start them later.

TMS needs this list only when a stop arrives before the start. So TMS does not keep the list over a restart, and drops
the oldest entries of a long list.
"""

from schemas.ids import TaskforceUuid

_LIMIT = 100_000


class StoppedTaskforces:
    """The set of the stopped taskforces, at most 100 000. Beyond that, the set forgets the oldest."""

    def __init__(self) -> None:
        self._ended: dict[TaskforceUuid, None] = {}

    def note_stop(self, taskforce: TaskforceUuid) -> None:
        """Remember that `taskforce` was stopped."""
        self._ended[taskforce] = None
        if len(self._ended) > _LIMIT:
            del self._ended[next(iter(self._ended))]

    def __contains__(self, taskforce: object) -> bool:
        return taskforce in self._ended
