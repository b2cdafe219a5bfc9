"""What the commit of a step does to subscriptions: versions, blocks, references, and each refusal in words."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.kernel.decision import Insert, Update
from schemas.engine.runs import NodeStatus, RunStatus
from schemas.engine.subscriptions import (
    MAX_SUBSCRIPTION_BYTES,
    ProductDocument,
    SubscriptionDocument,
    SubscriptionFilter,
    SubscriptionLifecycle,
    expand_document,
    matches_filter,
)
from schemas.ids import NodeKey
from tests.unit.wms.processes.process_runs import make_process
from wms.engine.brought import StepRefused
from wms.processes.subscriptions.brought_models import MAX_MODELS, list_references, read_models
from wms.processes.subscriptions.commit_plan import (
    MAX_EVENTS,
    StoredAround,
    list_wanted_subscriptions,
    plan_facts,
    plan_subscriptions,
)
from wms.processes.subscriptions.subscription_documents import make_filter_query, parse_subscription

NOW = datetime(2026, 11, 29, tzinfo=UTC)
PRODUCT = ProductDocument(product_id=UUID(int=99), name="Node", tag="Node")


def block(number: int, owner: int, **fields: Any) -> dict[str, Any]:
    head = {"product_block_name": "B", "subscription_instance_id": str(UUID(int=number))}
    return {**head, "owner_subscription_id": str(UUID(int=owner)), **fields}


def model(number: int = 1, version: int = 0, **fields: Any) -> dict[str, Any]:
    made = SubscriptionDocument(
        subscription_id=UUID(int=number), product=PRODUCT, customer_id="c", version=version, **fields
    )
    return made.model_dump(mode="json")


def document(number: int = 1, version: int = 1, **fields: Any) -> SubscriptionDocument:
    return SubscriptionDocument.model_validate(model(number, version, **fields))


def plan(*models: dict[str, Any], stored: tuple[SubscriptionDocument, ...] = (), **around: Any) -> tuple[Any, ...]:
    known = StoredAround(subscriptions={one.subscription_id: one for one in stored}, **around)
    return plan_subscriptions(read_models(models), known, NOW)


def refusal(*models: dict[str, Any], **around: Any) -> tuple[str, str]:
    with pytest.raises(StepRefused) as caught:
        plan(*models, **around)
    return caught.value.error_class, caught.value.reason


def test_a_new_subscription_is_created_at_version_1_with_what_it_is_found_by() -> None:
    values = {"vlan": 12, "port": block(10, 1, name="x", off=False), "node": block(20, 2), "tags": [1]}
    [change] = plan(model(values=values), stored=(document(2, values={"n": block(20, 2)}),))

    assert isinstance(change, Insert)
    stored = change.document
    assert (stored["_id"], stored["rev"], stored["insync"]) == (str(UUID(int=1)), 1, False)
    assert stored["block_ids"] == [str(UUID(int=10))]
    assert stored["depends_on"] == [str(UUID(int=2))]
    assert {(one["name"], one["value"]) for one in stored["fields"]} >= {("vlan", 12), ("name", "x"), ("off", False)}
    assert parse_subscription(stored).version == 1


def test_a_changed_subscription_is_stored_by_compare_and_set_on_the_version_that_was_read() -> None:
    [change] = plan(model(version=4, insync=True), stored=(document(version=4),))

    assert isinstance(change, Update)
    assert (change.rev, change.set["insync"]) == (4, True)


@pytest.mark.parametrize(("stored", "read"), [(3, 2), (3, 4), (3, 0), (None, 2)])
def test_a_stale_version_refuses_the_step(stored: int | None, read: int) -> None:
    kept = () if stored is None else (document(version=stored),)
    error_class, reason = refusal(model(version=read), stored=kept)
    assert error_class == "StaleVersion"
    assert str(UUID(int=1)) in reason


def test_one_stale_subscription_among_many_refuses_all_of_them() -> None:
    assert refusal(model(1), model(2, 7), stored=(document(2, 8),))[0] == "StaleVersion"


def test_values_of_a_block_that_another_subscription_owns_are_never_written() -> None:
    owner = document(2, 5, values={"node": block(20, 2, name="owner's")})
    [change] = plan(model(values={"node": block(20, 2, name="mine", port=block(30, 1))}), stored=(owner,))

    assert change.document["values"] == {"node": block(20, 2) | {"is_reference": True}}
    assert change.document["block_ids"] == []


def test_a_block_may_stand_in_several_places_of_its_own_subscription_by_reference() -> None:
    again = block(10, 1) | {"is_reference": True}
    [change] = plan(model(values={"a": block(10, 1, vlan=1), "b": again, "c": [again]}))

    assert change.document["depends_on"] == []
    assert change.document["values"]["c"] == [again]


@pytest.mark.parametrize(
    ("values", "around", "part"),
    [
        ({"a": block(10, 1), "b": block(10, 1)}, {}, "twice"),
        ({"a": block(10, 1) | {"is_reference": True}}, {}, "its own block"),
        ({"a": {"subscription_instance_id": "x"}}, {}, "'a' has no valid id"),
        ({"a": block(10, 2)}, {}, "refers to the block"),
        ({"a": block(10, 2)}, {"stored": (document(2, 1, values={}),)}, "and subscription"),
        ({"a": block(10, 1)}, {"block_owners": {UUID(int=10): UUID(int=7)}}, "claims the block"),
    ],
)
def test_blocks_that_do_not_fit_refuse_the_step_by_name(
    values: dict[str, Any], around: dict[str, Any], part: str
) -> None:
    error_class, reason = refusal(model(values=values), **around)
    assert error_class == "InvalidSubscription"
    assert part in reason


def test_a_reference_that_has_lost_its_block_does_not_refuse_a_later_step() -> None:
    values = {"a": block(10, 2) | {"is_reference": True}}
    kept = (document(1, 3, values=values), document(2, 4, values={}))
    assert plan(model(1, 3, values=values), stored=kept)


def test_a_reference_to_a_subscription_of_the_same_step_is_good() -> None:
    assert len(plan(model(1, values={"a": block(10, 2)}), model(2, values={"b": block(10, 2, vlan=1)}))) == 2


@pytest.mark.parametrize(
    ("changes", "error_class", "part"),
    [
        ({"status": "bogus"}, "InvalidSubscription", "status"),
        ({"customer_id": None}, "InvalidSubscription", "customer_id"),
        ({"subscription_id": "x"}, "InvalidSubscription", "subscription x"),
        ({"version": -1}, "InvalidSubscription", "negative"),
        ({"values": {"a": {"$set": 1}}}, "NotStorable", "'$set'"),
        ({"values": {"a": [1, 2**63]}}, "NotStorable", "a.1 is an integer"),
        ({"values": {"a": float("nan")}}, "NotStorable", "a is nan"),
        ({"values": {"a": "\ud800"}}, "NotStorable", "half of a character"),
        ({"values": {"big": "x" * MAX_SUBSCRIPTION_BYTES}}, "SubscriptionTooLarge", "'big'"),
    ],
)
def test_what_cannot_be_stored_refuses_the_step_and_names_it(
    changes: dict[str, Any], error_class: str, part: str
) -> None:
    found, reason = refusal(model() | changes)
    assert found == error_class
    assert part in reason


def test_too_deep_too_many_and_doubled_subscriptions_are_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    assert refusal(model() | {"values": deep})[0] in {"NotStorable", "InvalidSubscription"}
    assert refusal(model(), model())[1].endswith("comes twice")
    assert refusal(*[model()] * (MAX_MODELS + 1))[0] == "TooManySubscriptions"


def test_o34_a_terminated_subscription_has_an_end_date() -> None:
    [change] = plan(model(1, 2, status=SubscriptionLifecycle.TERMINATED), stored=(document(1, 2),))
    assert change.set["end_date"] == NOW
    at = datetime(2020, 1, 1, tzinfo=UTC)
    [change] = plan(model(1, 2, status=SubscriptionLifecycle.TERMINATED, end_date=at), stored=(document(1, 2),))
    assert change.set["end_date"] == at


def test_a_subscription_gets_the_product_as_it_is_registered_now() -> None:
    renamed = PRODUCT.model_copy(update={"description": "anew"})
    [change] = plan(model(), products={PRODUCT.product_id: renamed})
    assert change.document["product"]["description"] == "anew"


def test_what_the_plan_has_to_look_at_are_the_models_and_the_owners_of_their_references() -> None:
    models = read_models([model(1, values={"a": block(10, 2), "b": block(11, 3)})])
    assert list_wanted_subscriptions(models) == {UUID(int=1), UUID(int=2), UUID(int=3)}


@pytest.mark.parametrize(
    "values",
    [
        {"a": {**block(10, 1), "within": block(10, 2)}},
        {"a": block(10, 2), "b": block(10, 1)},
        {"a": block(10, 3), "b": block(10, 2)},
    ],
)
def test_a_block_with_two_owners_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(StepRefused, match="with two owners"):
        read_models([model(1, values=values)])


NAMES = st.sampled_from("abcd")
LEAVES = st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.text("xyz", max_size=5)


@st.composite
def blocks(draw: st.DrawFn, depth: int = 3) -> dict[str, Any]:
    number, owner = draw(st.integers(100, 10**9)), draw(st.sampled_from([1, 1, 1, 2, 3]))
    inner = draw(st.dictionaries(NAMES, LEAVES if depth == 0 else LEAVES | blocks(depth - 1), max_size=3))
    return {**inner, **block(number, owner)}


@given(values=st.dictionaries(NAMES, LEAVES | blocks() | st.lists(blocks(), max_size=2), max_size=4))
def test_reading_is_idempotent_and_keeps_no_value_below_a_foreign_block(values: dict[str, Any]) -> None:
    try:
        [once] = read_models([model(values=values)])
    except StepRefused:
        return  # two blocks of one id, or one with two owners
    [again] = read_models([once.model_dump(mode="json")])
    assert again == once
    references = list_references(once.values)
    assert set(once.depends_on) == set(references.values())
    assert UUID(int=1) not in references.values()
    owners = {
        owner: SubscriptionDocument.model_validate(
            model(1) | {"subscription_id": str(owner), "values": {f"r{key.int}": block(key.int, owner.int, own=1)}}
        )
        for key, owner in references.items()
    }
    if len(set(references.values())) == len(references):
        expand_document(once, owners.__getitem__)
    for wanted in (SubscriptionFilter(depends_on=owner) for owner in once.depends_on):
        assert matches_filter(once, wanted)


def test_facts_carry_what_the_step_states_and_bad_ones_refuse_the_step() -> None:
    run = make_process([NodeStatus.TAKEN] + [NodeStatus.PENDING] * 3, RunStatus.RUNNING)
    [fact] = plan_facts(run, NodeKey("0"), [{"name": "node.up", "correlation": "12", "body": {"x": 1}}])
    assert (fact.run, fact.node, fact.name, fact.body) == (run.id, "0", "node.up", {"x": 1})
    for bad in ([{}], [{"name": ""}], [{"name": "x", "correlation": 1}], [{"name": "x"}] * (MAX_EVENTS + 1)):
        with pytest.raises(StepRefused) as caught:
            plan_facts(run, NodeKey("0"), bad)
        assert caught.value.error_class == "InvalidEvent"


def test_a_filter_without_fields_finds_everything_and_long_values_are_compared_later() -> None:
    assert make_filter_query(SubscriptionFilter()) == {}
    assert make_filter_query(SubscriptionFilter(field="a", value="x" * 600)) == {"$and": [{}]}
