"""Check that a person may do what a job template of the kind `hosts` does, when the person saves it.

A tree runs the template's job as an admin of its organization (`tree_jobs`). A role on one template lets a person
change the template, and gives no right to tasks or inventories. So each writer needs the rights of a job of their own.
"""

from schemas.automation.trees import HostsWork, Work
from schemas.errors import Forbidden, Rejected
from schemas.ids import CatalogueTaskId, InventoryId, OrganizationId
from wms.catalogue.catalogue_service import CatalogueService
from wms.inventory.stored.inventory_service import InventoryService
from wms.secrets.secret_use import SecretUse
from wms.tenancy.rights import Action, Principal
from wms.trees.template_errors import FieldsRefused


class TemplateRights:
    """The rights of the people who write job templates."""

    def __init__(self, tasks: CatalogueService, inventories: InventoryService, secrets: SecretUse) -> None:
        self._tasks = tasks
        self._inventories = inventories
        self._secrets = secrets

    async def check_work(self, principal: Principal, organization: OrganizationId | None, work: Work | None) -> None:
        """Check that `principal` may run `work`, and that its inventory belongs to the template's `organization`.

        Raises:
            FieldsRefused: the inventory, a task or a secret does not exist for the principal, the inventory is another
                organization's, the name of a secret breaks its rule, or a secret is for another task.
            Forbidden: the principal may not run on the inventory, may not run a task, or may not use a secret.
        """
        if not isinstance(work, HostsWork):
            return
        try:
            inventory = await self._inventories.get_inventory(
                principal, InventoryId(work.inventory), Action.RUN_ON_INVENTORY
            )
            tasks = tuple(map(CatalogueTaskId, work.tasks))
            for task in tasks:
                await self._tasks.get_task(principal, task, Action.RUN_TASK)
            await self._secrets.check_files(principal, inventory.organization, work.secrets, tasks)
        except Forbidden as error:
            raise Forbidden(f"work: {error.reason}", hint=error.hint) from error
        except Rejected as error:
            raise FieldsRefused({"work": [error.reason]}) from error
        if organization and inventory.organization != organization:
            reason = f"inventory {work.inventory} belongs to another organization; name one of the template's"
            raise FieldsRefused({"work": [reason]})
