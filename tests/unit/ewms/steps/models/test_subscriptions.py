"""Subscriptions as models: classes by lifecycle, and what is stored of them."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from ewms.steps import (
    SUBSCRIPTION_MODEL_REGISTRY,
    ProductBlockModel,
    State,
    SubscriptionModel,
    begin,
    change_lifecycle,
    ensure_provisioning_status,
    find_subscriptions,
    get_product_by_id,
    get_product_by_name,
    resync,
    set_status,
    step,
    unsync,
    unsync_unchecked,
    values_in_use,
)
from ewms.steps.models.lifecycles import WrongLifecycle
from ewms.steps.step_scope import OutsideOfStep, StepScope
from ewms.steps.testing import Rehearsal, StaleVersion
from tests.unit.ewms.steps.models.samples import (
    ACTIVE,
    INITIAL,
    PROVISIONING,
    TERMINATED,
    LinkInactive,
    Node,
    NodeBlock,
    NodeInactive,
    Speed,
    add_link,
    add_node,
)


def test_o15_a_new_subscription_is_initial_with_its_blocks_and_fixed_inputs(
    products: dict[str, UUID], scope: StepScope
) -> None:
    link = LinkInactive.from_product_id(product_id=str(products["link"]), customer_id="c", status=INITIAL)

    assert (link.status, link.insync, link.version, link.speed) == (INITIAL, False, 0, Speed.TEN_GIG)
    assert (len(link.ends), len(link.extra), link.backup) == (2, 1, None)
    assert {port.owner_subscription_id for port in link.ends} == {link.subscription_id}
    assert link.description == "Initial subscription of Link 10G"


def test_a_repeated_step_makes_the_same_ids(rehearsal: Rehearsal, products: dict[str, UUID]) -> None:
    made: list[Any] = []

    @step("Make")
    def make() -> State:
        made.append(NodeInactive.from_product_id(products["node"], "c"))
        if len(made) == 1:
            raise RuntimeError("once more")
        return {"subscription": made[-1]}

    rehearsal.run_steps(begin >> make).retry().expect("completed")
    assert made[0].subscription_id == made[1].subscription_id
    assert made[0].node.subscription_instance_id == made[1].node.subscription_instance_id


def test_o21_a_subscription_is_read_as_the_class_of_its_lifecycle_or_a_stricter_one(
    rehearsal: Rehearsal, products: dict[str, UUID], scope: StepScope
) -> None:
    node = NodeInactive.from_product_id(products["node"], "c")
    rehearsal.add_subscription(node)
    with pytest.raises(ValidationError, match="node_name"):
        Node.from_subscription(node.subscription_id)
    assert type(NodeInactive.from_subscription(node.subscription_id)) is NodeInactive

    active = add_node(rehearsal, products, "ams")
    with pytest.raises(WrongLifecycle, match="is active, so it is read as Node or a class derived from it"):
        NodeInactive.from_subscription(active.subscription_id)
    with pytest.raises(LookupError, match="there is no subscription"):
        Node.from_subscription(uuid4())


def test_o21_a_model_as_an_argument_is_read_anew_by_the_id_in_the_state(
    rehearsal: Rehearsal, products: dict[str, UUID]
) -> None:
    node = add_node(rehearsal, products, "ams")
    seen: list[Any] = []

    @step("Look")
    def look(
        subscription: Node,
        again: Node | None,
        others: list[Node],
        either: LinkInactive | Node,
        missing: Node | None,
        block: NodeBlock,
    ) -> None:
        seen.extend([subscription.node.node_name, again, others[0].version, type(either), missing, block.label])

    state = {
        "subscription": {"subscription_id": str(node.subscription_id), "node": {"node_name": "old"}},
        "again": None,
        "others": [node.subscription_id],
        "either": str(node.subscription_id),
        "block": str(node.node.subscription_instance_id),  # type: ignore[attr-defined]  # a Node
    }
    rehearsal.run_steps(begin >> look, state).expect("completed")
    assert seen == ["ams", None, 1, Node, None, "node ams"]


def test_o21_a_wrong_class_fails_the_step(rehearsal: Rehearsal, products: dict[str, UUID]) -> None:
    node = add_node(rehearsal, products, "ams")

    @step("Look")
    def look(subscription: NodeInactive) -> None: ...

    @step("Look")
    def look_at_either(subscription: NodeInactive | LinkInactive) -> None: ...

    for one in (look, look_at_either):
        process = rehearsal.run_steps(begin >> one, {"subscription": node.subscription_id}).expect("failed")
        assert process.journal[0].error["class"] == "WrongLifecycle"


def test_o19_a_change_of_the_lifecycle_demands_the_values_of_its_class(
    products: dict[str, UUID], scope: StepScope
) -> None:
    node = NodeInactive.from_product_id(products["node"], "c")
    with pytest.raises(ValidationError, match="node_name"):
        change_lifecycle(node, ACTIVE)

    node.node.node_name = "ams"
    active = change_lifecycle(node, ACTIVE)
    assert (type(active), type(active.node), active.status, active.start_date) == (Node, NodeBlock, ACTIVE, scope.now)
    assert active.node.subscription_instance_id == node.node.subscription_instance_id
    ended = change_lifecycle(active, TERMINATED)
    assert (type(ended), ended.end_date) == (NodeInactive, scope.now)
    assert type(Node.from_other_lifecycle(node, PROVISIONING)) is Node
    with pytest.raises(WrongLifecycle):
        NodeInactive.from_other_lifecycle(node, ACTIVE)


def test_computed_fields_are_shown_and_not_stored(rehearsal: Rehearsal, products: dict[str, UUID]) -> None:
    node: Any = add_node(rehearsal, products, "ams")

    assert node.as_plain()["node"]["label"] == "node ams"
    assert "label" not in rehearsal.read_subscription(node.subscription_id).values["node"]
    assert node.as_plain()["node"]["address"] == "10.0.0.1"


def test_a_stale_version_fails_the_step_and_changes_nothing(rehearsal: Rehearsal, products: dict[str, UUID]) -> None:
    node: Any = add_node(rehearsal, products, "ams")

    @step("Change")
    def change(subscription: Node) -> State:
        node.description = "meanwhile"
        rehearsal.add_subscription(node)
        subscription.description = "too late"
        return {"subscription": subscription}

    process = rehearsal.run_steps(begin >> change, {"subscription": node.subscription_id}).expect("failed")
    assert process.journal[0].error["class"] == "StaleVersion"
    assert rehearsal.read_subscription(node.subscription_id).description == "meanwhile"
    with pytest.raises(StaleVersion):
        rehearsal.add_subscription(node)


def test_o6_all_models_of_a_step_are_stored_or_none(rehearsal: Rehearsal, products: dict[str, UUID]) -> None:
    node: Any = add_node(rehearsal, products, "ams")

    @step("Change")
    def change(subscription: Node) -> State:
        new = NodeInactive.from_product_id(products["node"], "c")
        subscription.version = 99
        return {"deep": {"list": [new, subscription]}, "id": new.subscription_id}

    rehearsal.run_steps(begin >> change, {"subscription": node.subscription_id}).expect("failed")
    with rehearsal.open_scope():
        assert len(find_subscriptions()) == 1


def test_a_model_can_be_saved_without_being_returned_and_is_read_as_saved(
    rehearsal: Rehearsal, products: dict[str, UUID]
) -> None:
    node: Any = add_node(rehearsal, products, "ams")

    @step("Change")
    def change(subscription: Node) -> State:
        subscription.description = "new"
        subscription.save()
        found = find_subscriptions(product_type="Node")
        return {"read": Node.from_subscription(subscription.subscription_id).description, "n": len(found)}

    process = rehearsal.run_steps(begin >> change, {"subscription": node.subscription_id}).expect("completed")
    assert (process.state["read"], process.state["n"]) == ("new", 1)
    assert rehearsal.read_subscription(node.subscription_id).version == 2


def test_subscriptions_and_values_in_use_are_found(
    rehearsal: Rehearsal, products: dict[str, UUID], scope: StepScope
) -> None:
    node: Any = add_node(rehearsal, products, "ams")
    add_link(rehearsal, products, node, vlan=7)
    add_link(rehearsal, products, node, vlan=9)

    assert [one.values["node"]["node_name"] for one in find_subscriptions(field="node_name", value="ams")] == ["ams"]
    assert len(find_subscriptions(tag="Link")) == len(find_subscriptions(product_name="Link 10G")) == 2
    assert find_subscriptions(status=["terminated"]) == []
    assert sorted(set(values_in_use(node.subscription_id, "vlan"))) == [7, 9]
    assert get_product_by_name("Core Node").product_id == products["node"]
    assert get_product_by_id(products["link"]).fixed_inputs["colour"] == "red"
    with pytest.raises(LookupError, match="there is no product Nothing"):
        get_product_by_name("Nothing")


def test_the_registry_names_the_class_where_the_code_does_not(
    rehearsal: Rehearsal, products: dict[str, UUID], scope: StepScope
) -> None:
    node: Any = add_node(rehearsal, products, "ams")
    with pytest.raises(LookupError, match="SUBSCRIPTION_MODEL_REGISTRY has no class for the product 'Core Node'"):
        SubscriptionModel.from_subscription(node.subscription_id)

    SUBSCRIPTION_MODEL_REGISTRY.update({"Core Node": Node})
    assert type(SubscriptionModel.from_subscription(node.subscription_id)) is Node


@pytest.mark.parametrize("is_registered", [True, False])
def test_o34_the_steps_that_lock_set_and_unlock(
    rehearsal: Rehearsal, products: dict[str, UUID], is_registered: bool
) -> None:
    node: Any = add_node(rehearsal, products, "ams")
    if is_registered:
        SUBSCRIPTION_MODEL_REGISTRY.update({"Core Node": Node})
    state = {"subscription_id": node.subscription_id}

    process = rehearsal.run_steps(begin >> unsync, state).expect("completed")
    assert not rehearsal.read_subscription(node.subscription_id).insync
    assert process.state["subscription"]["node"]["node_name"] == "ams"
    backup = process.state["__old_subscriptions__"][str(node.subscription_id)]
    assert (backup["insync"], backup["node"]["node_name"]) == (True, "ams")

    assert "out of sync already" in rehearsal.run_steps(begin >> unsync, state).journal[0].error["error"]
    rehearsal.run_steps(begin >> unsync_unchecked >> set_status(TERMINATED) >> resync, state).expect("completed")
    after = rehearsal.read_subscription(node.subscription_id)
    assert (after.status, after.end_date, after.insync) == (TERMINATED, rehearsal.now, True)
    assert after.values["node"]["node_name"] == "ams"


def test_a_lock_keeps_the_first_backup(rehearsal: Rehearsal, products: dict[str, UUID]) -> None:
    node: Any = add_node(rehearsal, products, "ams")
    state = {"subscription_id": node.subscription_id, "__old_subscriptions__": {str(node.subscription_id): "first"}}

    process = rehearsal.run_steps(begin >> unsync, state).expect("completed")
    assert process.state["__old_subscriptions__"] == {str(node.subscription_id): "first"}


def test_steps_in_provisioning_end_in_active(rehearsal: Rehearsal, products: dict[str, UUID]) -> None:
    node: Any = add_node(rehearsal, products, "ams")
    seen: list[str] = []

    @step("Look")
    def look(subscription_id: UUID) -> None:
        seen.append(rehearsal.read_subscription(subscription_id).status)

    steps = ensure_provisioning_status(begin >> look) >> look
    rehearsal.run_steps(steps, {"subscription_id": node.subscription_id}).expect("completed")
    assert seen == ["provisioning", "active"]


def test_bounds_of_lists_hold(products: dict[str, UUID], scope: StepScope) -> None:
    link = LinkInactive.from_product_id(products["link"], "c")
    with pytest.raises(ValidationError, match="at most 2"):
        link.ends = [*link.ends, *link.extra]  # type: ignore[assignment]  # what users write
    with pytest.raises(ValidationError, match="at least 1"):
        link.extra = []


def test_a_class_without_a_base_is_told(products: dict[str, UUID], scope: StepScope) -> None:
    with pytest.raises(TypeError, match="has a lifecycle and no base"):

        class Lonely(ProductBlockModel, lifecycle=[ACTIVE]): ...

    with pytest.raises(WrongLifecycle, match="derive it from a class with is_base=True"):
        SubscriptionModel.from_product_id(products["node"], "c")


def test_outside_of_a_step_nothing_is_read() -> None:
    with pytest.raises(OutsideOfStep, match=r"Node\.from_subscription works within a step"):
        Node.from_subscription(uuid4())
