"""The taskforces that were stopped while this TMS ran. TMS must not obey a start of one of these that arrives late.

Only events that overtake each other need this. So TMS does not keep it over a restart, and forgets the oldest.
"""

from schemas.ids import TaskforceUuid

_LIMIT = 100_000


class StoppedTaskforces:
    """A bounded set of taskforces."""

    def __init__(self) -> None:
        self._ended: dict[TaskforceUuid, None] = {}

    def note_stop(self, taskforce: TaskforceUuid) -> None:
        """Remember that `taskforce` was stopped."""
        self._ended[taskforce] = None
        if len(self._ended) > _LIMIT:
            del self._ended[next(iter(self._ended))]

    def __contains__(self, taskforce: object) -> bool:
        return taskforce in self._ended
