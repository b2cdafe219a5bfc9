"""(core) Plan the jobs of the crash campaign, and judge what became of their hosts.

Each seed is one job of two tasks on a few hosts: `audit` may run twice on a host, `reboot` may not. The ledger, to
which each run of a task reports before it works, says what truly ran.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.campaigns.faults import Act, Fault, Moment, Victim, draw_fault

AUDIT, REBOOT = "audit", "reboot"
N_HOSTS = 8
_VICTIMS = (Victim.PILOT, Victim.WMS, Victim.TMS, Victim.RABBITMQ, Victim.MONGOD, Victim.MQS)
#: The states in which a host may be when its job is over.
_ENDS = ("ok", "failed", "error", "skipped", "canceled")


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """One job, and what strikes while it goes on."""

    seed: int
    strategy: str
    moment: Moment
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        return f"{self.strategy}, {self.moment}: {', '.join(map(str, self.faults))}"


def plan_job(seed: int) -> PlannedJob:
    """Return the job of a seed. Six seeds in a row strike each victim first once."""
    chance = random.Random(seed)
    first = _VICTIMS[seed % len(_VICTIMS)]
    others = chance.sample([each for each in _VICTIMS if each is not first], k=chance.choice((0, 0, 1, 2)))
    acts = [Act.KILL, *(chance.choice(list(Act)) for _ in others)]
    return PlannedJob(
        seed=seed,
        strategy=chance.choice(("linear", "linear", "free")),
        moment=chance.choice((Moment.SUBMIT, Moment.RUN, Moment.RUN, Moment.RUN)),
        faults=tuple(draw_fault(chance, victim, act) for victim, act in zip((first, *others), acts, strict=True)),
    )


@dataclass(frozen=True, slots=True)
class HostEnd:
    """What a job says of a host: its state, and (task, state, reason) of each task that has a result."""

    name: str
    state: str
    results: tuple[tuple[str, str, str], ...]


def judge_job_end(
    *, is_over: bool, hosts: Sequence[HostEnd], ran: Sequence[tuple[str, str]], open_workflows: Sequence[str]
) -> list[str]:
    """Return what is wrong with a job. `ran` has (task, host) for each run of a task, as the ledger tells it."""
    faults = [] if is_over else ["the job hangs"]
    n_runs = Counter(ran)
    faults += [f"{REBOOT} ran {n} times on {host}" for (task, host), n in n_runs.items() if task == REBOOT and n > 1]
    if len(hosts) != N_HOSTS:
        faults.append(f"{len(hosts)} of {N_HOSTS} hosts are told")
    for host in hosts:
        if host.state not in _ENDS:
            faults.append(f"{host.name} is {host.state}")
        faults += _judge_host(host, n_runs)
    return [*faults, *(f"the fleet workflow {each} is an orphan" for each in open_workflows)]


def _judge_host(host: HostEnd, n_runs: Mapping[tuple[str, str], int]) -> list[str]:
    told = {task: (state, reason) for task, state, reason in host.results}
    faults = []
    for task in (AUDIT, REBOOT):
        has_run = n_runs.get((task, host.name), 0) > 0
        state, reason = told.get(task, ("", ""))
        if state == "ok" and not has_run:
            faults.append(f"{task} is ok on {host.name}, and never ran")
        if has_run and (not state or reason.startswith("no task ran")):
            faults.append(f"{task} ran on {host.name}, and the job says {state or 'nothing'} {reason}")
    if host.state == "ok" and any(told.get(task, ("",))[0] != "ok" for task in (AUDIT, REBOOT)):
        faults.append(f"{host.name} is ok without its tasks")
    return faults
