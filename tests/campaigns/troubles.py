"""(core) Plan the runs of the endings campaign: which trouble meets which workflow, and how the run must end.

    60 runs = 11 troubles x 5, and five more, in a random order

A run has `n_events` good and bad events. Bad ones must become dead letters that their user can read, every good one
must come back, and the run must end by itself. The plan depends on the seed alone.
"""

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

N_EVENTS = 30


class Trouble(StrEnum):
    """What goes wrong in a run."""

    BUG = "the task fails on some events"
    POISON = "some events kill their pilot"
    TOO_LONG = "some events take longer than a worker lives"
    BLACK_HOLE = "most workers fail on everything"
    ALL_FAIL = "the task fails on everything"
    KILLED = "pilots are killed"
    NODE_LOST = "the worker node is lost"
    SLOW_USER = "the user takes results slowly"
    SLEEPY_USER = "the user's loop ends again and again"
    NO_SLOT = "no slot can take the workers"
    WRONG_REQUEST = "the request or its events are wrong"


#: Troubles that lie in single events.
IN_EVENTS = frozenset({Trouble.BUG, Trouble.POISON, Trouble.TOO_LONG, Trouble.ALL_FAIL})

#: How many events are bad, at most; one that takes too long costs a worker's life at each attempt.
_MOST_BAD: Mapping[Trouble, int] = {Trouble.BUG: 6, Trouble.POISON: 3, Trouble.TOO_LONG: 1, Trouble.ALL_FAIL: N_EVENTS}


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One workflow and the trouble that it meets."""

    number: int
    trouble: Trouble
    n_workers: int
    #: The events that must end as dead letters.
    bad: frozenset[int]
    #: How often a strike is repeated, how many workers are bad, or which wrong request it is.
    times: int
    #: When strikes begin, in seconds after the first result.
    delay_s: float

    @property
    def good(self) -> frozenset[int]:
        """The events that must come back."""
        return frozenset(range(N_EVENTS)) - self.bad

    def __str__(self) -> str:
        bad = f", bad: {sorted(self.bad)}" if self.bad else ""
        return f"{self.trouble}, {self.n_workers} workers, {self.times} times{bad}"


def plan_runs(seed: int, n_runs: int, kinds: Collection[Trouble] = tuple(Trouble)) -> tuple[PlannedRun, ...]:
    """Return `n_runs` runs with troubles of `kinds`; among as many runs as kinds each comes once, in a random order."""
    chance = random.Random(seed)
    runs: list[PlannedRun] = []
    while len(runs) < n_runs:
        troubles = [trouble for trouble in Trouble if trouble in kinds]
        chance.shuffle(troubles)
        runs += [_draw_run(chance, len(runs) + place, trouble) for place, trouble in enumerate(troubles, start=1)]
    return tuple(runs[:n_runs])


def _draw_run(chance: random.Random, number: int, trouble: Trouble) -> PlannedRun:
    n_bad = chance.randint(1, _MOST_BAD[trouble]) if trouble in IN_EVENTS else 0
    n_bad = N_EVENTS if trouble is Trouble.ALL_FAIL else n_bad
    return PlannedRun(
        number=number,
        trouble=trouble,
        n_workers=chance.randint(2, 4),
        bad=frozenset(chance.sample(range(N_EVENTS), n_bad)),
        times=chance.randint(1, 4),
        delay_s=round(chance.uniform(0, 2), 2),
    )


@dataclass(frozen=True, slots=True)
class Ending:
    """What a run came to, as its user saw it."""

    #: The results, by how often each came.
    received: Mapping[int, int]
    #: The dead letters that could be read, by the number in their bytes.
    dead: frozenset[int]
    #: How the run ended by itself; empty if it did not.
    outcome: str
    #: Seconds for which nothing could work and nothing said so, the longest time.
    unseen_stall_s: float = 0.0
    #: Seconds between the last look at an unsettled event and the end of the run.
    end_took_s: float = 0.0
    #: What else was not as promised, one sentence each.
    faults: tuple[str, ...] = ()


#: A stalled run must say so within this time; the watcher looks every few seconds.
UNSEEN_STALL_S = 30.0

#: A run must end within this time after its last event is settled.
LATE_END_S = 60.0


def find_faults(run: PlannedRun, ending: Ending) -> tuple[str, ...]:
    """Return what is wrong with how `run` ended, one sentence each; empty if all of it is good."""
    faults = list(ending.faults)
    if ending.unseen_stall_s > UNSEEN_STALL_S:
        faults.append(f"stalled unseen for {ending.unseen_stall_s:.0f} s")
    if run.trouble in {Trouble.NO_SLOT, Trouble.WRONG_REQUEST}:
        return tuple(faults)
    if ending.end_took_s > LATE_END_S:
        faults.append(f"it ended {ending.end_took_s:.0f} s after its last event was settled")
    if missing := sorted(run.good - ending.received.keys()):
        faults.append(f"good events without a result: {missing}")
    if missing := sorted(run.bad - ending.dead):
        faults.append(f"bad events without a dead letter: {missing}")
    if wrong := sorted(ending.dead - run.bad):
        faults.append(f"good events among the dead letters: {wrong}")
    wanted = "done with failures" if run.bad else "done"
    if ending.outcome != wanted:
        faults.append(f"it ended as {ending.outcome or 'nothing'}, not as {wanted}")
    return tuple(faults)
