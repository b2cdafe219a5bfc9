"""How long to wait before trying again: full jitter, so that ten thousand pilots do not come back together."""

import random


def full_jitter(attempt: int, *, base_s: float = 0.5, cap_s: float = 30.0) -> float:
    """Return seconds to wait before the `attempt`-th repetition (from 0): uniform up to `base_s * 2**attempt`.

    Source: M. Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog): of the jittered kinds this one
    costs the server least.
    """
    # The exponent is bounded before the power is taken: attempt 10 000 of a long outage must not overflow a float.
    ceiling = min(cap_s, base_s * 2.0 ** min(attempt, 60))
    return random.uniform(0.0, ceiling)  # noqa: S311 - spreads load, guards nothing
