"""Who calls: the principal behind a request, and the process that a path names."""

from typing import Any

from runtime.web.route import Call
from schemas.engine.run_documents import RunDocument
from schemas.ids import OrganizationId
from wms.processes.process_reader import ProcessReader
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Action, Principal, check_right


class Callers:
    """Finds the principals of requests, and what they may reach."""

    def __init__(self, organizations: Organizations, reader: ProcessReader) -> None:
        self._organizations = organizations
        self._reader = reader

    async def find_principal(self, call: Call) -> Principal:
        """Return the principal that sends the request."""
        return await self._organizations.find_principal(call.caller)

    async def read_organization(self, call: Call, principal: Principal) -> str:
        """Return the organization that the query names; "" if it names none.

        Raises:
            NotFound: there is no such organization for the principal.
        """
        name = call.read_query("organization") or ""
        await self._organizations.check_named(principal, name)
        return name

    async def find_process(self, call: Call, action: Action) -> tuple[Principal, RunDocument]:
        """Return the principal that sends the request, and the run of the process in its path.

        Raises:
            NotFound: there is no such process, or the principal may not see it.
            Forbidden: the principal may not do `action` to the process.
        """
        process_id = str(call.read_uuid("process_id"))
        principal = await self.find_principal(call)
        return principal, await self._reader.find_process(process_id, principal, action)

    async def find_visible_customers(self, call: Call, action: Action) -> dict[str, Any]:
        """Return the query that finds the objects of all customers for whom the caller may do `action`."""
        return await self._organizations.make_customer_filter(await self.find_principal(call), action)

    async def check_customer(self, call: Call, action: Action, customer_id: str) -> tuple[Principal, OrganizationId]:
        """Return the sender of the request, and the organization of this customer, for whom the sender may do `action`.

        Raises:
            NotFound: the sender does not see the customer's organization.
            Forbidden: the sender has no role there that allows `action`.
        """
        principal = await self.find_principal(call)
        organization = await self._organizations.find_customer_organization(customer_id)
        check_right(principal, action, organization)
        return principal, organization
