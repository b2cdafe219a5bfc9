"""When a step that may repeat is called again, in a rehearsal. (core)"""

from datetime import timedelta

from schemas.graph import RetryPolicy


def pause_after(policy: RetryPolicy, n_failed: int) -> timedelta | None:
    """Return the pause after the attempt number `n_failed` (from 1) has failed; None: that was the last one."""
    if policy.attempts is not None and n_failed >= policy.attempts:
        return None
    # The exponent is bounded: `longest_s` has won long before, and a larger one overflows a float.
    return timedelta(seconds=min(policy.longest_s, policy.first_s * policy.factor ** min(n_failed - 1, 100)))
