"""1.3: the labels of a node's job: those of its template, then those of the node, if the template asks for labels."""

from typing import Any

import pytest

from schemas.engine.graph import BranchingProfile, Definition, Node, NodeKind
from schemas.ids import NodeKey
from tests.unit.wms.engine.graphs import make_graph
from tests.unit.wms.engine.walking import Walk
from wms.engine.nested.children import find_child_labels

ASKS: dict[str, Any] = {"asks": ("limit", "labels")}


@pytest.mark.parametrize(
    ("of_template", "of_node", "expected"),
    [
        ({}, (), ()),
        ({"labels": ("stable",)}, (), ("stable",)),
        ({"labels": ("stable",), **ASKS}, ("nightly", "stable"), ("stable", "nightly")),
        # The node had them when its template still asked.
        ({"labels": ("stable",)}, ("nightly",), ("stable",)),
        (ASKS, ("nightly",), ("nightly",)),
        # A label of another organization is no label here.
        ({"labels": ("stable",), "organization": "south", **ASKS}, ("nightly",), ("nightly",)),
        ({"labels": ("stable",), "organization": ""}, (), ()),
    ],
)
def test_1_3_a_job_has_the_labels_of_its_template_and_those_that_its_node_adds(
    of_template: dict[str, Any], of_node: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    # The labels of the tree are not those of its jobs.
    tree = Walk(make_graph(BranchingProfile.TREE, 1), organization="north", labels=("of-the-tree",)).run.facts
    node = Node(key=NodeKey("a"), name="a", kind=NodeKind.EMPTY, labels=of_node)
    child = Definition.model_validate(
        {"name": "template/1", "graph": tree.graph, "organization": "north", **of_template}
    )
    assert find_child_labels(tree, node, child) == expected
