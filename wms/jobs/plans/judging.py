"""Judge the end of a node, and the status of a job. (core)

the run            its work                           the job
created                                               new
over               any host: error                    error, also if others failed
                   any host: failed                   failed
                   canceled                           canceled
else               queues are not active yet          pending
                   no taskforce is submitted          waiting
                   else                               running
"""

from collections.abc import Iterable, Mapping, Sequence

from schemas.automation.jobs import HostJobStatus, HostState
from schemas.engine.runs import RUN_OVER, Outcome, RunStatus

_OF_RUN: Mapping[RunStatus, HostJobStatus] = {
    RunStatus.CREATED: HostJobStatus.NEW,
    RunStatus.SUCCESSFUL: HostJobStatus.SUCCESSFUL,
    RunStatus.FAILED: HostJobStatus.FAILED,
    RunStatus.ERROR: HostJobStatus.ERROR,
    RunStatus.CANCELED: HostJobStatus.CANCELED,
}


def judge_node(states: Iterable[HostState], *, is_canceling: bool) -> tuple[Outcome, str]:
    """Return the outcome of a node whose hosts ended in these states, and the reason; "" for a success."""
    found = list(states)
    for state, outcome, words in (
        (HostState.ERROR, Outcome.ERROR, "a task could not run, or it is unknown how it ended"),
        (HostState.FAILED, Outcome.FAILED, "the task failed"),
    ):
        if n_hosts := found.count(state):
            return outcome, f"{words} on {n_hosts} of {len(found)} hosts"
    if is_canceling or HostState.CANCELED in found:
        return Outcome.CANCELED, "the job was canceled"
    return Outcome.SUCCESSFUL, ""


def judge_job(run: RunStatus, *, has_queues: bool, has_workers: bool) -> HostJobStatus:
    """Return the status of a job. `has_queues` and `has_workers` are about its open workflow."""
    known = _OF_RUN.get(run)
    if known is not None:
        return known
    if not has_queues:
        return HostJobStatus.PENDING
    return HostJobStatus.RUNNING if has_workers else HostJobStatus.WAITING


def judge_task(states: Mapping[HostState, int], *, has_begun: bool, run: RunStatus) -> str:
    """Return the status of one task of a job, in words for people. `states` counts the hosts that it has ended on."""
    is_over = run in RUN_OVER
    if states.get(HostState.ERROR):
        return HostJobStatus.ERROR
    if states.get(HostState.FAILED):
        return HostJobStatus.FAILED
    if has_begun and not is_over:
        return HostJobStatus.RUNNING
    if not is_over:
        return HostJobStatus.SUCCESSFUL if states.get(HostState.OK) else HostJobStatus.PENDING
    if run is RunStatus.CANCELED:
        return HostJobStatus.CANCELED
    return HostJobStatus.SUCCESSFUL if states.get(HostState.OK) else HostState.SKIPPED


def explain_bad_end(names: Sequence[str], of_tasks: Sequence[Mapping[HostState, int]]) -> str:
    """Return which tasks failed on how many hosts, as `2. patch: 3 failed, 1 in error`; "" if none did.

    `of_tasks` counts for each task the hosts that it has ended on, by state.
    """
    texts = []
    for number, (name, states) in enumerate(zip(names, of_tasks, strict=True), start=1):
        counts = [
            f"{n} {word}"
            for state, word in ((HostState.FAILED, "failed"), (HostState.ERROR, "in error"))
            if (n := states.get(state, 0))
        ]
        if counts:
            texts.append(f"{number}. {name}: {', '.join(counts)}")
    return "; ".join(texts)


def show_host_state(state: HostState, run: RunStatus) -> HostState:
    """Return the state of a host as people see it: a job that is over has no pending hosts."""
    if state is not HostState.PENDING or run not in RUN_OVER:
        return state
    return HostState.CANCELED if run is RunStatus.CANCELED else HostState.SKIPPED
