"""Decide which hosts of a batch run the next task, and whether the job stops before it. (core)

A host goes on as long as each task before has ended well there. Two things stop all hosts:

* more hosts of a batch have failed than `max_fail_percentage` allows (the percentage must be exceeded);
* a batch has no host left.

With strategy `free` a batch is one node, so these rules count between batches.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from schemas.automation.jobs import HostState
from schemas.ids import RunUuid

#: What stops a host, and what a rerun of the failed hosts takes.
BAD_STATES = (HostState.FAILED, HostState.ERROR)


def name_host(job: RunUuid, place: int) -> str:
    """Return the id of the host at a place of a job."""
    return f"{job}/{place}"


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a decision needs to know of a host."""

    id: str
    batch: int
    #: The number of a task -> what it has done here.
    states: Mapping[int, HostState]

    @property
    def is_bad(self) -> bool:
        """Whether a task has failed here."""
        return any(state in BAD_STATES for state in self.states.values())


@dataclass(frozen=True, slots=True)
class HostChoice:
    """The ids of the hosts that run a task now. If there are none, `reason` says why."""

    hosts: tuple[str, ...] = ()
    reason: str = ""


def choose_hosts(hosts: Iterable[HostFacts], *, batch: int, first_task: int, max_fail_percentage: float) -> HostChoice:
    """Return the hosts of the batch that run the task number `first_task`.

    `hosts` has those of earlier batches, too.
    """
    hosts = list(hosts)
    for number in range(batch + 1):
        members = [host for host in hosts if host.batch == number]
        reason = _find_stop(members, number, max_fail_percentage)
        if reason:
            return HostChoice(reason=reason)
    ready = [
        host.id
        for host in hosts
        if host.batch == batch and all(host.states.get(task) is HostState.OK for task in range(first_task))
    ]
    return HostChoice(tuple(ready), "" if ready else "no host is left")


def _find_stop(members: Sequence[HostFacts], number: int, max_fail_percentage: float) -> str:
    n_bad = sum(host.is_bad for host in members)
    if n_bad and n_bad == len(members):
        return f"no host of batch {number + 1} is left"
    if n_bad * 100 > max_fail_percentage * len(members):
        return f"{n_bad} of {len(members)} hosts of batch {number + 1} failed; {max_fail_percentage:g} % may"
    return ""


def judge_host(states: Mapping[int, HostState], n_tasks: int) -> HostState:
    """Return the state of a host after these results of its tasks."""
    for state in (HostState.ERROR, HostState.FAILED, HostState.CANCELED):
        if state in states.values():
            return state
    done = sum(state is HostState.OK for state in states.values())
    return HostState.OK if done >= n_tasks else HostState.PENDING
