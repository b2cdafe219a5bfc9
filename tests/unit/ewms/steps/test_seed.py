"""The first seed's workflows do what its text says, under `ewms.steps.testing`. Each test names its demands."""

from typing import Any
from uuid import UUID

import pytest

from ewms.steps import WF_USABLE_MAP
from ewms.steps.testing import FormRefused, Rehearsal, RehearsedProcess
from schemas.engine.processes import StepStatus
from schemas.engine.subscriptions import SubscriptionDocument, SubscriptionLifecycle
from tests.unit.ewms.steps import enrollment


@pytest.fixture
def product(rehearsal: Rehearsal) -> str:
    enrollment.WORLD.update(do_z=lambda: None, device={"name": "ams-1"}, calls=[])
    return enrollment.register_enrollment()


def pages(product: str) -> list[dict[str, Any]]:
    node = {"organisation": enrollment.CUSTOMER, "esdb_node_id": 12, "select_node": "ams-node-1", "url": "https://n"}
    return [{"product": product}, node | {"uuid": "u-12", "role_id": "7"}]


def create(rehearsal: Rehearsal, product: str) -> tuple[RehearsedProcess, SubscriptionDocument]:
    process = rehearsal.start("create_node_enrollment", pages(product), user="anna").expect("completed")
    return process, rehearsal.read_subscription(process.state["subscription_id"])


def on(subscription: SubscriptionDocument) -> list[dict[str, Any]]:
    return [{"subscription_id": str(subscription.subscription_id)}]


def test_o1_o11_o20_a_create_ends_with_a_subscription_in_the_decorators_lifecycle(
    rehearsal: Rehearsal, product: str
) -> None:
    process, subscription = create(rehearsal, product)

    assert subscription.status is SubscriptionLifecycle.PROVISIONING
    assert subscription.insync
    assert subscription.description == "Node ams-node-1 Provisioned (without system service)"
    assert subscription.customer_id == enrollment.CUSTOMER
    assert process.cleared == [
        "Start",
        "Construct Node Enrollment model",
        "Create Process Subscription relation",
        "Do things rather than thing",
        "Update subscription name with node info",
        "Set subscription to 'provisioning'",
        "Unlock subscription",
        "Done",
    ]


def test_o16_o36_the_state_has_the_model_as_plain_json(rehearsal: Rehearsal, product: str) -> None:
    process, _ = create(rehearsal, product)

    shown = process.state["subscription"]
    assert shown["ne"]["esdb_node_id"] == 12
    assert UUID(shown["ne"]["nso_service_id"])
    assert shown["status"] == "provisioning"
    assert process.state["subscription_id"] == shown["subscription_id"]
    assert (process.state["role"], process.state["site_id"]) == ("7-ams-node-1", "ams")


def test_o15_o17_the_first_step_stores_an_initial_subscription_and_the_second_relates_it(
    rehearsal: Rehearsal, product: str
) -> None:
    def fail() -> None:
        raise RuntimeError("z is away")

    enrollment.WORLD["do_z"] = fail
    process = rehearsal.start("create_node_enrollment", pages(product)).expect("failed")

    subscription = rehearsal.read_subscription(process.state["subscription_id"])
    assert (subscription.status, subscription.insync) == (SubscriptionLifecycle.INITIAL, False)
    assert process.related == [subscription.subscription_id]


def test_o5_o18_a_retry_calls_the_failed_step_again_from_its_top_and_no_other(
    rehearsal: Rehearsal, product: str
) -> None:
    def fail() -> None:
        raise RuntimeError("z is away")

    enrollment.WORLD["do_z"] = fail
    process = rehearsal.start("create_node_enrollment", pages(product)).expect("failed")
    before = process.state
    enrollment.WORLD["do_z"] = lambda: None
    process.retry().expect("completed")

    assert enrollment.WORLD["calls"] == ["x", "y", "x", "y", "z"]
    assert process.cleared.count("Construct Node Enrollment model") == 1
    assert process.state["subscription_id"] == before["subscription_id"]


