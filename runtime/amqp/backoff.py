"""Choose a random pause before another try (full jitter), so that ten thousand pilots do not return at one moment."""

import random


def full_jitter(attempt: int, *, base_s: float = 0.5, cap_s: float = 30.0) -> float:
    """Return how many seconds to wait before repetition number `attempt` (from 0).

    The pause is random, between 0 and the smaller of `cap_s` and `base_s * 2**attempt`. Of all kinds of jitter this
    kind puts the smallest load on the server. Source: M. Brooker, "Exponential Backoff And Jitter" (AWS Architecture
    Blog).
    """
    # Bound the exponent first: attempt 10 000 of a long outage must not overflow a float.
    ceiling = min(cap_s, base_s * 2.0 ** min(attempt, 60))
    return random.uniform(0.0, ceiling)  # noqa: S311 - spreads load, guards nothing
