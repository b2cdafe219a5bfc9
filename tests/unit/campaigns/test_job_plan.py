"""The crash campaign of jobs: what it strikes, and which ends of a job it calls wrong."""

import pytest

from tests.campaigns.faults import Victim
from tests.campaigns.job_plan import AUDIT, N_HOSTS, REBOOT, HostEnd, judge_job_end, plan_job

NAMES = [f"h{number}" for number in range(1, N_HOSTS + 1)]
RAN = [(task, name) for name in NAMES for task in (AUDIT, REBOOT)]
GOOD = tuple(HostEnd(name, "ok", ((AUDIT, "ok", ""), (REBOOT, "ok", ""))) for name in NAMES)


def judge(first: HostEnd = GOOD[0], *, ran: list[tuple[str, str]] | None = None, is_over: bool = True) -> list[str]:
    """Judge a good job, except for its first host and what has run."""
    return judge_job_end(is_over=is_over, hosts=(first, *GOOD[1:]), ran=RAN if ran is None else ran, open_workflows=())


def test_six_seeds_in_a_row_strike_each_victim_and_a_seed_says_all() -> None:
    assert {plan_job(seed).faults[0].victim for seed in range(12, 18)} == {
        Victim.PILOT,
        Victim.WMS,
        Victim.TMS,
        Victim.RABBITMQ,
        Victim.MONGOD,
        Victim.MQS,
    }
    assert plan_job(7) == plan_job(7)
    assert plan_job(7) != plan_job(13)


def test_a_good_job_has_no_faults_and_a_task_that_may_run_twice_may() -> None:
    assert judge() == []
    assert judge(ran=[*RAN, (AUDIT, "h1")]) == []
    doubtful = HostEnd("h1", "error", ((AUDIT, "ok", ""), (REBOOT, "error", "in doubt: a worker was lost")))
    assert judge(doubtful) == []
    assert judge(doubtful, ran=[each for each in RAN if each != (REBOOT, "h1")]) == []
    skipped = HostEnd("h1", "skipped", ((AUDIT, "ok", ""),))
    assert judge(skipped, ran=[each for each in RAN if each != (REBOOT, "h1")]) == []


@pytest.mark.parametrize(
    ("host", "ran", "fault"),
    [
        (GOOD[0], [*RAN, (REBOOT, "h1")], "reboot ran 2 times on h1"),
        (GOOD[0], [each for each in RAN if each != (REBOOT, "h1")], "reboot is ok on h1, and never ran"),
        (HostEnd("h1", "pending", ((AUDIT, "ok", ""), (REBOOT, "ok", ""))), RAN, "h1 is pending"),
        (HostEnd("h1", "skipped", ((AUDIT, "ok", ""),)), RAN, "reboot ran on h1, and the job says nothing"),
        (
            HostEnd("h1", "error", ((AUDIT, "ok", ""), (REBOOT, "error", "no task ran: the broker refused it"))),
            RAN,
            "reboot ran on h1, and the job says error",
        ),
        (HostEnd("h1", "ok", ((AUDIT, "ok", ""),)), RAN[:1] + RAN[2:], "h1 is ok without its tasks"),
    ],
)
def test_each_wrong_end_is_found(host: HostEnd, ran: list[tuple[str, str]], fault: str) -> None:
    assert any(each.startswith(fault) for each in judge(host, ran=ran))


def test_a_job_that_hangs_hosts_that_are_missing_and_orphans_are_found() -> None:
    assert judge(is_over=False) == ["the job hangs"]
    faults = judge_job_end(is_over=True, hosts=GOOD[1:], ran=RAN, open_workflows=["WF-1"])
    assert faults == [f"{N_HOSTS - 1} of {N_HOSTS} hosts are told", "the fleet workflow WF-1 is an orphan"]
