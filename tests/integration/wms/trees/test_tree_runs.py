"""Trees as people run them: launched, branched, canceled, approved, repeated. Tests name the rows they prove."""

import asyncio

import pytest

from schemas.automation.trees import TEMPLATES, TemplateKind
from schemas.errors import Conflict, Forbidden, NotFound
from schemas.ids import TemplateId
from tests.integration.wms.trees.conftest import ADA, BOB, EVE, NORTH, TreeWorld
from wms.located_text import read_located
from wms.trees.graphs.graph_rules import TreeRefused
from wms.trees.graphs.whole_graph import GraphRefused
from wms.trees.jobs.explain import explain_run
from wms.trees.jobs.tree_runs import TreeLaunch
from wms.trees.template_errors import DecidedAlready, FieldsRefused, JobIsActive, NotCancelable, TemplateInUse


async def test_a1_a4_a5_a6_a7_a19_a20_a26_a_tree_runs_from_its_roots_to_its_leaves(tree_world: TreeWorld) -> None:
    for name in ("build", "test", "tell", "rollback"):
        await tree_world.make_job(name)
    template = await tree_world.make_tree(
        [
            {"identifier": "b", "template": "build", "success": ["t"], "failure": ["r"]},
            {"identifier": "t", "template": "test"},
            {"identifier": "r", "template": "rollback"},
            {"identifier": "m", "template": "tell"},
        ]
    )
    run = await tree_world.launch(template.id)
    document = await tree_world.engine.load(run)
    # A19: all job nodes are there at once, their edges with them; A7: the run names its template.
    assert [node.key for node in document.graph.nodes] == ["b", "t", "r", "m"]
    assert (document.definition, document.title) == (f"template/{template.id}", "release")
    job = await tree_world.until_job(run, 0)
    assert (job.title, job.launch_type, job.owner, job.root) == ("build", "workflow", "ada", run)
    await tree_world.end("build")
    await tree_world.end("tell")
    await tree_world.end("test")
    ended = await tree_world.until_over(run)
    assert (ended.status, await tree_world.show(run)) == ("successful", "ss-s")
    jobs = await tree_world.trees.runs.list_node_jobs(ended)
    assert {place: job.title for place, job in jobs.items()} == {0: "build", 1: "test", 3: "tell"}
    assert all(job.status == "successful" for job in jobs.values())


async def test_a18_a29_a30_failed_takes_the_failure_edge_and_the_rest_is_explained(tree_world: TreeWorld) -> None:
    for name in ("build", "rollback", "tell"):
        await tree_world.make_job(name)
    template = await tree_world.make_tree(
        [
            {"identifier": "b", "template": "build", "failure": ["r"]},
            {"identifier": "r", "template": "rollback"},
            {"identifier": "m", "template": "tell"},
        ]
    )
    run = await tree_world.launch(template.id)
    await tree_world.end("build", "failed")
    await tree_world.end("rollback")
    await tree_world.end("tell", "error")
    ended = await tree_world.until_over(run)
    assert (ended.status, await tree_world.show(run)) == ("failed", "fse")
    assert explain_run(ended).startswith(
        f"no edge handles the end of these nodes: node #{run * 20000 + 2} 'tell' error"
    )


async def test_1_6_variables_and_artifacts_reach_the_jobs_in_their_order(tree_world: TreeWorld) -> None:
    await tree_world.make_job("build")
    await tree_world.make_job(
        "test", extra_vars="a: template\nb: template\nc: template\nd: template\n", ask_variables_on_launch=True
    )
    template = await tree_world.make_tree(
        [
            {"identifier": "b", "template": "build", "success": ["t"]},
            {"identifier": "t", "template": "test", "extra_data": {"b": "node", "c": "node", "d": "node"}},
        ],
        ask_variables_on_launch=True,
    )
    await tree_world.launch(template.id, d="launch")
    await tree_world.end("build", delta={"artifacts": {"c": "artifact", "d": "artifact"}})
    order = await tree_world.worker.hear("do-test")
    assert {key: order.variables[key] for key in "abcd"} == {
        "a": "template",
        "b": "node",
        "c": "artifact",
        "d": "launch",
    }
    await tree_world.worker.end(order)


