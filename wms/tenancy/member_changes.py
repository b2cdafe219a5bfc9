"""Plan a change of a stored role in an organization, with its rows of the activity log."""

from collections.abc import Mapping
from typing import Any

from runtime.clock import stored_now
from runtime.kernel.decision import Decision, Delete, Insert, Update
from runtime.kernel.store import Store, Transaction
from schemas.errors import NotFound
from schemas.ids import OrganizationId
from wms.tenancy.activity import ActivityLog
from wms.tenancy.activity_facts import ActivityFacts
from wms.tenancy.documents import MEMBERSHIPS, membership_id
from wms.tenancy.organization_numbers import OrganizationNumbers
from wms.tenancy.rights import TenancyRole, check_promotion


class MemberChanges:
    """Plans changes of the memberships of one database."""

    def __init__(self, store: Store) -> None:
        self._activity = ActivityLog(store)
        self._numbers = OrganizationNumbers(store)

    async def plan_role(
        self, tx: Transaction, name: OrganizationId, principal: str, role: TenancyRole, *, by: str
    ) -> Decision:
        """Return what gives a principal this role in an organization, instead of a weaker one.

        Raises:
            HasStrongerRole: the principal has a stronger role there.
        """
        key = membership_id(name, principal)
        fields = {"role": role.value, "changed_at": stored_now(), "changed_by": by}
        known = await tx.find_one(MEMBERSHIPS, {"_id": key})
        if known is not None:
            check_promotion(TenancyRole(known["role"]), role, name)
            rows = [] if known["role"] == role else await self._make_rows(known, name, principal, role, by=by)
            return Decision(changes=(Update(MEMBERSHIPS, key, set=fields), *rows))
        document = {"_id": key, "organization": name, "principal": principal, **fields}
        rows = await self._make_rows(None, name, principal, role, by=by)
        return Decision(changes=(Insert(MEMBERSHIPS, document), *rows))

    async def plan_removal(self, tx: Transaction, name: OrganizationId, principal: str, *, by: str) -> Decision:
        """Return what takes the stored role of a principal in an organization.

        Raises:
            NotFound: the principal has no stored role there.
        """
        key = membership_id(name, principal)
        known = await tx.find_one(MEMBERSHIPS, {"_id": key})
        if known is None:
            raise NotFound(f"{principal} is no member of organization {name!r}")
        rows = await self._make_rows(known, name, principal, None, by=by)
        return Decision(changes=(Delete(MEMBERSHIPS, key), *rows))

    async def _make_rows(
        self,
        before: Mapping[str, Any] | None,
        name: OrganizationId,
        principal: str,
        role: TenancyRole | None,
        *,
        by: str,
    ) -> list[Insert]:
        number = await self._numbers.number(name)
        roles = {"disassociate": None if before is None else before["role"], "associate": role}
        facts = [
            ActivityFacts(
                operation=operation,
                kind="organization",
                object_id=number,
                name=name,
                organization=name,
                changes={"role": f"{each} {principal}"},
            )
            for operation, each in roles.items()
            if each is not None
        ]
        return await self._activity.make_inserts(by, facts)
