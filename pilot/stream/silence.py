"""Warn if a warm task has its event and does not answer for a long time.

The task may still be working, or its answer may lie in the task's own output buffer. The pilot cannot find out which.
So it warns once for each container, and names what to check.
"""

import asyncio
import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

SILENT_S = 60.0

#: This variable makes Python write each line at once. The task's own variables override this value.
UNBUFFERED = {"PYTHONUNBUFFERED": "1"}


class Silence:
    """A timer that warns if one container does not answer. It runs from an event's line to the answer."""

    def __init__(self, name: str, *, has_read: Callable[[], bool], after_s: float = SILENT_S) -> None:
        self._name = name
        self._has_read = has_read
        self._after_s = after_s
        self._timer: asyncio.TimerHandle | None = None
        self._was_told = False

    def begin_wait(self, event_id: str) -> None:
        """Start the timer: the container has its event. Do nothing if the warning was given for this container."""
        self.end_wait()
        if not self._was_told:
            self._timer = asyncio.get_running_loop().call_later(self._after_s, self._warn_silent, event_id)

    def end_wait(self) -> None:
        """Stop the timer: the container has answered or ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _warn_silent(self, event_id: str) -> None:
        self._timer = None
        self._was_told = True
        what = "has read its event" if self._has_read() else "has not even read its event"
        log.warning(
            "%s %s %s and has not answered for %g s. If it is done with the event, its answer waits in a buffer: flush "
            "each line (print(..., flush=True), `python -u`, `stdbuf -oL`). "
            "EWMS_PILOT_TASK_TIMEOUT ends a task that hangs.",
            self._name,
            what,
            event_id,
            self._after_s,
        )
