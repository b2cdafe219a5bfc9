"""Plan a change of a stored role in an organization, and the rows of the audit log about the organization."""

from collections.abc import Mapping
from typing import Any

from runtime.clock import stored_now
from runtime.kernel.decision import Decision, Delete, Insert, Update
from runtime.kernel.store import Store, Transaction
from schemas.errors import NotFound
from schemas.ids import OrganizationId
from wms.audit.audit_facts import AuditFacts, compare_fields
from wms.audit.audit_log import AuditLog
from wms.tenancy.documents import MEMBERSHIPS, OrganizationDocument, membership_id
from wms.tenancy.organization_numbers import OrganizationNumbers
from wms.tenancy.rights import TenancyRole, check_promotion


class MemberChanges:
    """Plans changes of the memberships of one database."""

    def __init__(self, store: Store) -> None:
        self._audit = AuditLog(store)
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
        roles = {"disassociate": None if before is None else before["role"], "associate": role}
        told = {operation: {"role": f"{each} {principal}"} for operation, each in roles.items() if each is not None}
        return await self.make_rows_about(name, told, by=by)

    async def make_rows_about(
        self, name: OrganizationId, changes: Mapping[str, Mapping[str, Any]], *, by: str
    ) -> list[Insert]:
        """Return the rows of the audit log about an organization. `changes` has those of each operation."""
        number = await self._numbers.number(name)
        facts = [
            AuditFacts(
                operation=operation, kind="organization", object_id=number, name=name, organization=name, changes=told
            )
            for operation, told in changes.items()
        ]
        return await self._audit.make_inserts(by, facts)


def compare_settings(before: OrganizationDocument, after: OrganizationDocument) -> dict[str, Any]:
    """Return the settings in which two states of an organization differ; of its customers only the numbers."""
    told = compare_fields(before, after, shown=("title", "approval_by_another"))
    n_customers = [len(before.customer_ids), len(after.customer_ids)]
    return told if set(before.customer_ids) == set(after.customer_ids) else {**told, "customers": n_customers}