async def test_a31_a_canceled_job_stops_its_branch_of_a_tree_only(tree_world: TreeWorld) -> None:
    for name in ("build", "test", "tell"):
        await tree_world.make_job(name)
    template = await tree_world.make_tree(
        [
            {"identifier": "b", "template": "build", "always": ["t"]},
            {"identifier": "t", "template": "test"},
            {"identifier": "m", "template": "tell"},
        ]
    )
    run = await tree_world.launch(template.id)
    job = await tree_world.until_job(run, 0)
    order = await tree_world.worker.hear("do-build")
    await tree_world.trees.runs.cancel(ADA, job.id)
    await tree_world.worker.end(order)
    await tree_world.engine.until(run, lambda document: document.nodes[0].status == "canceled")
    await tree_world.end("tell")
    ended = await tree_world.until_over(run)
    assert (ended.status, await tree_world.show(run)) == ("failed", "c-s")


async def test_a28_a32_a_canceled_tree_has_nothing_active_below_and_its_jobs_go_after_it(
    tree_world: TreeWorld,
) -> None:
    for name in ("build", "test"):
        await tree_world.make_job(name)
    inner = await tree_world.make_tree(
        [{"identifier": "b", "template": "build", "always": ["t"]}, {"identifier": "t", "template": "test"}],
        name="inner",
    )
    outer = await tree_world.make_tree([{"identifier": "i", "template": inner.id}], name="outer")
    run = await tree_world.launch(outer.id)
    nested = await tree_world.until_job(run, 0)
    job = await tree_world.until_job(nested.id, 0)
    order = await tree_world.worker.hear("do-build")
    with pytest.raises(Forbidden):
        await tree_world.trees.runs.cancel(BOB, run)
    with pytest.raises(TemplateInUse) as in_use:
        await tree_world.trees.templates.delete_template(ADA, outer.id, TemplateKind.WORKFLOW)
    assert in_use.value.jobs == (run,)
    await tree_world.trees.runs.cancel(ADA, run)
    await tree_world.worker.end(order)
    ended = await tree_world.until_over(run)
    assert ended.status == "canceled"
    for below in (nested.id, job.id):
        assert (await tree_world.engine.load(below)).status == "canceled", "nothing below a canceled run is active"
    with pytest.raises(NotCancelable):
        await tree_world.trees.runs.cancel(ADA, run)
    await tree_world.trees.runs.delete_job(ADA, job.id)
    await tree_world.trees.runs.delete_job(ADA, run)
    with pytest.raises(NotFound):
        await tree_world.trees.runs.find_job(ADA, run)
    assert (await tree_world.engine.load(nested.id)).status == "canceled", "deleting a tree leaves its jobs"


async def test_a28_a_job_that_is_over_stays_while_its_tree_runs(tree_world: TreeWorld) -> None:
    for name in ("build", "test"):
        await tree_world.make_job(name)
    template = await tree_world.make_tree(
        [{"identifier": "b", "template": "build", "success": ["t"]}, {"identifier": "t", "template": "test"}]
    )
    run = await tree_world.launch(template.id)
    await tree_world.end("build")
    job = await tree_world.until_job(run, 0)
    await tree_world.until_job(run, 1)
    assert (await tree_world.engine.load(job.id)).status == "successful"
    with pytest.raises(JobIsActive):
        await tree_world.trees.runs.delete_job(ADA, job.id)
    await tree_world.end("test")
    await tree_world.until_over(run)
    await tree_world.trees.runs.delete_job(ADA, job.id)


async def test_1_9_an_approval_is_decided_once_and_not_by_the_starter(tree_world: TreeWorld) -> None:
    await tree_world.make_job("deploy")
    approval = {"name": "Sign", "timeout": 600, "bars_starter": True}
    template = await tree_world.make_tree(
        [{"identifier": "a", "approval": approval, "success": ["d"]}, {"identifier": "d", "template": "deploy"}]
    )
    run = await tree_world.launch(template.id)
    waits = await tree_world.until_job(run, 0)
    assert (waits.title, waits.status) == ("Sign", "waiting")
    runs = tree_world.trees.runs
    with pytest.raises(Forbidden, match="has started the tree"):
        await runs.decide_approval(ADA, waits.id, is_approved=True)
    with pytest.raises(Forbidden):
        await runs.decide_approval(BOB, waits.id, is_approved=True)
    await runs.decide_approval(EVE, waits.id, is_approved=True, comment="looks good")
    with pytest.raises(DecidedAlready, match="the job is successful"):
        await runs.decide_approval(EVE, waits.id, is_approved=False)
    await tree_world.end("deploy")
    assert (await tree_world.until_over(run)).status == "successful"


