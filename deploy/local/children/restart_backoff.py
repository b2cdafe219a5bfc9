"""(core) How long a child that ended by itself waits until it is started again."""

#: A child that has lived this long is well: its next end counts as the first.
HEALTHY_S = 60.0
_FIRST_S = 0.5
_LONGEST_S = 30.0


def count_short_lives(n_before: int, *, lived_s: float) -> int:
    """Return how many lives in a row were short, including the one of `lived_s` that has just ended."""
    return 1 if lived_s >= HEALTHY_S else n_before + 1


def delay_s(n_short_lives: int) -> float:
    """Return how long to wait after so many short lives: nothing after one, then ever longer, half a minute at most."""
    if n_short_lives <= 1:
        return 0.0
    # The exponent is bounded, for a float is.
    return min(_FIRST_S * 2.0 ** min(n_short_lives - 2, 10), _LONGEST_S)
