"""Keep what happens to the traced events in a pilot's hands, until they are reported."""

import asyncio
from collections.abc import Callable
from functools import partial

from pilot.events.attempt_reports import AttemptReports
from pilot.events.publishing import TaskRun
from pilot.events.traced_attempts import TracedAttempt
from pilot.failures.failure import Failure
from runtime.amqp import Delivery
from schemas.attempts.trace_sampling import find_root
from schemas.pilot.pilot_wire import QueueEndpoint


class TracedEvents:
    """The attempts at traced events that one pilot has in hand, by the key of the event."""

    def __init__(self, reports: AttemptReports, *, one_in: int) -> None:
        self._reports = reports
        self._one_in = one_in
        self._loop = asyncio.get_running_loop()
        self._attempts: dict[int, TracedAttempt] = {}

    def note_delivery(self, key: int, delivery: Delivery) -> None:
        """Begin to note what happens to the event of `delivery`, if it is traced."""
        if root := find_root(delivery.id, delivery.headers, self._one_in):
            self._attempts[key] = TracedAttempt(root, self._loop.time())

    def find_attempt(self, key: int) -> TracedAttempt | None:
        """Return the attempt with the key `key`. Return None if its event is not traced."""
        return self._attempts.get(key)

    def note_dead_letter(self, key: int) -> None:
        """Note that the event becomes a dead letter: the failed attempt is reported, and the acknowledgement is not."""
        if (attempt := self._attempts.get(key)) is not None:
            attempt.gave_up = True

    def note_outcome(self, key: int, failure: Failure) -> None:
        """Note that the task's failure is published as the event's outcome."""
        if (attempt := self._attempts.get(key)) is not None:
            attempt.error = str(failure)

    def forget_attempt(self, key: int) -> None:
        """Forget the attempt, because another one has its delivery."""
        self._attempts.pop(key, None)

    def end_attempt(
        self, key: int, entry: tuple[QueueEndpoint, Delivery] | None, run: TaskRun | None
    ) -> Callable[[], None] | None:
        """Forget the attempt, and return what reports it once its event is acknowledged. Return None if it is not
        traced, or if it is reported as a failed attempt.
        """
        attempt = self._attempts.pop(key, None)
        if attempt is None or attempt.gave_up or entry is None or run is None:
            return None
        return partial(self._reports.report_done, *entry, run, attempt)
