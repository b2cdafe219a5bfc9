"""(core) Decide how long a child that ended by itself waits before its restart."""

#: A child that has run this long is healthy: its next end counts as the first.
HEALTHY_S = 60.0
_FIRST_S = 0.5
_LONGEST_S = 30.0


def count_short_lives(n_before: int, *, lived_s: float) -> int:
    """Return how many short lives in a row the child has had, this one included.

    `n_before` is the number before this one. After a life of at least `HEALTHY_S`, the count starts again at 1.
    """
    return 1 if lived_s >= HEALTHY_S else n_before + 1


def delay_s(n_short_lives: int) -> float:
    """Return the pause in seconds before a restart: 0 after the first short life, then growing, at most 30."""
    if n_short_lives <= 1:
        return 0.0
    # Bound the exponent: a float overflows.
    return min(_FIRST_S * 2.0 ** min(n_short_lives - 2, 10), _LONGEST_S)
