"""Which taskforce is started next. (core)

At each schedd at most `WINDOW` starts are unanswered; so what waits, waits here, where it can be put in order:
higher priority first, then fewer failures, then older. A point of priority is worth a minute of waiting, so that
nothing starves, and a failure costs less than a point. All of that ages alike: the order is one fixed number.
"""

from collections.abc import Iterable

#: How many starts may be unanswered at one schedd: few enough that a late, important taskforce soon has its turn,
#: enough that the schedd never waits for us.
WINDOW = 4

#: Asked more often than this without an answer, a start no longer holds its place in the window: something is wrong
#: with it alone, and the others must not wait for that.
PATIENCE = 3

_SECONDS_A_POINT = 60.0
_SECONDS_A_FAILURE = 20.0


def rank(*, priority: int, n_failures: int, timestamp: float) -> float:
    """Return a taskforce's place in the order of starts, ascending; it stays the same while it waits."""
    return timestamp - _SECONDS_A_POINT * priority + _SECONDS_A_FAILURE * n_failures


def n_free(asked: Iterable[int]) -> int:
    """Return how many starts may be sent to a schedd, given how often each of its unanswered ones was asked."""
    return max(0, WINDOW - sum(1 for n_asked in asked if n_asked <= PATIENCE))
