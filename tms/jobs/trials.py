"""Whether a taskforce's task fails everywhere, and which machines its jobs avoid. (core)

A pilot that finds its worker bad says on which machine. That alone does not tell a bad machine from a task that fails
on everything. All workers of a taskforce together tell more:

    one of them has succeeded            machines are bad: the jobs of the taskforce avoid these for a while
    none has, each that tried failed,    the task fails everywhere: each failure counts against its event at once,
    on all machines there are, or two    so that the run ends

A success anywhere takes that back. Where the pool has no other machine, none is avoided.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.statuses import CompoundStatuses, JobStatus, PilotStatus
from tms.jobs.restarts import AVOIDED_S

#: How many machines are avoided at most: the latest.
MAX_AVOIDED = 50
#: So many machines on which everything failed speak against the task.
_ENOUGH_MACHINES = 2
#: Workers that start together judge within this time of each other.
SETTLED_S = 8
#: Of so many workers the trial is kept, so that a taskforce of any size costs little.
MAX_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Condemned:
    """The machine of a worker that its pilot found bad, and when, in seconds since 1970."""

    machine: str
    at_s: int


@dataclass(slots=True)
class Trials:
    """What the workers of one taskforce have found out: the bad ones by ProcId, and the first that succeeded."""

    condemned: dict[int, Condemned] = field(default_factory=dict)
    succeeded: set[int] = field(default_factory=set)

    def condemn(self, proc: int, said: str) -> None:
        """Note what the pilot in `proc` said of its worker: `<seconds since 1970> <machine>`."""
        at, _, machine = said.partition(" ")
        if not (at.isascii() and at.isdecimal() and machine) or len(said) > MAX_KEPT:
            return
        if proc in self.condemned or len(self.condemned) < MAX_KEPT:
            self.condemned[proc] = Condemned(machine, int(at))

    def acquit(self, proc: int) -> None:
        """Note that the pilot in `proc` has succeeded."""
        if len(self.succeeded) < MAX_KEPT:
            self.succeeded.add(proc)


@dataclass(frozen=True, slots=True)
class Ruling:
    """What follows for the jobs of a taskforce. Without anything that was found out, nothing does.

    `avoids`: whether a job keeps away from machines at all; `machines`: from which, besides those where it failed.
    """

    charges_events: bool = False
    avoids: bool = True
    machines: tuple[str, ...] = ()
    #: Until when, in seconds since 1970.
    until_s: int = 0


def needs_ruling(trials: Trials, before: Ruling, now_s: float) -> bool:
    """Return whether the ruling may be another one than `before` by now."""
    if before.charges_events:
        return bool(trials.succeeded)
    return before != Ruling() or bool(_find_recent(trials, now_s))


def decide_ruling(
    trials: Trials, statuses: CompoundStatuses, *, before: Ruling, has_other_machine: bool, now_s: float
) -> Ruling:
    """Return what follows from `trials` for a taskforce whose jobs stand as `statuses` say.

    `before` is the ruling in force; `has_other_machine`: whether the pool has a machine that can take the jobs and is
    none of the condemned.
    """
    recent = _find_recent(trials, now_s)
    fails_everywhere = _has_failed_everywhere(trials, statuses, has_other_machine, now_s)
    if not trials.succeeded and (before.charges_events or fails_everywhere):
        return Ruling(charges_events=True, avoids=False)
    if not recent:
        return Ruling()
    if not has_other_machine:
        return Ruling(avoids=False)
    latest = _latest_by_machine(recent)
    names = sorted(latest, key=lambda name: (-latest[name], name))[:MAX_AVOIDED]
    return Ruling(machines=tuple(sorted(names)), until_s=max(latest[name] for name in names) + AVOIDED_S)


def _find_recent(trials: Trials, now_s: float) -> set[Condemned]:
    return {one for one in trials.condemned.values() if now_s - one.at_s <= AVOIDED_S}


def _has_failed_everywhere(trials: Trials, statuses: CompoundStatuses, has_other_machine: bool, now_s: float) -> bool:
    """Return whether every worker that has judged found itself bad, on machines enough, and none is still trying."""
    if not trials.condemned or now_s - max(one.at_s for one in trials.condemned.values()) < SETTLED_S:
        return False
    n_machines = len({one.machine for one in trials.condemned.values()})
    if has_other_machine and n_machines < _ENOUGH_MACHINES:
        return False
    return set(statuses.get(JobStatus.RUNNING, {})) <= {PilotStatus.FATAL_ERROR}


def _latest_by_machine(condemned: "set[Condemned]") -> Mapping[str, int]:
    latest: dict[str, int] = {}
    for one in condemned:
        latest[one.machine] = max(one.at_s, latest.get(one.machine, 0))
    return latest
