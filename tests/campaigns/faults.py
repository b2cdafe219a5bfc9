"""(core) Plan the runs of the crash campaign: which fault strikes which process at which moment.

    kind   = victim x act               8 x 3 = 24
    run    = moment + one fault         every kind at every moment: 72 runs
           | moment + several faults    one run in six: 16 of 88

The plan depends on the seed alone, so that a run that failed can be run again by itself.
"""

import random
from dataclasses import dataclass
from enum import StrEnum
from itertools import product


class Victim(StrEnum):
    """What a fault strikes: EWMS's processes, the servers, one pilot."""

    WMS = "wms"
    MQS = "mqs"
    TMS = "tms"
    ISSUER = "issuer"
    MONGOD = "mongod"
    RABBITMQ = "RabbitMQ"
    POOL = "HTCondor"
    PILOT = "pilot"


class Act(StrEnum):
    """What happens to the victim."""

    KILL = "kill -9"
    PAUSE = "SIGSTOP"
    RESTART = "SIGTERM"


class Moment(StrEnum):
    """When the fault strikes in the life of a workflow."""

    SUBMIT = "submit"
    RUN = "run"
    END = "end"


#: How long a paused process stands still, in seconds.
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 3.0, 60.0
#: The moment is hit somewhere within this time, in seconds: the windows that lose something are short.
LARGEST_DELAY_S = 1.5


@dataclass(frozen=True, slots=True)
class Fault:
    """One act against one victim, `delay_s` after the moment has come."""

    victim: Victim
    act: Act
    delay_s: float
    #: How long a pause lasts; 0 for the other acts.
    pause_s: float = 0.0

    def __str__(self) -> str:
        length = f" for {self.pause_s:.0f} s" if self.act is Act.PAUSE else ""
        return f"{self.act} {self.victim}{length} at +{self.delay_s:.1f} s"


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One workflow and what strikes while it goes on."""

    number: int
    moment: Moment
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        return f"{self.moment}: {', '.join(map(str, self.faults))}"


#: Runs with one fault each: every kind at every moment.
N_SINGLE = len(Victim) * len(Act) * len(Moment)


def plan_runs(seed: int, n_runs: int) -> tuple[PlannedRun, ...]:
    """Return `n_runs` runs: every kind at every moment first, in a random order, then several faults at once.

    More runs than that many begin again with other times.
    """
    chance = random.Random(seed)
    n_round = N_SINGLE + N_SINGLE * 2 // 9
    runs: list[PlannedRun] = []
    while len(runs) < n_runs:
        singles = [(moment, (draw_fault(chance, *kind),)) for moment, *kind in product(Moment, Victim, Act)]
        several = [(chance.choice(list(Moment)), _draw_several(chance)) for _ in range(n_round - N_SINGLE)]
        chance.shuffle(singles)
        runs += [
            PlannedRun(number, moment, faults)
            for number, (moment, faults) in enumerate([*singles, *several], start=len(runs) + 1)
        ]
    return tuple(runs[:n_runs])


def _draw_several(chance: random.Random) -> tuple[Fault, ...]:
    victims = chance.sample(list(Victim), k=chance.randint(2, 4))
    return tuple(draw_fault(chance, victim, chance.choice(list(Act))) for victim in victims)


def draw_fault(chance: random.Random, victim: Victim, act: Act) -> Fault:
    """Return an act against a victim, at a moment of chance."""
    delay_s = round(chance.uniform(0, LARGEST_DELAY_S), 2)
    # Most pauses are short: the campaign's time goes into runs, not into waiting.
    pause_s = round(chance.triangular(SHORTEST_PAUSE_S, LONGEST_PAUSE_S, SHORTEST_PAUSE_S), 1)
    return Fault(victim, act, delay_s, pause_s if act is Act.PAUSE else 0.0)
