"""(core) How much of the gateway one caller may use, so that others have room.

A caller may have `max_at_once` requests under way; `max_running` of these run, and the others wait. A caller may send
`burst` requests in a row: each takes one from the caller's bucket, which fills again at `per_s` requests a second. If
the bucket is empty, the answer is a 429 with Retry-After. The table has buckets of `MAX_REMEMBERED` callers. It forgets
the caller that was away longest, because that caller's bucket is full again.
"""

import math
from collections import Counter, OrderedDict
from dataclasses import dataclass

from schemas.errors import OverQuota

MAX_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class CallerLimits:
    """How many requests one caller may send and have under way. A `per_s` of 0 means any rate."""

    max_at_once: int = 24
    #: How many of the `max_at_once` run. The others wait for their turn, in the caller's own line.
    max_running: int = 6
    #: How many run of those that cost much memory or many questions to the broker (`Route.is_heavy`).
    max_heavy: int = 2
    per_s: float = 200.0
    burst: int = 2000


@dataclass(slots=True)
class _Bucket:
    n_left: float
    filled_at: float


class OverLimit(OverQuota):
    """A caller has too many requests under way, or has sent too many."""


class CallerTable:
    """Counts each caller's requests. A caller is a token's subject, or an address before the token is checked."""

    def __init__(self, limits: CallerLimits) -> None:
        self._limits = limits
        self._n_under_way: Counter[str] = Counter()
        #: Caller -> bucket, the least recently used first.
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    @property
    def n_remembered(self) -> int:
        """The number of callers that the table has a record of."""
        return len(self._buckets.keys() | self._n_under_way.keys())

    def begin_request(self, caller: str, now: float) -> None:
        """Count a request that begins at `now` (seconds).

        Raises:
            OverLimit: the caller has `max_at_once` requests under way already, or its bucket is empty.
        """
        limits = self._limits
        if self._n_under_way.get(caller, 0) >= limits.max_at_once:
            raise OverLimit(
                f"you have {limits.max_at_once} requests under way, the most that one caller may have",
                hint="wait for answers before you send more requests",
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
        """Count the end of a request that `begin_request` has counted."""
        self._n_under_way[caller] -= 1
        if self._n_under_way[caller] <= 0:
            del self._n_under_way[caller]

    def _take_from_bucket(self, caller: str, now: float) -> float:
        """Take one request out of the caller's bucket. Return 0, or in how many seconds the bucket has one again."""
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
