"""Remember the taskforces that were stopped while this TMS runs. TMS must not obey a late start of one of these.

TMS needs this only when a stop overtakes a start. So it does not keep the list over a restart, and forgets the oldest.
"""

from schemas.ids import TaskforceUuid

_LIMIT = 100_000


class StoppedTaskforces:
    """A set of taskforces of bounded size."""

    def __init__(self) -> None:
        self._ended: dict[TaskforceUuid, None] = {}

    def note_stop(self, taskforce: TaskforceUuid) -> None:
        """Remember that `taskforce` was stopped."""
        self._ended[taskforce] = None
        if len(self._ended) > _LIMIT:
            del self._ended[next(iter(self._ended))]

    def __contains__(self, taskforce: object) -> bool:
        return taskforce in self._ended
