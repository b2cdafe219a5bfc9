"""A simulated pilot has the policy of a real one."""

import pytest

from deploy.simulation.pilot_policy import make_policy
from pilot.life.state import Policy
from schemas.errors import Rejected
from tests.unit.deploy.simulation.past_workflows import order_for, past_task
from tms.jobs.pilot_files import MAX_FAILURES_IN_A_ROW, QUARANTINE_S


def policy_of(n_slots: int = 1, inputs: tuple[str, ...] = ("in",), **environment: str) -> Policy:
    variables = {f"EWMS_PILOT_{name}": value for name, value in environment.items()}
    order = order_for(past_task(inputs=inputs, pilot_config={"environment": variables}))
    return make_policy(order.tasks[0], order.taskforces[0], n_slots=n_slots)


def test_without_wishes_the_defaults_of_tms_hold() -> None:
    policy = policy_of(n_slots=3)
    assert (policy.concurrency, policy.prefetch, policy.has_init, policy.source) == (3, None, False, False)
    assert policy.judges_worker
    assert (policy.max_failures_in_a_row, policy.quarantine_s) == (MAX_FAILURES_IN_A_ROW, QUARANTINE_S)
    # An idle pilot stays as long as its worker may run.
    assert policy.idle_timeout_s == policy.first_timeout_s == 600


def test_the_users_variables_hold() -> None:
    policy = policy_of(PREFETCH="7", STOP_LISTENING_ON_TASK_ERROR="True", TIMEOUT_QUEUE_INCOMING="30")
    assert (policy.prefetch, policy.stop_on_error, policy.idle_timeout_s) == (7, True, 30)
    assert policy_of(EXTERNAL_DIRECTORIES="/data").prefetch is None


def test_a_task_without_inputs_is_a_source() -> None:
    assert policy_of(inputs=()).source


def test_settings_that_a_pilot_refuses_are_named() -> None:
    with pytest.raises(Rejected, match=r"refuses the settings of the past run: .*PREFETCH"):
        policy_of(PREFETCH="many")
