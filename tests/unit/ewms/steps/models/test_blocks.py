"""Blocks of subscriptions: owners, references, and what is stored of them."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from ewms.steps import (
    ProductBlockModel,
    State,
    SubscriptionModel,
    begin,
    register_product,
    step,
)
from ewms.steps.step_scope import StepScope
from ewms.steps.testing import Rehearsal
from schemas.engine.subscriptions import CircularBlocks
from tests.unit.ewms.steps.models.samples import (
    LinkInactive,
    Node,
    NodeBlock,
    PortBlockInactive,
    add_link,
    add_node,
)


def test_a_block_of_another_subscription_is_a_reference_and_never_a_copy(
    rehearsal: Rehearsal, products: dict[str, UUID]
) -> None:
    node = add_node(rehearsal, products, "ams")
    link = add_link(rehearsal, products, node)

    stored = rehearsal.read_subscription(link.subscription_id)
    assert stored.values["ends"][0]["node"] == {
        "product_block_name": "Node",
        "subscription_instance_id": str(node.node.subscription_instance_id),  # type: ignore[attr-defined]  # a Node
        "owner_subscription_id": str(node.subscription_id),
        "is_reference": True,
    }
    assert stored.depends_on == (node.subscription_id,)


def test_saving_a_user_never_writes_the_owners_values(rehearsal: Rehearsal, products: dict[str, UUID]) -> None:
    node = add_node(rehearsal, products, "ams")
    link = add_link(rehearsal, products, node)

    @step("Spoil")
    def spoil(subscription: LinkInactive) -> State:
        assert subscription.ends[0].node is not None
        subscription.ends[0].node.node_name = "spoiled"
        subscription.ends[0].vlan = 8
        return {"subscription": subscription}

    rehearsal.run_steps(begin >> spoil, {"subscription": link.subscription_id}).expect("completed")
    assert rehearsal.read_subscription(node.subscription_id).values["node"]["node_name"] == "ams"
    assert rehearsal.read_subscription(link.subscription_id).values["ends"][0]["vlan"] == 8


def test_a_user_sees_the_owners_values_of_now_and_one_block_is_one_object(
    rehearsal: Rehearsal, products: dict[str, UUID], scope: StepScope
) -> None:
    node: Any = add_node(rehearsal, products, "ams")
    link = add_link(rehearsal, products, node)
    node.node.node_name = "ams-2"
    rehearsal.add_subscription(node)

    read = LinkInactive.from_subscription(link.subscription_id)
    assert read.ends[0].node is not None
    assert read.ends[0].node.node_name == "ams-2"
    assert read.ends[0].node is read.ends[1].node
    assert read.as_plain()["extra"][0]["node"]["node_name"] == "ams-2"


def test_relations_go_both_ways(rehearsal: Rehearsal, products: dict[str, UUID], scope: StepScope) -> None:
    node: Any = add_node(rehearsal, products, "ams")
    link = add_link(rehearsal, products, node)

    assert [one.subscription_id for one in link.depends_on] == [node.subscription_id]
    assert [one.subscription_id for one in node.in_use_by] == [link.subscription_id]
    assert [one.subscription_id for one in node.node.in_use_by] == [link.subscription_id]
    assert link.in_use_by == []


def test_blocks_are_found_and_made_by_themselves(
    rehearsal: Rehearsal, products: dict[str, UUID], scope: StepScope
) -> None:
    node: Any = add_node(rehearsal, products, "ams")

    block = NodeBlock.from_db(node.node.subscription_instance_id)
    assert (block.node_name, block.owner_subscription_id) == ("ams", node.subscription_id)
    assert PortBlockInactive.new(subscription_id=node.subscription_id, vlan=4).vlan == 4
    with pytest.raises(LookupError, match="there is no block"):
        NodeBlock.from_db(uuid4())


def save_block(rehearsal: Rehearsal, change: Any, **state: Any) -> Any:
    """Run a step that gets `change`'s arguments from the state."""
    return rehearsal.run_steps(begin >> step("Change a block")(change), state)


def test_a_block_is_saved_alone_and_its_owner_keeps_all_else(rehearsal: Rehearsal, products: dict[str, UUID]) -> None:
    node = add_node(rehearsal, products, "ams")
    link = add_link(rehearsal, products, node)
    before = rehearsal.read_subscription(link.subscription_id)

    def change(port: UUID) -> State:
        block = PortBlockInactive.from_db(port)
        block.vlan = 13
        block.save()
        again = PortBlockInactive.from_db(port)
        return {"read": again.vlan, "owner": LinkInactive.from_subscription(again.owner_subscription_id).ends[1].vlan}

    process = save_block(rehearsal, change, port=link.ends[1].subscription_instance_id).expect("completed")
    assert (process.state["read"], process.state["owner"]) == (13, 13)
    after = rehearsal.read_subscription(link.subscription_id)
    assert after.version == before.version + 1
    changed = [{**before.values["ends"][0]}, {**before.values["ends"][1], "vlan": 13}]
    assert after.values == {**before.values, "ends": changed}
    assert after.depends_on == before.depends_on


