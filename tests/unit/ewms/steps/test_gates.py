"""Whether a workflow may start on a subscription: the settings, the order of the checks, and every reason in words."""

from typing import Any
from uuid import UUID

import pytest

from ewms import steps
from ewms.steps import WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS, WF_USABLE_MAP, WF_USABLE_WHILE_OUT_OF_SYNC, Target
from ewms.steps.gates import GateQuestion, find_obstacles
from schemas.engine.subscriptions import ProductDocument, SubscriptionDocument, SubscriptionLifecycle

PRODUCT = ProductDocument(product_id=UUID(int=1), name="Node", tag="Node")


def subscription(
    number: int = 1, status: str = "active", insync: bool = True, version: int = 3
) -> SubscriptionDocument:
    return SubscriptionDocument(
        subscription_id=UUID(int=number),
        product=PRODUCT,
        customer_id="c",
        status=SubscriptionLifecycle(status),
        insync=insync,
        version=version,
    )


def reasons(target: Target = Target.MODIFY, name: str = "modify_node", **kwargs: Any) -> list[str]:
    question = GateQuestion(workflow=name, target=target, **{"subscription": subscription()} | kwargs)
    return [one.reason for one in find_obstacles(question)]


def test_o24_by_default_a_workflow_is_usable_on_active_subscriptions_only() -> None:
    for target in (Target.MODIFY, Target.SYSTEM, Target.VALIDATE, Target.RECONCILE):
        assert reasons(target) == []
        for status in ("initial", "provisioning", "terminated", "migrating", "disabled"):
            assert reasons(target, subscription=subscription(status=status)) == ["no_modify_invalid_status"]


def test_o25_the_map_replaces_the_default() -> None:
    WF_USABLE_MAP.update({"modify_node": ["provisioning"]})

    assert reasons(subscription=subscription(status="provisioning")) == []
    assert reasons() == ["no_modify_invalid_status"]
    [obstacle] = find_obstacles(GateQuestion(workflow="modify_node", target=Target.MODIFY, subscription=subscription()))
    assert obstacle.text == "the subscription is active; modify_node is usable when it is provisioning"
    assert obstacle.as_dict() == {
        "reason": "no_modify_invalid_status",
        "text": obstacle.text,
        "status": "active",
        "usable_when": ["provisioning"],
    }


@pytest.mark.parametrize("status", list(SubscriptionLifecycle))
def test_o26_a_terminate_is_usable_in_every_lifecycle_unless_the_map_says_otherwise(
    status: SubscriptionLifecycle,
) -> None:
    one = subscription(status=status)
    assert reasons(Target.TERMINATE, "terminate_node", subscription=one) == []

    WF_USABLE_MAP["terminate_node"] = ["active"]
    expected = [] if status is SubscriptionLifecycle.ACTIVE else ["no_modify_invalid_status"]
    assert reasons(Target.TERMINATE, "terminate_node", subscription=one) == expected


def test_o27_users_that_are_not_terminated_keep_a_terminate_from_starting() -> None:
    users = [subscription(2), subscription(3, "terminated"), subscription(4, "provisioning")]
    question = GateQuestion(
        workflow="terminate_node", target=Target.TERMINATE, subscription=subscription(), in_use_by=users
    )

    [obstacle] = find_obstacles(question)
    assert obstacle.reason == "no_modify_subscription_in_use_by_others"
    assert obstacle.subscription_ids == (UUID(int=2), UUID(int=4))
    assert reasons(in_use_by=users) == []

    WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS.update({"modify_node": True, "terminate_node": False})
    assert reasons(in_use_by=users) == ["no_modify_subscription_in_use_by_others"]
    assert reasons(Target.TERMINATE, "terminate_node", in_use_by=users) == []


def test_o28_out_of_sync_subscriptions_are_for_tasks_and_for_workflows_on_the_list() -> None:
    locked = subscription(insync=False)
    for target in (Target.SYSTEM, Target.VALIDATE, Target.RECONCILE):
        assert reasons(target, subscription=locked) == []
    assert reasons(subscription=locked) == ["not_in_sync"]
    assert reasons(Target.TERMINATE, subscription=locked) == ["not_in_sync"]
    assert reasons(depends_on=[subscription(2, insync=False)]) == ["relations_not_in_sync"]
    assert reasons(in_use_by=[subscription(2, "terminated", insync=False)]) == ["relations_not_in_sync"]

    WF_USABLE_WHILE_OUT_OF_SYNC.extend(["modify_node"])
    assert reasons(subscription=locked, depends_on=[subscription(2, insync=False)]) == []


def test_o29_the_settings_are_module_globals_that_count_at_once() -> None:
    from ewms.steps import gates

    for name in ("WF_USABLE_MAP", "WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS", "WF_USABLE_WHILE_OUT_OF_SYNC"):
        assert getattr(steps, name) is getattr(gates, name)
    assert type(WF_USABLE_MAP) is type(WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS) is dict
    assert type(WF_USABLE_WHILE_OUT_OF_SYNC) is list


def test_c1_to_c8_every_reason_is_told_in_the_order_of_the_checks() -> None:
    WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS["modify_node"] = True
    assert reasons(
        subscription=subscription(status="initial", insync=False),
        is_attached=False,
        depends_on=[subscription(2, insync=False)],
        in_use_by=[subscription(3)],
        is_authorized=False,
        version=2,
    ) == [
        "not_attached",
        "not_in_sync",
        "relations_not_in_sync",
        "no_modify_invalid_status",
        "no_modify_subscription_in_use_by_others",
        "not_authorized",
        "stale_version",
    ]
    assert reasons(subscription=None) == ["not_found"]
    assert reasons(version=3) == []
