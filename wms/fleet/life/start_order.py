"""Which taskforce is started next. (core)

At each schedd at most `WINDOW` starts are unanswered; so what waits, waits here, where it can be put in order.

Between users starts are shared: the next one belongs to the user who has the fewest under way, and of several such to
the one who has waited longest for a turn. Priority counts among the taskforces of one user only: higher priority first,
then fewer failures, then older. A point of priority is worth a minute of waiting, so that nothing starves, and a
failure costs less than a point. All of that ages alike: the order is one fixed number.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

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


def turns(owners: Iterable[str], under_way: Mapping[str, int], last_turn: Mapping[str, int], n: int) -> list[str]:
    """Return whose taskforces are started next, `n` of them, in order.

    `owners` have something waiting, `under_way` counts their unanswered starts, and `last_turn` says when each had a
    turn before: a larger number is later, an owner who is not in it has had none.
    """
    counts = Counter({owner: under_way.get(owner, 0) for owner in owners})
    turn_of = {owner: last_turn.get(owner, -1) for owner in counts}
    chosen: list[str] = []
    now = max(turn_of.values(), default=0)
    while counts and len(chosen) < n:
        owner = min(counts, key=lambda owner: (counts[owner], turn_of[owner], owner))
        chosen.append(owner)
        counts[owner] += 1
        now += 1
        turn_of[owner] = now
    return chosen


def n_free(asked: Iterable[int]) -> int:
    """Return how many starts may be sent to a schedd, given how often each of its unanswered ones was asked."""
    return max(0, WINDOW - sum(1 for n_asked in asked if n_asked <= PATIENCE))
