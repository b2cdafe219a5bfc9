"""Passwords that a node gives to its template: masked for all, kept by the mask, and given to no other template."""

from typing import Any

import pytest

from schemas.automation.surveys import QuestionType, Survey, SurveyQuestion
from schemas.automation.trees import TemplateDocument, TemplateNode, Topology
from schemas.engine.graph import BranchingProfile, Graph, Node, NodeKind
from schemas.ids import NodeKey, TemplateId
from tests.unit.wms.engine.walking import Walk
from tests.unit.wms.trees.template_samples import make_template
from wms.gateway.awx.shapes.job_shapes import show_job_node
from wms.gateway.awx.shapes.template_shapes import show_node
from wms.trees.graphs.tree_definitions import make_definition
from wms.trees.graphs.whole_graph import write_graph
from wms.trees.inputs.launch_values import restore_passwords
from wms.trees.template_errors import FieldsRefused

MASK = "$encrypted$"
QUESTION = SurveyQuestion.model_validate(
    {"variable": "pw", "question_name": "Password?", "type": "password", "required": True}
)
ASKING = make_template(id=100, name="build", survey=Survey(name="s", spec=(QUESTION,)), survey_enabled=True)
OTHER = make_template(id=101, name="other", asks=("variables",))
NODE = TemplateNode.model_validate(
    {"id": 10, "identifier": "n", "template": 100, "extra_data": {"pw": "hush", "arch": "arm64"}}
)


def give(values: dict[str, Any], wrapped: TemplateDocument | None = ASKING) -> dict[str, Any]:
    return take(values, wrapped)[0]


def take(
    values: dict[str, Any], wrapped: TemplateDocument | None = ASKING, node: TemplateNode = NODE
) -> tuple[dict[str, Any], tuple[str, ...]]:
    return restore_passwords(
        node.extra_data, values, masked=node.masked, before=ASKING, wrapped=wrapped, seal="sealed:{}".format
    )


def test_a_node_shows_no_password_of_its_template() -> None:
    tree = make_template(nodes=(NODE,))
    assert show_node(tree, NODE, ASKING)["extra_data"] == {"pw": MASK, "arch": "arm64"}
    written = write_graph(tree.nodes, Topology.TREE, {TemplateId(100): "build"}, {TemplateId(100): ASKING})
    assert written["nodes"][0]["extra_data"] == {"pw": MASK, "arch": "arm64"}


def test_a_node_of_a_launched_tree_shows_no_password() -> None:
    spec = Node(key=NodeKey("n"), name="n", kind=NodeKind.RUN, definition="template/100", params=dict(NODE.extra_data))
    walk = Walk(Graph(profile=BranchingProfile.TREE, nodes=(spec,))).begin()
    run = walk.facts.model_copy(update={"nodes": tuple(walk.run.nodes)})
    masked = {"pw": MASK, "arch": "arm64"}
    assert show_job_node(run, 0, None, now=walk.now, wrapped=ASKING)["extra_data"] == masked
    job = run.model_copy(update={"masked": ("pw",)})
    assert show_job_node(run, 0, job, now=walk.now)["extra_data"] == masked
    # Neither its job nor its template is there to name the passwords.
    assert show_job_node(run, 0, None, now=walk.now)["extra_data"] == {"pw": MASK, "arch": MASK}


def test_the_mask_means_the_password_that_the_node_has() -> None:
    assert give({"pw": MASK, "arch": "x86"}) == {"pw": "hush", "arch": "x86"}
    assert give({"pw": "new"}) == {"pw": "sealed:new"}
    assert give({}) == {}
    assert take({"pw": MASK, "arch": "x86"})[1] == take({"pw": "new"})[1] == ("pw",)


def test_a_password_stays_masked_when_its_question_becomes_another_one_until_it_is_given_anew() -> None:
    """The question asked for a password when the node answered it, and for a text later."""
    text = QUESTION.model_copy(update={"type": QuestionType.TEXT})
    asking = ASKING.model_copy(update={"survey": Survey(name="s", spec=(text,))})
    sealed = NODE.model_copy(update={"extra_data": {"pw": "sealed:hush"}, "masked": ("pw",)})
    tree = make_template(nodes=(sealed,))
    assert show_node(tree, sealed, asking)["extra_data"] == {"pw": MASK}
    written = write_graph(tree.nodes, Topology.TREE, {TemplateId(100): "build"}, {TemplateId(100): asking})
    assert written["nodes"][0]["extra_data"] == {"pw": MASK}
    assert make_definition(tree, {TemplateId(100): "build"}).graph.nodes[0].masked == ("pw",)
    assert take({"pw": MASK}, asking, sealed) == ({"pw": "sealed:hush"}, ("pw",))
    assert take({"pw": "plain"}, asking, sealed) == ({"pw": "plain"}, ())


def test_nobody_can_give_a_sealed_text_to_have_it_unsealed() -> None:
    assert give({"pw": "fernet:of-another-template"}) == {"pw": "sealed:fernet:of-another-template"}
    assert take({"arch": "fernet:of-another-template"})[1] == (), "so nothing unseals it"


def test_another_template_does_not_get_the_password() -> None:
    assert give(dict(NODE.extra_data), OTHER) == {"arch": "arm64"}
    assert give(dict(NODE.extra_data), None) == {"arch": "arm64"}
    with pytest.raises(FieldsRefused, match="give it again"):
        give({"pw": MASK}, OTHER)


def test_a_mask_for_a_password_that_the_node_does_not_have_is_refused() -> None:
    fresh = NODE.model_copy(update={"extra_data": {}, "template": None})
    with pytest.raises(FieldsRefused, match="give it again"):
        restore_passwords(fresh.extra_data, {"pw": MASK}, masked=(), before=None, wrapped=ASKING, seal=str)
