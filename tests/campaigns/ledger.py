"""(core) Hold what a run's publisher was promised against what became of it.

confirmed ⊆ received ∪ dead letters        else an event is lost
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one run's events."""

    n_confirmed: int
    n_received: int
    #: Confirmed events that are neither here nor dead.
    lost: frozenset[int]
    #: How often the loop over the results saw an event again.
    n_repeats: int
    n_dead: int
    #: Why the workflow did not come to its end; empty if it did.
    stuck: str = ""

    @property
    def is_good(self) -> bool:
        """Whether no event is lost and the workflow ended."""
        return not self.lost and not self.stuck


def judge_run(
    confirmed: Iterable[int], received: Mapping[int, int], *, dead: Iterable[int] = (), stuck: str = ""
) -> Verdict:
    """Return the verdict on a run that had `confirmed` events and `received` each so often."""
    promised, dead_ones = set(confirmed), set(dead)
    counts = Counter(received)
    return Verdict(
        n_confirmed=len(promised),
        n_received=len(counts),
        lost=frozenset(promised - counts.keys() - dead_ones),
        n_repeats=sum(counts.values()) - len(counts),
        n_dead=len(dead_ones),
        stuck=stuck,
    )
