"""How long WMS waits before it repeats a request, or tries again what has failed. (core)"""

from datetime import datetime, timedelta

#: The pause before an unanswered request to MQS or a TMS is repeated. It doubles each time, up to the longest one.
_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(minutes=10)

#: The pause after a failed start or removal: after the first failure, the second, and so on.
_FAILURE_PAUSES = tuple(timedelta(seconds=s) for s in (10, 30, 90, 270, 600))


def ask_again_at(asked_at: datetime, n_asked: int) -> datetime:
    """Return when to repeat a request that was made `n_asked` times, the last time at `asked_at`."""
    # Bound the exponent first: a timedelta overflows long before an integer does.
    return asked_at + min(_FIRST_PAUSE * (1 << min(max(n_asked, 1) - 1, 10)), _LONGEST_PAUSE)


def failure_pause(n_failures: int) -> timedelta:
    """Return how long to wait after the `n_failures`-th failure."""
    return _FAILURE_PAUSES[min(max(n_failures, 1), len(_FAILURE_PAUSES)) - 1]
