"""Limit how many reports, or spans of them, are sent: a burst at once, then so many a second. (core)"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Allowance:
    """`burst` may be sent at once, and `per_s` a second after that. `n_used` of the burst are used at `as_of_s`.

    `as_of_s` is a time of a monotonic clock, in seconds.
    """

    burst: float
    per_s: float
    n_used: float = 0.0
    as_of_s: float = 0.0


def take_one(allowance: Allowance, now_s: float) -> Allowance | None:
    """Return the allowance after one more at `now_s`. Return None if none is left: then drop what should be sent."""
    n_used = max(0.0, allowance.n_used - max(0.0, now_s - allowance.as_of_s) * allowance.per_s)
    return replace(allowance, n_used=n_used + 1, as_of_s=now_s) if n_used + 1 <= allowance.burst else None