async def test_1_9_allow_simultaneous_a_second_run_waits_for_the_first(tree_world: TreeWorld) -> None:
    await tree_world.make_job("build")
    template = await tree_world.make_tree([{"identifier": "b", "template": "build"}])
    first = await tree_world.launch(template.id)
    await tree_world.worker.hear("do-build")
    second, third = await tree_world.launch(template.id), await tree_world.launch(template.id)
    await asyncio.sleep(0.3)
    assert (await tree_world.engine.load(second)).status == "created"
    await tree_world.trees.runs.cancel(ADA, second)
    await tree_world.until_over(second)
    await tree_world.end("build")
    await tree_world.until_over(first)
    await tree_world.end("build", n=2)
    assert (await tree_world.until_over(third)).status == "successful"
    await tree_world.trees.templates.change_template(
        ADA, template.id, TemplateKind.WORKFLOW, {"allow_simultaneous": True}
    )
    both = [await tree_world.launch(template.id) for _ in range(2)]
    await tree_world.worker.hear("do-build", n=4)
    assert [(await tree_world.engine.load(run)).status for run in both] == ["running", "running"]


async def test_1_10_a_relaunch_from_the_failed_nodes_repeats_no_good_one(tree_world: TreeWorld) -> None:
    for name in ("build", "test", "rollback"):
        await tree_world.make_job(name)
    template = await tree_world.make_tree(
        [
            {"identifier": "b", "template": "build", "success": ["t"]},
            {"identifier": "t", "template": "test", "failure": ["r"]},
            {"identifier": "r", "template": "rollback"},
        ],
        ask_variables_on_launch=True,
    )
    run = await tree_world.launch(template.id, version="1.2")
    await tree_world.end("build", artifacts={"image": "a1"})
    await tree_world.end("test", "failed")
    with pytest.raises(Conflict):
        await tree_world.trees.runs.relaunch(ADA, run, from_failed=True)
    await tree_world.end("rollback")
    first = await tree_world.until_over(run)
    again = await tree_world.trees.runs.relaunch(ADA, run, from_failed=True)
    order = await tree_world.worker.hear("do-test", n=2)
    assert (order.variables["version"], order.variables["image"]) == ("1.2", "a1")
    await tree_world.worker.end(order)
    ended = await tree_world.until_over(again.id)
    assert (ended.status, ended.launch_type, ended.relaunch_of) == ("successful", "relaunch", run)
    assert [state.reused_from for state in ended.nodes] == [run, None, None]
    assert ended.nodes[0].child_run == first.nodes[0].child_run
    assert await tree_world.show(again.id) == "ss-"
    whole = await tree_world.trees.runs.relaunch(ADA, run)
    await tree_world.end("build", n=2)
    await tree_world.end("test", n=3)
    assert (await tree_world.until_over(whole.id)).params["version"] == "1.2"


async def test_1_9_recursion_is_refused_at_save_and_a_template_that_is_gone_leaves_an_empty_node(
    tree_world: TreeWorld,
) -> None:
    await tree_world.make_job("build")
    inner = await tree_world.make_tree([{"identifier": "b", "template": "build"}], name="inner")
    outer = await tree_world.make_tree([{"identifier": "i", "template": inner.id}], name="outer")
    nodes = tree_world.trees.nodes
    with pytest.raises(TreeRefused, match=r"run within itself: template #\d+ 'inner' > template #\d+ 'outer'"):
        await nodes.create_node(ADA, inner.id, {"unified_job_template": outer.id})
    with pytest.raises(TreeRefused, match="within itself"):
        await nodes.create_node(ADA, inner.id, {"unified_job_template": inner.id})
    await tree_world.trees.templates.delete_template(ADA, inner.id, TemplateKind.WORKFLOW)
    after = await tree_world.trees.templates.get_template(ADA, outer.id)
    assert [node.template for node in after.nodes] == [None]
    run = await tree_world.launch(outer.id)
    assert ((await tree_world.until_over(run)).status, await tree_world.show(run)) == ("successful", "-")


