"""Decide whether a taskforce's task fails everywhere, and which machines its jobs avoid. (core)

A pilot that finds its worker bad reports the machine. One report does not show whether the machine is bad or the task
fails everywhere. The reports of all workers of a taskforce show more:

    a worker has succeeded               the machines are bad: the taskforce's jobs avoid them for a while
    all workers that tried have failed,  the task fails everywhere: each failure counts against its event at once,
    on two machines or on all machines   so that the run ends

A success on any worker revokes the second ruling. If the pool has no other machine, jobs avoid no machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.fleet.statuses import CompoundStatuses, JobStatus, PilotStatus
from tms.jobs.restarts import AVOIDED_S

#: The most machines that a taskforce avoids: the latest ones.
MAX_AVOIDED = 50
#: If everything has failed on this many machines, the task is the cause.
_ENOUGH_MACHINES = 2
#: Workers that start together reach their verdicts within this many seconds of each other.
SETTLED_S = 8
#: The most workers whose findings TMS keeps, so that a large taskforce costs little memory.
MAX_KEPT = 1000


@dataclass(frozen=True, slots=True)
class CondemnedWorker:
    """The machine of a bad worker, and when the pilot found it bad, in seconds since 1970."""

    machine: str
    at_s: int


@dataclass(slots=True)
class Trials:
    """The pilots' findings about a taskforce's workers, by ProcId: the bad workers, and the workers that have
    succeeded.

    Each kind holds at most `MAX_KEPT` workers, the first ones.
    """

    condemned: dict[int, CondemnedWorker] = field(default_factory=dict)
    succeeded: set[int] = field(default_factory=set)

    def note_bad_worker(self, proc: int, said: str) -> None:
        """Note that the pilot of the job `proc` finds its worker bad.

        `said` is the pilot's chirp, `<seconds since 1970> <machine>`. Ignore a chirp of another form.
        """
        at, _, machine = said.partition(" ")
        if not (at.isascii() and at.isdecimal() and machine) or len(said) > MAX_KEPT:
            return
        if proc in self.condemned or len(self.condemned) < MAX_KEPT:
            self.condemned[proc] = CondemnedWorker(machine, int(at))

    def note_success(self, proc: int) -> None:
        """Record that the pilot of the job `proc` has processed an event successfully. Only the first `MAX_KEPT` jobs
        count.
        """
        if len(self.succeeded) < MAX_KEPT:
            self.succeeded.add(proc)


@dataclass(frozen=True, slots=True)
class Ruling:
    """The rules for the jobs of a taskforce. The default applies if there are no findings.

    `charges_events` is whether a failure counts at once as an attempt of its event. `avoids` is whether jobs avoid
    machines at all: `machines`, and the machines where the job itself failed.
    """

    charges_events: bool = False
    avoids: bool = True
    machines: tuple[str, ...] = ()
    #: When jobs stop avoiding `machines`, in seconds since 1970.
    until_s: int = 0


def needs_ruling(trials: Trials, before: Ruling, now_s: float) -> bool:
    """Return whether `decide_ruling` may now return another ruling than `before`."""
    if before.charges_events:
        return bool(trials.succeeded)
    return before != Ruling() or bool(_find_recent(trials, now_s))


def decide_ruling(
    trials: Trials, statuses: CompoundStatuses, *, before: Ruling, has_other_machine: bool, now_s: float
) -> Ruling:
    """Return the ruling that follows from `trials` and from the jobs' `statuses`.

    `before` is the ruling in force. `has_other_machine` is whether a machine without a bad worker can take the jobs.
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


def _find_recent(trials: Trials, now_s: float) -> set[CondemnedWorker]:
    return {one for one in trials.condemned.values() if now_s - one.at_s <= AVOIDED_S}


def _has_failed_everywhere(trials: Trials, statuses: CompoundStatuses, has_other_machine: bool, now_s: float) -> bool:
    """Return whether all workers that have shown a result are bad, on enough machines, and no result is still to
    come.
    """
    if not trials.condemned or now_s - max(one.at_s for one in trials.condemned.values()) < SETTLED_S:
        return False
    n_machines = len({one.machine for one in trials.condemned.values()})
    if has_other_machine and n_machines < _ENOUGH_MACHINES:
        return False
    return set(statuses.get(JobStatus.RUNNING, {})) <= {PilotStatus.FATAL_ERROR}


def _latest_by_machine(condemned: "set[CondemnedWorker]") -> Mapping[str, int]:
    latest: dict[str, int] = {}
    for one in condemned:
        latest[one.machine] = max(one.at_s, latest.get(one.machine, 0))
    return latest
