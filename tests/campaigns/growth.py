"""(core) Does a process grow? The slope of its memory by least squares, and the verdict on a whole run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

MB = 1024 * 1024

#: A process that grows by so much or more is not flat. Source: figure F9.
LIMIT_MB_PER_MIN = 1.0
LIMIT_FDS_PER_MIN = 1.0
#: So many more descriptors are no growth: connections in a pool come and go.
FDS_OF_A_POOL = 8

#: Over less time a slope is only shown: caches still fill.
JUDGED_FROM_S = 300.0
SHORTEST_S = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """A process at one moment."""

    at_s: float
    rss_bytes: int
    n_fds: int
    n_threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How a process changed after the warm-up."""

    name: str
    is_ours: bool
    span_s: float
    mb_per_min: float
    fds_per_min: float
    first_mb: float
    last_mb: float
    peak_mb: float
    n_fds: tuple[int, int]
    n_threads: tuple[int, int]

    @property
    def is_flat(self) -> bool:
        """Whether memory and descriptors stay as they are, as far as that can be told."""
        if self.span_s < JUDGED_FROM_S:
            return True
        keeps_fds = self.fds_per_min < LIMIT_FDS_PER_MIN or self.fds_per_min * self.span_s / 60 < FDS_OF_A_POOL
        return self.mb_per_min < LIMIT_MB_PER_MIN and keeps_fds


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return by how much y grows for each unit of x, by least squares; 0 of fewer than two different x."""
    if not points:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def growth_of(name: str, samples: Sequence[Sample], *, since_s: float, is_ours: bool) -> Growth | None:
    """Return how the process changed from `since_s` on; None if it was there for too short a time."""
    counted = [sample for sample in samples if sample.at_s >= since_s]
    if len(counted) < 3 or counted[-1].at_s - counted[0].at_s < SHORTEST_S:
        return None
    first, last = counted[0], counted[-1]
    return Growth(
        name=name,
        is_ours=is_ours,
        span_s=last.at_s - first.at_s,
        mb_per_min=60 * slope([(sample.at_s, sample.rss_bytes / MB) for sample in counted]),
        fds_per_min=60 * slope([(sample.at_s, float(sample.n_fds)) for sample in counted]),
        first_mb=first.rss_bytes / MB,
        last_mb=last.rss_bytes / MB,
        peak_mb=max(sample.rss_bytes for sample in counted) / MB,
        n_fds=(first.n_fds, last.n_fds),
        n_threads=(first.n_threads, last.n_threads),
    )


def rate(counts: Sequence[tuple[float, int]]) -> float:
    """Return how many a second came between the first and the last of `counts`, (seconds, total) each."""
    if len(counts) < 2 or counts[-1][0] == counts[0][0]:
        return 0.0
    return (counts[-1][1] - counts[0][1]) / (counts[-1][0] - counts[0][0])


def restarts(pids: Sequence[int | None]) -> int:
    """Return how often a process that was seen with `pids`, one a look, was another than before."""
    return sum(one != next_one for one, next_one in pairwise(pids))


def find_problems(
    growths: Sequence[Growth],
    *,
    restarted: Mapping[str, int],
    left: Mapping[str, tuple[int, int]],
    n_confirmed: int,
    n_received: int,
    n_repeated: int,
) -> list[str]:
    """Return what is wrong, a sentence each; empty if the run was good.

    `left` are the counts that must return to what they were: (before, after) by name.
    """
    found = [
        f"{growth.name} grows: {growth.mb_per_min:+.2f} MB and {growth.fds_per_min:+.2f} descriptors a minute"
        for growth in growths
        if growth.is_ours and not growth.is_flat
    ]
    found += [f"{name} was restarted {n} times" for name, n in restarted.items() if n]
    found += [
        f"{name}: {after} are left, and {before} were there before"
        for name, (before, after) in left.items()
        if after > before
    ]
    if n_received != n_confirmed:
        found.append(f"{n_confirmed} events were confirmed, {n_received} came back")
    if n_repeated:
        found.append(f"{n_repeated} events came to the loop twice")
    return found
