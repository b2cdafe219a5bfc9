"""The example works from the first process to the last, and holds what its README says.

pytest docs/examples/enrollment                        in a rehearsal, without a server
pytest docs/examples/enrollment --ewms-engine here     on the system that runs here
"""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import enrollment  # noqa: F401 - the import registers the workflows
import pytest

from ewms.steps.testing import FormRefused, Rehearsal
from schemas.engine.subscriptions import SubscriptionDocument, SubscriptionLifecycle

CUSTOMER = "default"


def pages(rehearsal: Rehearsal, node: str = "ams-1") -> list[dict[str, Any]]:
    (product,) = rehearsal.subscriptions.find_products("create_node_enrollment")
    return [{"product": str(product.product_id)}, {"organisation": CUSTOMER, "select_node": node}]


def create(rehearsal: Rehearsal) -> UUID:
    process = rehearsal.start("create_node_enrollment", pages(rehearsal)).expect("completed")
    return UUID(process.state["subscription_id"])


def run_on(rehearsal: Rehearsal, workflow: str, subscription: UUID, *more: dict[str, Any]) -> SubscriptionDocument:
    rehearsal.start(workflow, [{"subscription_id": str(subscription)}, *more]).expect("completed")
    return rehearsal.read_subscription(str(subscription))


def test_a_subscription_goes_through_all_five_workflows(rehearsal: Rehearsal, network: Path) -> None:
    subscription = create(rehearsal)
    assert (network / "devices" / "ams-1.json").exists()
    assert run_on(rehearsal, "validate_node_enrollment", subscription).insync
    assert run_on(rehearsal, "provision_node_enrollment", subscription).status is SubscriptionLifecycle.ACTIVE
    changed = run_on(rehearsal, "modify_node_enrollment", subscription, {"routing_domain": "core"})
    assert changed.values["ne"]["routing_domain"] == "core"
    gone = run_on(rehearsal, "terminate_node_enrollment", subscription)
    assert (gone.status, gone.insync) == (SubscriptionLifecycle.TERMINATED, True)
    assert not list((network / "services").iterdir())


def test_a_create_fails_while_the_controller_is_down_and_a_retry_begins_there(
    rehearsal: Rehearsal, network: Path
) -> None:
    (network / "broken").touch()
    process = rehearsal.start("create_node_enrollment", pages(rehearsal)).expect("failed")
    assert process.cleared[-1] == "Create Process Subscription relation"
    (network / "broken").unlink()
    process.retry()
    process.expect("completed")


def test_a_check_that_finds_nothing_is_inconsistent_data_and_the_subscription_stays_out_of_sync(
    rehearsal: Rehearsal, network: Path
) -> None:
    subscription = create(rehearsal)
    (network / "devices" / "ams-1.json").unlink()
    rehearsal.start("validate_node_enrollment", [{"subscription_id": str(subscription)}]).expect("inconsistent_data")
    assert not rehearsal.read_subscription(str(subscription)).insync
    with pytest.raises(FormRefused, match="out of sync"):
        rehearsal.start("provision_node_enrollment", [{"subscription_id": str(subscription)}])


def test_a_process_that_has_failed_stays_so_however_much_time_passes(rehearsal: Rehearsal, network: Path) -> None:
    (network / "broken").touch()
    process = rehearsal.start("create_node_enrollment", pages(rehearsal)).expect("failed")
    rehearsal.pass_time(timedelta(days=30))
    process.expect("failed")
