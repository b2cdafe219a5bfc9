"""Roles on templates in a real database."""

from typing import Any

from schemas.automation.trees import ObjectRole, RoleGrant, TemplateDocument
from schemas.ids import TeamId
from tests.integration.wms.trees.conftest import TreeWorld
from wms.tenancy.documents import name_team
from wms.trees.templates.role_service import RoleService
from wms.trees.templates.template_store import TemplateStore


class BusyTemplates(TemplateStore):
    """Templates that somebody else changes just before the first save of a caller."""

    has_interfered = False

    async def save(self, *, changed: Any = (), **fields: Any) -> int | None:
        if not self.has_interfered:
            self.has_interfered = True
            fresh: TemplateDocument = await self.load_template(changed[0].id)
            await super().save(changed=[fresh.model_copy(update={"description": "changed meanwhile"})])
        return await super().save(changed=changed, **fields)


async def test_a_template_that_changes_meanwhile_loses_the_roles_of_a_team_that_goes(tree_world: TreeWorld) -> None:
    store = tree_world.engine.wms.store
    made = await tree_world.make_tree([], topology="dag")
    holder = name_team(TeamId(3))
    templates = BusyTemplates(store)
    granted = made.model_copy(update={"grants": (RoleGrant(role=ObjectRole.READ, holder=holder),)})
    await TemplateStore(store).save(changed=[granted])
    await RoleService(store, templates).forget_holder(holder)
    after = await templates.load_template(made.id)
    assert (after.grants, after.description) == ((), "changed meanwhile")
