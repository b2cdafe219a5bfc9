"""(core) How much of the gateway one caller may use, so that others have room.

A caller may have `max_at_once` requests under way, and fewer of them run. It may send `burst` requests in a row: they
come out of a bucket that fills again at `per_s`. The answer to a request beyond that says when to come again. The table
has room for `MAX_REMEMBERED` callers. It forgets the one that was away longest, whose bucket is full again anyway.
"""

import math
from collections import Counter, OrderedDict
from dataclasses import dataclass

from schemas.errors import OverQuota

MAX_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class CallerLimits:
    """What one caller may do. A `per_s` of 0 means any rate."""

    max_at_once: int = 24
    #: How many of them run at once. The others wait for their turn, in the caller's own line.
    max_running: int = 6
    #: The same for requests that cost much memory or many questions to the broker.
    max_heavy: int = 2
    per_s: float = 200.0
    burst: int = 2000


@dataclass(slots=True)
class _Bucket:
    n_left: float
    filled_at: float


class OverLimit(OverQuota):
    """A caller asks for more than its share of the gateway."""


class CallerTable:
    """Count what each caller has under way. A caller is the subject of a token, or an address until that is known."""

    def __init__(self, limits: CallerLimits) -> None:
        self._limits = limits
        self._n_under_way: Counter[str] = Counter()
        #: In the order of their last use.
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    @property
    def n_remembered(self) -> int:
        """How many callers the table has records of."""
        return len(self._buckets.keys() | self._n_under_way.keys())

    def begin_request(self, caller: str, now: float) -> None:
        """Count a request that begins at `now`, in seconds.

        Raises:
            OverLimit: the caller has too many under way, or has sent too many.
        """
        limits = self._limits
        if self._n_under_way.get(caller, 0) >= limits.max_at_once:
            raise OverLimit(
                f"you have {limits.max_at_once} requests under way, the most that one caller may have",
                hint="wait for answers before you send further requests",
                retry_after_s=1,
            )
        if limits.per_s and (wait_s := self._take_from_bucket(caller, now)) > 0:
            raise OverLimit(
                f"you have sent too many requests; one caller may send {limits.per_s:g} a second",
                hint="come again after the seconds in Retry-After",
                retry_after_s=math.ceil(wait_s),
            )
        self._n_under_way[caller] += 1

    def end_request(self, caller: str) -> None:
        """Count the end of a request that has entered."""
        self._n_under_way[caller] -= 1
        if self._n_under_way[caller] <= 0:
            del self._n_under_way[caller]

    def _take_from_bucket(self, caller: str, now: float) -> float:
        """Take one request out of the caller's bucket; return how long to wait for one if it is empty."""
        limits = self._limits
        bucket = self._buckets.pop(caller, None) or _Bucket(limits.burst, now)
        grown = bucket.n_left + max(0.0, now - bucket.filled_at) * limits.per_s
        bucket.n_left, bucket.filled_at = min(limits.burst, grown), now
        self._buckets[caller] = bucket
        if len(self._buckets) > MAX_REMEMBERED:
            self._buckets.popitem(last=False)
        if bucket.n_left < 1:
            return (1 - bucket.n_left) / limits.per_s
        bucket.n_left -= 1
        return 0.0
