"""When a step that may repeat is called again: tenacity's terms, which the engine carries out by timer. (core)"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class RepeatPolicy:
    """Call again after `wait`, then after twice that, up to `longest`. `attempts` bounds the calls; None: no bound."""

    wait: timedelta = timedelta(seconds=60)
    longest: timedelta = timedelta(minutes=10)
    attempts: int | None = None

    def __post_init__(self) -> None:
        if self.wait <= timedelta() or self.longest < self.wait or (self.attempts is not None and self.attempts < 1):
            raise ValueError("a retry needs wait > 0, longest >= wait, and attempts >= 1 or None")


def pause_after(policy: RepeatPolicy, n_failed: int) -> timedelta | None:
    """Return the pause after the attempt number `n_failed` (from 1) has failed; None: that was the last one."""
    if policy.attempts is not None and n_failed >= policy.attempts:
        return None
    # The exponent is bounded: a larger one overflows a timedelta, and `longest` has won long before.
    factor: int = 2 ** min(n_failed - 1, 20)
    return min(policy.longest, policy.wait * factor)
