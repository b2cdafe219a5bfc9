"""No template runs within itself, also not by two edits that each look right alone."""

import asyncio

from schemas.automation.trees import TemplateDocument, TemplateNode
from tests.integration.wms.trees.conftest import ADA, TreeWorld
from wms.located_text import LocatedDocument
from wms.trees.graphs.graph_rules import TreeRefused
from wms.trees.templates.template_store import TemplateStore


async def test_1_9_of_two_edits_at_once_that_make_a_template_run_within_itself_one_is_refused(
    tree_world: TreeWorld,
) -> None:
    store = TemplateStore(tree_world.engine.wms.store)

    async def wrap(outer: TemplateDocument, inner: TemplateDocument) -> None:
        """Save an edit that was checked before others began."""
        [number] = await store.take_node_ids(1)
        node = TemplateNode(id=number, identifier="x", template=inner.id)
        await store.save(changed=[outer.model_copy(update={"nodes": (*outer.nodes, node)})])

    for number in range(8):
        a, b, c, d = [await tree_world.make_tree([], name=f"{name}{number}") for name in "abcd"]
        await wrap(b, c)
        await wrap(d, a)
        edits = wrap(a, b), wrap(c, d)
        refused = [each for each in await asyncio.gather(*edits, return_exceptions=True) if each is not None]
        assert [type(each) for each in refused] == [TreeRefused], refused
        assert "the template would run within itself: template #" in str(refused[0])


async def test_edits_at_once_that_lead_nowhere_back_all_pass(tree_world: TreeWorld) -> None:
    inner = await tree_world.make_tree([], name="inner")
    outers = [await tree_world.make_tree([], name=f"outer{number}") for number in range(6)]
    nodes = [[{"identifier": "x", "template": inner.id}]] * len(outers)
    replace = tree_world.trees.nodes.replace_graph
    saved = await asyncio.gather(
        *(replace(ADA, outer.id, LocatedDocument({"nodes": each})) for outer, each in zip(outers, nodes, strict=True))
    )
    assert [[node.template for node in each.nodes] for each in saved] == [[inner.id]] * len(outers)
