"""Decide which taskforce starts next. (core)

Each schedd has at most as many unanswered starts as the window of its TMS port. All other taskforces wait here, where
WMS can put them in order.

Users share the starts. The next start goes to the user with the fewest starts under way; among several such users, to
the user with the longest wait for a turn. Priority counts only among the taskforces of one user: higher priority first,
then fewer failures, then older. A point of priority is worth a minute of waiting, so every taskforce starts at some
time. A failure costs less than a point. All taskforces age alike, so each taskforce's place in the order is one fixed
number.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from wms.fleet.life.conditions import PATIENCE

_SECONDS_A_POINT = 60.0
_SECONDS_A_FAILURE = 20.0


def start_rank(*, priority: int, n_failures: int, timestamp: float) -> float:
    """Return a number that orders the starts: the taskforce with the smallest starts first. It does not change with
    time.
    """
    return timestamp - _SECONDS_A_POINT * priority + _SECONDS_A_FAILURE * n_failures


def choose_owners(
    owners: Iterable[str], under_way: Mapping[str, int], last_turn: Mapping[str, int], n: int
) -> list[str]:
    """Return the owners of the next `n` starts, in order.

    `owners` have waiting taskforces. `under_way` counts their unanswered starts. `last_turn` numbers each owner's last
    start: a larger number is later, and an owner without a number has had no start.
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


def count_free_starts(asked: Iterable[int], *, window: int) -> int:
    """Return how many starts may go to a schedd. `asked` has for each unanswered start how often WMS has sent the
    order.
    """
    return max(0, window - sum(1 for n_asked in asked if n_asked <= PATIENCE))
