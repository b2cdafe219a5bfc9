"""Nobody runs a template of an organization without a right there, on whatever way."""

import pytest

from schemas.automation.notifications import NotificationList, NotificationTemplateId, name_organization, name_template
from schemas.automation.trees import ProcessWork, TemplateKind
from schemas.errors import Forbidden
from schemas.ids import OrganizationId, TemplateId
from tests.integration.wms.trees.conftest import ADA, NORTH, TreeWorld
from tests.waiting import eventually
from wms.notifications.notification_store import MAX_LINKS, NotificationStore
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Principal, TenancyRole
from wms.trees.jobs.tree_runs import TreeLaunch
from wms.trees.template_errors import FieldsRefused
from wms.trees.templates.template_store import TemplateStore

SOUTH = OrganizationId("south")
ADMIN = frozenset({TenancyRole.ORG_ADMIN})
#: Admin of both organizations.
ZOE = Principal("zoe", roles={NORTH: ADMIN, SOUTH: ADMIN})


async def move(tree_world: TreeWorld, template_id: TemplateId, organization: OrganizationId) -> None:
    """Let a template belong to another organization."""
    store = TemplateStore(tree_world.engine.wms.store)
    template = await store.load_template(template_id)
    await store.save(changed=[template.model_copy(update={"organization": organization})])


async def test_a_job_template_is_no_way_to_run_a_template(tree_world: TreeWorld) -> None:
    secret = await tree_world.make_job("build")
    await move(tree_world, secret.id, SOUTH)
    name = f"template/{secret.id}"
    with pytest.raises(FieldsRefused) as refused:
        await tree_world.make_job(name)
    assert "wrap it in a node" in refused.value.fields["work"][0]
    mine = await tree_world.make_job("test")
    with pytest.raises(FieldsRefused):
        await tree_world.trees.templates.change_template(
            ADA, mine.id, TemplateKind.JOB, {"work": {"kind": "process", "definition": name}}
        )
    # One that an earlier version has stored.
    store = TemplateStore(tree_world.engine.wms.store)
    await store.save(changed=[mine.model_copy(update={"work": ProcessWork(definition=name)})])
    run = await tree_world.until_over(await tree_world.launch(mine.id))
    assert (run.status, run.nodes[0].child_run) == ("error", None)
    assert run.nodes[0].error is not None
    assert "only a node of a tree runs one" in run.nodes[0].error.message


async def test_a_relaunch_needs_the_right_where_the_template_is_now(tree_world: TreeWorld) -> None:
    await tree_world.make_job("build")
    template = await tree_world.make_tree([{"identifier": "b", "template": "build"}])
    run = await tree_world.launch(template.id)
    await tree_world.end("build", "failed")
    await tree_world.until_over(run)
    await move(tree_world, template.id, SOUTH)
    for from_failed in (False, True):
        with pytest.raises(Forbidden):
            await tree_world.trees.runs.relaunch(ADA, run, from_failed=from_failed)
    again = await tree_world.trees.runs.relaunch(ZOE, run)
    assert (again.organization, again.relaunch_of) == (SOUTH, run)


async def test_a_template_takes_its_approvals_to_another_organization(tree_world: TreeWorld) -> None:
    await Organizations(tree_world.engine.wms.store).save_organization(SOUTH, title="", customer_ids=(), by="root")
    template = await tree_world.make_tree([{"identifier": "s", "approval": {"name": "Sign"}}])
    moved = await tree_world.trees.templates.change_template(
        ZOE, template.id, TemplateKind.WORKFLOW, {"organization": SOUTH}
    )
    approval = moved.nodes[0].template
    assert approval is not None
    with pytest.raises(Forbidden):
        await tree_world.trees.templates.get_template(ADA, approval)
    assert (await tree_world.trees.templates.get_template(ZOE, approval)).organization == SOUTH


