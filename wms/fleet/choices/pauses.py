"""Decide how long WMS waits before it repeats an unanswered request or a failed step. (core)"""

from datetime import datetime, timedelta

#: The pause before WMS repeats an unanswered request to MQS or a TMS. It doubles each time, up to `_LONGEST_PAUSE`.
_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(minutes=10)

#: The pauses after the first, second and each further failure of a start or a removal. The last one repeats.
_FAILURE_PAUSES = tuple(timedelta(seconds=s) for s in (10, 30, 90, 270, 600))


def ask_again_at(asked_at: datetime, n_asked: int) -> datetime:
    """Return when to repeat a request that was made `n_asked` times, the last time at `asked_at`."""
    # Bound the exponent first: a timedelta overflows long before an integer does.
    return asked_at + min(_FIRST_PAUSE * (1 << min(max(n_asked, 1) - 1, 10)), _LONGEST_PAUSE)


def failure_pause(n_failures: int) -> timedelta:
    """Return how long to wait after the `n_failures`-th failure."""
    return _FAILURE_PAUSES[min(max(n_failures, 1), len(_FAILURE_PAUSES)) - 1]