def test_o2_the_failed_attempt_stays_in_the_journal(rehearsal: Rehearsal, product: str) -> None:
    def fail() -> None:
        raise RuntimeError("z is away")

    enrollment.WORLD["do_z"] = fail
    process = rehearsal.start("create_node_enrollment", pages(product))
    enrollment.WORLD["do_z"] = lambda: None
    process.retry()

    rows = [row for row in process.journal if row.name == "Do things rather than thing"]
    assert [(row.status, row.attempt) for row in rows] == [(StepStatus.FAILED, 1), (StepStatus.SUCCESS, 2)]
    assert rows[0].error["class"] == "RuntimeError"
    assert rows[0].error["error"] == "z is away"
    assert "do_z" in rows[0].error["traceback"]


def test_o13_invalid_input_makes_no_process(rehearsal: Rehearsal, product: str) -> None:
    wrong = pages(product)
    wrong[1]["esdb_node_id"] = "twelve"

    with pytest.raises(FormRefused, match="esdb_node_id"):
        rehearsal.start("create_node_enrollment", wrong)
    with pytest.raises(FormRefused):
        rehearsal.start("create_node_enrollment", [{"product": enrollment.CUSTOMER}])
    assert not rehearsal.processes


def test_o33_a_modify_may_change_the_lifecycle_at_its_end(rehearsal: Rehearsal, product: str) -> None:
    _, subscription = create(rehearsal, product)
    enrollment.set_execution_parameters()

    rehearsal.start("provision_node_enrollment", on(subscription)).expect("completed")

    after = rehearsal.read_subscription(subscription.subscription_id)
    assert (after.status, after.insync) == (SubscriptionLifecycle.ACTIVE, True)
    assert after.description == "Node node-12 Production"
    assert after.start_date == rehearsal.now


def test_o23_o31_a_validation_needs_no_form_and_leaves_its_findings_in_the_state(
    rehearsal: Rehearsal, product: str
) -> None:
    _, subscription = create(rehearsal, product)
    enrollment.set_execution_parameters()

    process = rehearsal.start("validate_node_enrollment", on(subscription)).expect("completed")

    assert process.state["check_nso"] == "OK"


def test_o31_a_failed_check_of_a_validation_is_inconsistent_data_for_the_noc(
    rehearsal: Rehearsal, product: str
) -> None:
    _, subscription = create(rehearsal, product)
    enrollment.set_execution_parameters()
    enrollment.WORLD["device"] = None

    process = rehearsal.start("validate_node_enrollment", on(subscription)).expect("inconsistent_data")

    assert process.assignee == "NOC"
    assert process.journal[-1].error["error"] == "Device not found in NSO"
    assert not rehearsal.read_subscription(subscription.subscription_id).insync


@pytest.mark.parametrize("status", [SubscriptionLifecycle.PROVISIONING, SubscriptionLifecycle.ACTIVE])
def test_o26_o34_o35_a_terminate_reads_the_state_and_ends_the_subscription(
    rehearsal: Rehearsal, product: str, status: SubscriptionLifecycle
) -> None:
    _, subscription = create(rehearsal, product)
    if status is SubscriptionLifecycle.ACTIVE:
        enrollment.set_execution_parameters()
        rehearsal.start("provision_node_enrollment", on(subscription)).expect("completed")

    process = rehearsal.start("terminate_node_enrollment", on(subscription)).expect("completed")

    after = rehearsal.read_subscription(subscription.subscription_id)
    assert process.state["node_name"] == "node-12"
    assert (after.status, after.end_date, after.insync) == (SubscriptionLifecycle.TERMINATED, rehearsal.now, True)


def test_o22_o24_o25_the_start_form_refuses_a_subscription_that_is_not_ready(
    rehearsal: Rehearsal, product: str
) -> None:
    _, subscription = create(rehearsal, product)

    with pytest.raises(FormRefused, match="usable when it is active"):
        rehearsal.start("modify_node_enrollment", on(subscription))
    WF_USABLE_MAP["modify_node_enrollment"] = ["provisioning"]
    rehearsal.start("modify_node_enrollment", on(subscription))


def test_o30_the_state_has_the_subscriptions_id_before_the_first_step(rehearsal: Rehearsal, product: str) -> None:
    _, subscription = create(rehearsal, product)
    enrollment.set_execution_parameters()

    process = rehearsal.start("modify_node_enrollment", on(subscription))

    for key in (
        "process_id",
        "reporter",
        "workflow_name",
        "workflow_target",
        "subscription_id",
        "product",
        "customer_id",
    ):
        assert process.state[key]
    assert process.state["version"] == subscription.version