def test_a_saved_block_may_refer_to_another_owner_and_stand_in_two_fields(
    rehearsal: Rehearsal, products: dict[str, UUID]
) -> None:
    old, new = (add_node(rehearsal, products, name) for name in ("ams", "chi"))
    link = add_link(rehearsal, products, old)
    with rehearsal.open_scope():
        read = LinkInactive.from_subscription(link.subscription_id)
        read.backup = read.ends[0]
        rehearsal.add_subscription(read)

    def change(port: UUID, nodes: list[UUID]) -> None:
        block = PortBlockInactive.from_db(port)
        block.node = Node.from_subscription(nodes[0]).node
        block.save()

    port = link.ends[0].subscription_instance_id
    save_block(rehearsal, change, port=port, nodes=[new.subscription_id]).expect("completed")
    after = rehearsal.read_subscription(link.subscription_id)
    assert set(after.depends_on) == {old.subscription_id, new.subscription_id}
    with rehearsal.open_scope():
        read = LinkInactive.from_subscription(link.subscription_id)
        assert read.backup is read.ends[0]
        assert read.backup.node is not None
        assert read.backup.node.node_name == "chi"


def test_a_block_without_a_place_and_a_stale_owner_are_refused(rehearsal: Rehearsal, products: dict[str, UUID]) -> None:
    node: Any = add_node(rehearsal, products, "ams")

    def save_new(owner: UUID) -> None:
        PortBlockInactive.new(subscription_id=owner, vlan=1).save()

    failed = save_block(rehearsal, save_new, owner=node.subscription_id).expect("failed")
    assert "put a new block into a field of the subscription" in failed.journal[-1].error["error"]

    def save_late(block: UUID) -> None:
        found = NodeBlock.from_db(block)
        found.save()
        other = rehearsal.read_subscription(found.owner_subscription_id)
        rehearsal.subscriptions.commit([other])

    stale = save_block(rehearsal, save_late, block=node.node.subscription_instance_id).expect("failed")
    assert stale.journal[-1].error["class"] == "StaleVersion"


def test_a_class_with_fewer_fields_keeps_the_others_of_a_block(rehearsal: Rehearsal, products: dict[str, UUID]) -> None:
    class NodeNameBlock(ProductBlockModel, product_block_name="Node"):
        node_name: str

    node: Any = add_node(rehearsal, products, "ams")

    def change(block: UUID) -> None:
        found = NodeNameBlock.from_db(block)
        found.node_name = "chi"
        found.save()

    save_block(rehearsal, change, block=node.node.subscription_instance_id).expect("completed")
    stored = rehearsal.read_subscription(node.subscription_id).values["node"]
    assert (stored["node_name"], stored["address"]) == ("chi", "10.0.0.1")


def test_a_block_is_in_use_by_those_who_refer_to_it_and_not_to_another_block_of_its_owner(
    rehearsal: Rehearsal, products: dict[str, UUID]
) -> None:
    node = add_node(rehearsal, products, "ams")
    first, second = (add_link(rehearsal, products, node) for _ in "12")
    with rehearsal.open_scope():
        user = LinkInactive.from_subscription(second.subscription_id)
        user.backup = LinkInactive.from_subscription(first.subscription_id).ends[0]
        rehearsal.add_subscription(user)
        owner = LinkInactive.from_subscription(first.subscription_id)
        assert [one.subscription_id for one in owner.ends[0].in_use_by] == [second.subscription_id]
        assert owner.ends[1].in_use_by == []
        assert [one.subscription_id for one in owner.in_use_by] == [second.subscription_id]


def test_blocks_in_a_circle_are_refused_by_name(rehearsal: Rehearsal, scope: StepScope) -> None:
    class LoopBlock(ProductBlockModel, product_block_name="Loop"):
        other: "LoopBlock | None" = None

    class Loop(SubscriptionModel, is_base=True):
        loop: LoopBlock

    LoopBlock.model_rebuild(_types_namespace={"LoopBlock": LoopBlock})
    product = register_product("Loop", tag="Loop")
    one, two = (Loop.from_product_id(product.product_id, "c") for _ in "12")
    one.loop.other, two.loop.other = two.loop, one.loop
    rehearsal.add_subscription(one)
    rehearsal.add_subscription(two)

    with pytest.raises(CircularBlocks, match="refers to itself through other blocks"):
        Loop.from_subscription(one.subscription_id)