async def make_receiver(tree_world: TreeWorld, name: str, organization: OrganizationId) -> NotificationTemplateId:
    """Create a notification template."""
    raw = {"name": name, "organization": organization, "notification_type": "webhook"}
    more = {"notification_configuration": {"url": "https://127.0.0.1:1/"}}
    return (await tree_world.engine.wms.notifications.service.create_template(ZOE, {**raw, **more})).id


async def list_links(tree_world: TreeWorld) -> list[str]:
    """Return the names of the stored links."""
    return sorted(each["_id"] for each in await tree_world.engine.wms.store.find("notification_links", {}))


async def test_a_moved_template_does_not_tell_the_receivers_of_its_old_organization(tree_world: TreeWorld) -> None:
    wms, success = tree_world.engine.wms, [NotificationList.SUCCESS]
    for each in (NORTH, SOUTH):
        await Organizations(wms.store).save_organization(each, title="", customer_ids=(), by="root")
    template = await tree_world.make_tree([{"identifier": "a"}])
    target, service = name_template(template.id), wms.notifications.service
    north, south = await make_receiver(tree_world, "n", NORTH), await make_receiver(tree_world, "s", SOUTH)
    await service.link(ZOE, target, NORTH, success, north)
    with pytest.raises(FieldsRefused) as refused:
        await service.link(ZOE, target, NORTH, success, south)
    assert "is in the organization 'south'" in refused.value.fields["id"][0]
    await tree_world.trees.templates.change_template(ZOE, template.id, TemplateKind.WORKFLOW, {"organization": SOUTH})
    assert await list_links(tree_world) == []
    await service.link(ZOE, target, SOUTH, success, south)
    # One that an earlier version has stored.
    await NotificationStore(wms.store).add_links(target, success, north)
    launched, _ = await tree_world.trees.runs.launch(ZOE, template.id, TreeLaunch())
    run = await tree_world.until_over(launched.id)

    async def is_told() -> bool:
        return bool(await wms.store.find("notifications", {}))

    await eventually(is_told)
    told = await wms.store.find("notifications", {})
    assert [(each["run"], each["template"], each["organization"]) for each in told] == [(run.id, south, SOUTH)]


async def test_a_moved_notification_template_leaves_the_lists_of_its_old_organization(tree_world: TreeWorld) -> None:
    wms, success = tree_world.engine.wms, [NotificationList.SUCCESS]
    for each in (NORTH, SOUTH):
        await Organizations(wms.store).save_organization(each, title="", customer_ids=(), by="root")
    template = await tree_world.make_tree([{"identifier": "a"}])
    service, receiver = wms.notifications.service, await make_receiver(tree_world, "n", NORTH)
    await service.link(ZOE, name_template(template.id), NORTH, success, receiver)
    await service.link(ZOE, name_organization(NORTH), NORTH, success, receiver)
    await service.change_template(ZOE, receiver, {"organization": NORTH, "name": "again"})
    assert len(await list_links(tree_world)) == 2
    await service.change_template(ZOE, receiver, {"organization": SOUTH})
    assert await list_links(tree_world) == []


async def test_a_list_of_notification_templates_has_a_limit(tree_world: TreeWorld) -> None:
    wms, success = tree_world.engine.wms, [NotificationList.SUCCESS]
    template = await tree_world.make_tree([{"identifier": "a"}])
    service, receiver = wms.notifications.service, await make_receiver(tree_world, "n", NORTH)
    store, target = NotificationStore(wms.store), name_template(template.id)
    for number in range(MAX_LINKS):
        await store.add_links(target, success, NotificationTemplateId(1000 + number))
    with pytest.raises(FieldsRefused) as refused:
        await service.link(ZOE, target, NORTH, success, receiver)
    assert "has 100 notification templates already" in refused.value.fields["id"][0]
    await store.add_links(target, success, NotificationTemplateId(1000))
    await service.link(ZOE, target, NORTH, [NotificationList.ERROR], receiver)