async def test_a_refused_edit_changes_nothing_and_names_are_unique(tree_world: TreeWorld) -> None:
    await tree_world.make_job("build")
    template = await tree_world.make_tree([{"identifier": "b", "template": "build"}])
    nodes, templates = tree_world.trees.nodes, tree_world.trees.templates
    text = "- identifier: b\n  template: bild\n- identifier: c\n  template: build\n  extra_data: {x: 1}\n"
    with pytest.raises(GraphRefused) as refused:
        await nodes.replace_graph(ADA, template.id, read_located(text))
    assert [fault.split(":")[0] for fault in refused.value.faults] == ["line 1", "line 3"]
    assert "not configured to prompt" in refused.value.faults[1]
    assert await templates.get_template(ADA, template.id) == template
    with pytest.raises(FieldsRefused, match="already exists"):
        await tree_world.make_job("build")
    with pytest.raises(FieldsRefused, match="already exists"):
        await nodes.create_node(ADA, template.id, {"identifier": "b"})
    with pytest.raises(Forbidden):
        await templates.create_template(BOB, TemplateKind.WORKFLOW, {"name": "x", "organization": NORTH})
    with pytest.raises(Forbidden):
        await templates.create_template(ADA, TemplateKind.WORKFLOW, {"name": "x"})
    with pytest.raises(NotFound):
        await tree_world.trees.runs.launch(ADA, TemplateId(999), TreeLaunch())


async def test_a_copy_has_its_own_nodes_and_approvals(tree_world: TreeWorld) -> None:
    await tree_world.make_job("build")
    template = await tree_world.make_tree(
        [{"identifier": "a", "approval": {"name": "Sign"}, "success": ["b"]}, {"identifier": "b", "template": "build"}]
    )
    copied = await tree_world.trees.templates.copy_template(ADA, template.id, "again")
    assert [node.identifier for node in copied.nodes] == ["a", "b"]
    assert copied.nodes[0].success_nodes == (copied.nodes[1].id,)
    assert copied.nodes[0].template != template.nodes[0].template
    assert copied.nodes[1].template == template.nodes[1].template
    await tree_world.trees.nodes.delete_node(ADA, template.nodes[0].id)
    assert await tree_world.trees.templates.get_template(ADA, TemplateId(copied.nodes[0].template or 0))
    with pytest.raises(NotFound):
        await tree_world.trees.templates.get_template(ADA, TemplateId(template.nodes[0].template or 0))


async def test_1_9_an_approval_that_waits_is_denied_when_somebody_deletes_its_node(tree_world: TreeWorld) -> None:
    await tree_world.make_job("rollback")
    template = await tree_world.make_tree(
        [
            {"identifier": "a", "approval": {"name": "Sign"}, "failure": ["r"]},
            {"identifier": "r", "template": "rollback"},
        ]
    )
    run = await tree_world.launch(template.id)
    waits = await tree_world.until_job(run, 0)
    current = await tree_world.trees.templates.get_template(ADA, template.id)
    await tree_world.trees.nodes.delete_node(EVE, current.nodes[0].id)
    denied = await tree_world.until_over(waits.id)
    assert (denied.status, denied.nodes[0].wait and denied.nodes[0].wait.state) == ("failed", "answered")
    await tree_world.end("rollback")
    assert (await tree_world.until_over(run)).status == "successful"


async def test_1_9_a_sweep_denies_an_approval_whose_template_a_crash_has_orphaned(tree_world: TreeWorld) -> None:
    template = await tree_world.make_tree([{"identifier": "a", "approval": {"name": "Sign"}}])
    run = await tree_world.launch(template.id)
    waits = await tree_world.until_job(run, 0)
    store = tree_world.engine.wms.store
    await tree_world.trees.orphans.sweep()
    assert (await tree_world.engine.load(waits.id)).status == "waiting", "its template is still there"
    await store.delete_matching(TEMPLATES, {"kind": "workflow_approval_template"})
    await tree_world.trees.orphans.sweep()
    assert (await tree_world.until_over(waits.id)).status == "failed"
    assert (await tree_world.until_over(run)).status == "failed"
