"""Give and take the roles on one template: who may change, launch, read it, or decide its approvals.

An owner of the template decides. The rules of `tree` know no such roles; those that a template has had as a `dag` count
again when it is one again.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from runtime.kernel.store import Store
from schemas.automation.trees import (
    TEMPLATES,
    ObjectRole,
    RoleGrant,
    TemplateDocument,
    TemplateKind,
    Topology,
    can_delegate,
)
from schemas.errors import Conflict, Rejected
from schemas.ids import TemplateId
from wms.tenancy.documents import name_team
from wms.tenancy.rights import Action, Principal
from wms.tenancy.teams import Teams
from wms.tenancy.tree_rights import check_tree_right
from wms.tenancy.users import name_user
from wms.trees.templates.template_store import TemplateStore

_MAX_GRANTS = 1000
#: How often roles are removed from templates that change meanwhile.
_MAX_TRIALS = 5


class RoleService:
    """The roles on the templates of one database."""

    def __init__(self, store: Store, templates: TemplateStore) -> None:
        self._store = store
        self._templates = templates

    async def add_delegated(self, principal: Principal, teams: Teams) -> Principal:
        """Return a principal with the roles on templates that it holds, by itself and by its teams."""
        name = name_user(principal.subject)
        holders = [name, *map(name_team, await teams.list_teams_of([name]))]
        return replace(principal, delegated=await self.find_delegated(holders))

    async def find_delegated(self, holders: Iterable[str]) -> dict[TemplateId, frozenset[ObjectRole]]:
        """Return the roles that count and that `holders` (users and teams) have on templates, by the template's id."""
        names = set(holders)
        # Each request looks this up, so it loads the roles alone.
        roles = {"kind": 1, "topology": 1, "grants": 1}
        found = await self._store.find(TEMPLATES, {"grants.holder": {"$in": sorted(names)}}, projection=roles)
        return {
            TemplateId(each["_id"]): frozenset(
                ObjectRole(grant["role"]) for grant in each["grants"] if grant["holder"] in names
            )
            for each in found
            if can_delegate(TemplateKind(each["kind"]), Topology(each["topology"]))
        }

    async def list_held(self, holder: str) -> list[TemplateDocument]:
        """Return the templates on which `holder` has a role."""
        return await self._templates.list_templates({"grants.holder": holder}, sort=[("_id", 1)])

    async def give_role(self, principal: Principal, template_id: TemplateId, role: ObjectRole, holder: str) -> None:
        """Give a role to a user or a team; nothing changes if it has the role.

        Raises:
            Forbidden: the principal does not own the template.
            Rejected: the template follows the rules of `tree`, or has too many roles.
        """

        def add(template: TemplateDocument) -> tuple[RoleGrant, ...]:
            grant = RoleGrant(role=role, holder=holder)
            return template.grants if grant in template.grants else (*template.grants, grant)

        await self._change_grants(principal, template_id, add)

    async def take_role(self, principal: Principal, template_id: TemplateId, role: ObjectRole, holder: str) -> None:
        """Take a role from a user or a team; nothing changes if it has it not.

        Raises:
            Forbidden: the principal does not own the template.
        """

        def remove(template: TemplateDocument) -> tuple[RoleGrant, ...]:
            return tuple(each for each in template.grants if each != RoleGrant(role=role, holder=holder))

        await self._change_grants(principal, template_id, remove)

    async def _change_grants(
        self,
        principal: Principal,
        template_id: TemplateId,
        change: Callable[[TemplateDocument], tuple[RoleGrant, ...]],
    ) -> None:
        template = await self._templates.load_template(template_id)
        check_tree_right(principal, Action.CHANGE_TREE, template.organization, [template.id])
        grants = change(template)
        if grants == template.grants:
            return
        if len(grants) > len(template.grants):
            check_delegation(template)
            if len(grants) > _MAX_GRANTS:
                raise Rejected(f"a template has at most {_MAX_GRANTS} roles", hint="give the role to a team")
        await self._templates.save(changed=[template.model_copy(update={"grants": grants})], by=principal.subject)

    async def forget_holder(self, holder: str, *, by: str = "") -> None:
        """Remove all roles of a holder that goes. A template that changes meanwhile is read again.

        Raises:
            Conflict: a template has changed at each of several trials.
        """
        for n_left in reversed(range(_MAX_TRIALS)):
            for template in await self.list_held(holder):
                kept = tuple(each for each in template.grants if each.holder != holder)
                try:
                    await self._templates.save(changed=[template.model_copy(update={"grants": kept})], by=by)
                except Conflict:
                    if not n_left:
                        raise


def check_delegation(template: TemplateDocument) -> None:
    """Check that roles on `template` can be given.

    Raises:
        Rejected: they cannot.
    """
    if not template.can_delegate:
        raise Rejected(
            f"template #{template.id} {template.name!r} has topology: tree, where roles come from the organization "
            "only (the rule 'delegation')",
            hint="set topology: dag, or give the user a role in the organization",
        )
