"""Definitions: what they refuse by themselves, and what their hash tells apart."""

import pytest
from pydantic import ValidationError

from schemas.engine.graph import (
    BranchingProfile,
    Definition,
    Edge,
    Graph,
    Node,
    NodeKind,
    WaitKind,
    WaitSpec,
    make_chain,
)
from schemas.ids import NodeKey


def step(key: str, **fields: object) -> Node:
    """Return a step."""
    return Node.model_validate({"key": key, "name": key, "function": f"do_{key}", **fields})


CHAIN = make_chain((step("a"), step("b"), step("c")))


def test_a_chain_leads_from_each_node_to_the_next() -> None:
    assert CHAIN.profile is BranchingProfile.CHAIN
    assert [[edge.to for edge in node.edges] for node in CHAIN.nodes] == [[1], [2], []]
    assert make_chain(()).nodes == ()


@pytest.mark.parametrize(
    "nodes",
    [
        (step("a"), step("a")),
        (step("a", edges=[Edge(to=1)]),),
        (step("a", opens=4),),
        (step("a", opens=-1),),
    ],
)
def test_keys_are_unique_and_edges_lead_to_nodes(nodes: tuple[Node, ...]) -> None:
    with pytest.raises(ValidationError):
        Graph(nodes=nodes)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": NodeKind.STEP},
        {"kind": NodeKind.STEP, "function": "f", "wait": WaitSpec(kind=WaitKind.INPUT)},
        {"kind": NodeKind.WAIT},
        {"kind": NodeKind.RUN},
    ],
)
def test_a_node_has_what_its_kind_needs(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Node.model_validate({"key": "a", "name": "a", **fields})


def test_the_hash_covers_order_code_and_graph_but_no_description() -> None:
    one = Definition(name="create", graph=CHAIN)
    other_order = Definition(name="create", graph=make_chain((step("b"), step("a"), step("c"))))
    assert one.hash == Definition(name="create", graph=CHAIN, description="what it does", tag="T").hash
    assert len({one.hash, other_order.hash, Definition(name="create", graph=CHAIN, code="1").hash}) == 3


def test_the_hash_survives_the_wire_and_a_kind_that_only_a_newer_version_knows() -> None:
    definition = Definition(name="create", graph=CHAIN, code="c0de")
    assert Definition.model_validate_json(definition.model_dump_json()).hash == definition.hash
    newer = Node.model_validate({"key": NodeKey("a"), "name": "a", "kind": "quantum"})
    assert not newer.kind.is_known
