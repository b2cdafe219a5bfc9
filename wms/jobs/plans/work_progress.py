"""Decide how far a work is: which hosts have ended, and what the job says of hosts that never answer. (core)"""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.automation.jobs import HostResult, HostState, JobWorkDocument
from schemas.fleet.documents import TaskforceDocument
from schemas.ids import RunUuid
from wms.fleet.life.conditions import has_given_up, is_over
from wms.jobs.plans.host_choice import HostFacts, name_host


@dataclass(frozen=True, slots=True)
class MissingResult:
    """A host, and the number of the task whose result is still missing there."""

    host: str
    task: int


def find_missing(hosts: Iterable[HostFacts], first: int, last: int) -> list[MissingResult]:
    """Return the hosts that have not ended yet, each with the task whose result is next.

    A host has ended if a task did not end well there, or if the task number `last` has ended.
    """
    missing = []
    for host in hosts:
        for task in range(first, last + 1):
            state = host.states.get(task)
            if state is None:
                missing.append(MissingResult(host.id, task))
            if state is not HostState.OK:
                break
    return missing


class UnansweredHosts:
    """The hosts of a work that have not ended yet, as far as one process has seen their results.

    Other processes may have seen more, so these hosts say when it is worth looking at what is stored, and no more.
    """

    def __init__(self, hosts: Iterable[str], last: int) -> None:
        """`last` is the number of the work's last task."""
        self._hosts = set(hosts)
        self._last = last

    def note_result(self, host: str, task: int, state: HostState) -> None:
        """Note a result of a host. The host has ended as `find_missing` says."""
        if task == self._last or state is not HostState.OK:
            self._hosts.discard(host)

    @property
    def are_none(self) -> bool:
        """Whether all hosts have ended."""
        return not self._hosts


def find_doubtful(missing: Iterable[MissingResult], job: RunUuid, work: JobWorkDocument) -> list[MissingResult]:
    """Return those of the missing results whose tasks may have begun: WMS has published the events of these hosts."""
    fed = {name_host(job, place) for place in work.places[: work.n_fed]}
    return [each for each in missing if each.host in fed]


def find_last_states(hosts: Iterable[HostFacts], first: int, last: int) -> list[HostState]:
    """Return for each host the worst state that the tasks have left; `pending` for a host without an answer."""
    found = []
    for host in hosts:
        of_work = [host.states.get(task, HostState.PENDING) for task in range(first, last + 1)]
        bad = next((state for state in of_work if state is not HostState.OK), HostState.OK)
        found.append(bad)
    return found


def explain_lost_workers(taskforces: Iterable[TaskforceDocument]) -> str:
    """Return why no worker will work on the hosts any more; "" if some may.

    A TMS that does not answer may start workers later.
    """
    reasons = []
    for taskforce in taskforces:
        if has_given_up(taskforce):
            reasons.append(taskforce.stuck)
        elif not is_over(taskforce):
            return ""
        else:
            reasons += sorted(taskforce.top_task_errors, key=lambda each: -taskforce.top_task_errors[each])[:1]
    shown = "; ".join(dict.fromkeys(reasons))
    return f"all workers have ended{f': {shown}' if shown else ''}"[:2000]


def make_error_result(reason: str) -> HostResult:
    """Return the result of a host that never answered."""
    return HostResult(state=HostState.ERROR, reason=reason, is_doubtful=True)


def make_sure_error(reason: str) -> HostResult:
    """Return the result of a host on which no task has run."""
    return HostResult(state=HostState.ERROR, reason=reason[:2000])


def make_refusal_result(reason: str) -> HostResult:
    """Return the result of a host whose event the broker has refused: no task has run there."""
    return make_sure_error(f"no task ran: the broker refused the event of this host: {reason}")
