"""Domain models: classes by lifecycle, blocks with owners, references, and what is stored of them."""

from collections.abc import Iterator
from enum import IntEnum
from ipaddress import IPv4Address
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest
from pydantic import Field, ValidationError

from ewms.steps import (
    SI,
    SUBSCRIPTION_MODEL_REGISTRY,
    ProductBlockModel,
    State,
    SubscriptionInstanceList,
    SubscriptionLifecycle,
    SubscriptionModel,
    begin,
    change_lifecycle,
    ensure_provisioning_status,
    find_subscriptions,
    get_product_by_id,
    get_product_by_name,
    register_product,
    resync,
    serializable_property,
    set_status,
    step,
    unsync,
    unsync_unchecked,
    values_in_use,
)
from ewms.steps.models.lifecycles import WrongLifecycle
from ewms.steps.step_scope import OutsideOfStep, StepScope
from ewms.steps.testing import Rehearsal, StaleVersion
from schemas.engine.subscriptions import CircularBlocks

INITIAL, PROVISIONING, ACTIVE, TERMINATED = (
    SubscriptionLifecycle.INITIAL,
    SubscriptionLifecycle.PROVISIONING,
    SubscriptionLifecycle.ACTIVE,
    SubscriptionLifecycle.TERMINATED,
)


class Speed(IntEnum):
    GIG = 1000
    TEN_GIG = 10000


class NodeBlockInactive(ProductBlockModel, product_block_name="Node"):
    node_name: str | None = None
    address: IPv4Address | None = None


class NodeBlock(NodeBlockInactive, lifecycle=[PROVISIONING, ACTIVE]):
    node_name: str

    @serializable_property
    def label(self) -> str:
        return f"node {self.node_name}"


class NodeInactive(SubscriptionModel, is_base=True):
    node: NodeBlockInactive


class Node(NodeInactive, lifecycle=[PROVISIONING, ACTIVE]):
    node: NodeBlock


class PortBlockInactive(ProductBlockModel, product_block_name="Port"):
    vlan: int | None = None
    node: NodeBlockInactive | None = None


class PortBlock(PortBlockInactive, lifecycle=[ACTIVE]):
    vlan: int
    node: NodeBlock


class PortPair(SubscriptionInstanceList[SI]):
    min_items = 2
    max_items = 2


ListOfPorts = Annotated[list[SI], Field(min_length=1, max_length=3)]


class LinkInactive(SubscriptionModel, is_base=True):
    speed: Speed
    ends: PortPair[PortBlockInactive]
    extra: ListOfPorts[PortBlockInactive]
    backup: PortBlockInactive | None = None
    tags: list[str] = Field(default_factory=list)


class Link(LinkInactive, lifecycle=[ACTIVE]):
    ends: PortPair[PortBlock]
    extra: ListOfPorts[PortBlock]


@pytest.fixture
def products(rehearsal: Rehearsal) -> dict[str, UUID]:
    node = register_product("Core Node", tag="Node", product_type="Node")
    link = register_product("Link 10G", tag="Link", product_type="Link", fixed_inputs={"speed": 10000, "colour": "red"})
    return {"node": node.product_id, "link": link.product_id}


@pytest.fixture
def scope(rehearsal: Rehearsal) -> Iterator[StepScope]:
    with rehearsal.open_scope() as opened:
        yield opened


def add_node(rehearsal: Rehearsal, products: dict[str, UUID], name: str, insync: bool = True) -> SubscriptionModel:
    with rehearsal.open_scope():
        node = NodeInactive.from_product_id(products["node"], uuid4(), insync=insync)
        node.node.node_name = name
        node.node.address = IPv4Address("10.0.0.1")
        active = change_lifecycle(node, ACTIVE)
        rehearsal.add_subscription(active)
        return Node.from_document(
            rehearsal.read_subscription(node.subscription_id),
            StepScope(source=rehearsal.subscriptions, idempotency_key="k", now=rehearsal.now),
        )


def add_link(rehearsal: Rehearsal, products: dict[str, UUID], node: Any, vlan: int = 7) -> LinkInactive:
    with rehearsal.open_scope():
        link = LinkInactive.from_product_id(products["link"], uuid4())
        for port in (*link.ends, *link.extra):
            port.vlan = vlan
            port.node = node.node
        rehearsal.add_subscription(link)
    return link


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
