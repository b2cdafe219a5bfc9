"""(core) Plan the runs of the engine's crash campaign: what is struck, how, and at which point of the code.

The points are read from the source: each `failpoint("name")`, and where a stimulus is its case, one for each stimulus.
A *sweep* of seeds that follow one another meets each point once. Eight sweeps in a row meet it in each way: each of
the four victims is killed there, and frozen.
"""

import ast
import random
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from wms.engine.life.stimuli import RunStimulus

#: The process that the last step of `walk` starts, and one whose form refuses what the same step starts it with.
LEAF = "leaf"
CHOOSY = "choosy"
#: The failpoint within the step that takes long.
LONG_STEP = "campaign.long_step"
#: What the step lists leave in the count, from 0: every step that counts has taken effect exactly once.
WALK_COUNT = 4
LEAF_COUNT = 2

_ROOT = Path(__file__).parents[2]
#: Where an engine's run comes along in WMS, and in a step worker.
_WMS_SOURCES = ("wms/engine", "runtime/bus/intake.py", "runtime/kernel/store.py")
_WORKER_SOURCES = ("ewms/worker",)
#: So many seeds in a row are a sweep.
SEEDS_A_SWEEP = 25
#: The campaign's connections to the broker end when nothing has come for two to three times this long, in seconds.
HEARTBEAT_S = 2


class Victim(StrEnum):
    """What is struck."""

    WMS = "wms"
    WORKER = "worker"
    BROKER = "broker"
    DATABASE = "database"


class Strike(StrEnum):
    """How it is struck: by SIGKILL, or by SIGSTOP for longer than the heartbeat of the connections."""

    KILL = "kill"
    FREEZE = "freeze"


@dataclass(frozen=True, slots=True)
class Way:
    """Who is struck, and how."""

    strike: Strike
    victim: Victim

    def __str__(self) -> str:
        """Return the way in words."""
        return f"{self.strike} {self.victim}"


_PROCESS_WAYS = tuple(Way(strike, victim) for strike in Strike for victim in (Victim.WMS, Victim.WORKER))
_SERVER_WAYS = tuple(Way(strike, victim) for strike in Strike for victim in (Victim.BROKER, Victim.DATABASE))
WAYS = _PROCESS_WAYS + _SERVER_WAYS


@dataclass(frozen=True, slots=True)
class Point:
    """A place in the code of one process: WMS, or a step worker."""

    process: Victim
    name: str


@dataclass(frozen=True, slots=True)
class PlannedStrikes:
    """What happens during one run of the campaign."""

    seed: int
    at_points: Mapping[Point, Way]
    #: How long after the launch one run is canceled, in seconds.
    cancel_after_s: float
    #: Whether the step workers start only after the launch.
    workers_are_late: bool
    #: The plans of several seeds that share their processes, if this plan is all of them.
    parts: tuple["PlannedStrikes", ...] = ()

    @property
    def seeds(self) -> tuple["PlannedStrikes", ...]:
        """The plan of each seed."""
        return self.parts or (self,)

    @property
    def strike_at_long_step(self) -> Strike | None:
        """How the step workers are struck within the step that takes long: some points are met only after that."""
        if _is_any_of(self.at_points, "StepWorkerGone"):
            return Strike.FREEZE
        return Strike.KILL if _is_any_of(self.at_points, "NodeReturned") else None

    def __str__(self) -> str:
        """Return the strikes in one line."""
        return ", ".join(f"{way} at {point.name}" for point, way in self.at_points.items())


def find_points(root: Path = _ROOT) -> list[Point]:
    """Return every point at which something may be struck, in the order of the source."""
    return [
        *(Point(Victim.WMS, name) for source in _WMS_SOURCES for name in read_point_names(root / source)),
        *(Point(Victim.WORKER, name) for source in _WORKER_SOURCES for name in read_point_names(root / source)),
    ]


def read_point_names(source: Path) -> list[str]:
    """Return the names of the failpoints in the source `source`, a file or a directory."""
    files = sorted(source.rglob("*.py")) if source.is_dir() else [source]
    names: list[str] = []
    for file in files:
        for call in ast.walk(ast.parse(file.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "failpoint":
                constant, *cases = call.args
                assert isinstance(constant, ast.Constant), f"{file}: a failpoint needs its name as a text"
                name = str(constant.value)
                stimuli = [stimulus.__name__ for stimulus in typing.get_args(RunStimulus)]
                names += [f"{name}/{stimulus}" for stimulus in stimuli] if cases else [name]
    return names


def plan_strikes(seed: int, points: list[Point], *, few_servers: bool = False) -> PlannedStrikes:
    """Return what happens in the run `seed`. With `few_servers` each way to strike a server comes once a sweep."""
    rng = random.Random(seed)
    sweep, place = divmod(seed, SEEDS_A_SWEEP)
    ways = {point: _choose_way(number, sweep, few_servers=few_servers) for number, point in enumerate(points)}
    # Each sweep shuffles the points anew, so that over many sweeps each meets each other.
    shuffled = random.Random(sweep).sample(points, len(points))
    mine = [point for number, point in enumerate(shuffled) if number % SEEDS_A_SWEEP == place]
    return PlannedStrikes(
        seed=seed,
        at_points={point: ways[point] for point in mine},
        cancel_after_s=rng.uniform(0.0, 2.0),
        workers_are_late=rng.random() < 0.2 or _is_any_of(mine, "Unserved", "StepWorkerCame"),
    )


def join_plans(plans: Sequence[PlannedStrikes]) -> PlannedStrikes:
    """Return the plan of several seeds that share WMS and the step workers: these meet the points of all seeds."""
    return PlannedStrikes(
        seed=plans[0].seed,
        at_points={point: way for planned in plans for point, way in planned.at_points.items()},
        cancel_after_s=plans[0].cancel_after_s,
        workers_are_late=any(planned.workers_are_late for planned in plans),
        parts=tuple(plans),
    )


def join_neighbours(plans: Sequence[PlannedStrikes], n_together: int) -> list[PlannedStrikes]:
    """Return the plans joined, `n_together` that follow one another at a time.

    A seed whose step workers are struck in the long step stays alone: WMS must live until it has heard of that.
    """
    alone = [planned for planned in plans if planned.strike_at_long_step is not None]
    others = [planned for planned in plans if planned.strike_at_long_step is None]
    return [*alone, *(join_plans(others[at : at + n_together]) for at in range(0, len(others), n_together))]


def _is_any_of(points: Iterable[Point], *stimuli: str) -> bool:
    return any(point.name.rpartition("/")[2] in stimuli for point in points)


def _choose_way(number: int, sweep: int, *, few_servers: bool) -> Way:
    turn = (number + sweep) % len(WAYS)
    # With few servers, eight points that follow one another are struck in all ways.
    is_spared = few_servers and number // len(WAYS) != 1
    return WAYS[turn % len(_PROCESS_WAYS) if is_spared else turn]
