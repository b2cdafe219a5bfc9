"""Choose at random when to try again (full jitter), and where: ten thousand pilots must not return at one moment to
one node.
"""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def full_jitter(attempt: int, *, base_s: float = 0.5, cap_s: float = 30.0) -> float:
    """Return how many seconds to wait before repetition number `attempt` (from 0).

    The pause is random, between 0 and the smaller of `cap_s` and `base_s * 2**attempt`. Of all kinds of jitter this
    kind puts the smallest load on the server. Source: M. Brooker, "Exponential Backoff And Jitter" (AWS Architecture
    Blog).
    """
    # Bound the exponent first: attempt 10 000 of a long outage must not overflow a float.
    ceiling = min(cap_s, base_s * 2.0 ** min(attempt, 60))
    return random.uniform(0.0, ceiling)  # noqa: S311 - spreads load, guards nothing


def in_random_order(places: Sequence[T]) -> list[T]:
    """Return `places` in a random order, so that clients spread over the nodes of a server."""
    return random.sample(places, len(places))
