"""Which hosts run the next task, and when all of them stop."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.automation.jobs import HostState
from tests.unit.wms.jobs.making import make_host_facts
from wms.jobs.plans.host_choice import HostFacts, choose_hosts, judge_host

OK, FAILED, ERROR, PENDING = HostState.OK, HostState.FAILED, HostState.ERROR, HostState.PENDING


def choose(hosts: list[HostFacts], *, batch: int = 0, task: int = 1, may: float = 0) -> tuple[tuple[str, ...], str]:
    """Return who runs the task, and why nobody does."""
    choice = choose_hosts(hosts, batch=batch, first_task=task, max_fail_percentage=may)
    return choice.hosts, choice.reason


def test_c11_every_host_runs_the_next_task_if_the_task_before_ended_well_everywhere() -> None:
    assert choose([make_host_facts("a", 0, OK), make_host_facts("b", 0, OK)]) == (("a", "b"), "")


@pytest.mark.parametrize("bad", [FAILED, ERROR])
def test_c11_one_failure_stops_the_next_task_everywhere(bad: HostState) -> None:
    hosts, reason = choose([make_host_facts("a", 0, OK), make_host_facts("b", 0, bad)])
    assert hosts == ()
    assert "1 of 2 hosts of batch 1 failed" in reason


@pytest.mark.parametrize(("n_bad", "may", "goes_on"), [(1, 25, True), (2, 25, False), (2, 50, True), (3, 74.9, False)])
def test_the_percentage_must_be_exceeded(n_bad: int, may: float, *, goes_on: bool) -> None:
    states = [FAILED] * n_bad + [OK] * (4 - n_bad)
    hosts, _ = choose([make_host_facts(f"h{n}", 0, state) for n, state in enumerate(states)], may=may)
    assert hosts == (tuple(f"h{n}" for n in range(n_bad, 4)) if goes_on else ())


def test_a_batch_without_a_host_left_ends_the_job_whatever_the_percentage_is() -> None:
    hosts, reason = choose([make_host_facts("a", 0, FAILED), make_host_facts("b", 1)], batch=1, task=0, may=100)
    assert (hosts, reason) == ((), "no host of batch 1 is left")


def test_the_next_batch_begins_with_its_own_hosts() -> None:
    facts = [make_host_facts("a", 0, OK, OK), make_host_facts("b", 1), make_host_facts("c", 2)]
    assert choose(facts, batch=1, task=0) == (("b",), "")


def test_a_failure_in_an_earlier_batch_stops_the_later_ones() -> None:
    facts = [make_host_facts("a", 0, OK), make_host_facts("x", 0, FAILED), make_host_facts("b", 1)]
    assert choose(facts, batch=1, task=0)[0] == ()
    assert choose(facts, batch=1, task=0, may=50)[0] == ("b",)


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ((), PENDING),
        ((OK,), PENDING),
        ((OK, OK), OK),
        ((OK, FAILED), FAILED),
        ((FAILED,), FAILED),
        ((OK, ERROR), ERROR),
        ((HostState.CANCELED,), HostState.CANCELED),
    ],
)
def test_c2_a_host_has_the_state_of_its_tasks(states: tuple[HostState, ...], state: HostState) -> None:
    assert judge_host(dict(enumerate(states)), 2) is state


_STATES = st.lists(st.sampled_from([OK, FAILED, ERROR]), max_size=3)


@given(st.lists(_STATES, min_size=1, max_size=12), st.floats(0, 100), st.integers(0, 3))
def test_c11_no_host_runs_a_task_unless_all_tasks_before_ended_well_there(
    states: list[list[HostState]], may: float, task: int
) -> None:
    facts = [make_host_facts(f"h{n}", 0, *each) for n, each in enumerate(states)]
    for name in choose(facts, task=task, may=may)[0]:
        done = states[int(name[1:])][:task]
        assert done == [OK] * task
