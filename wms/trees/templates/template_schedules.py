"""Change the schedules of a template together with it."""

from runtime.kernel.decision import Change, Delete, Update
from runtime.kernel.store import Transaction
from schemas.automation.schedules import SCHEDULES
from schemas.automation.trees import TemplateDocument
from schemas.ids import TemplateId


async def move_schedules(tx: Transaction, template: TemplateDocument) -> list[Change]:
    """Return the changes that bring the schedules of a template into its organization."""
    elsewhere = {"template": template.id, "organization": {"$ne": template.organization}}
    found = await tx.find(SCHEDULES, elsewhere, projection={"rev": 1})
    moved = {"organization": template.organization}
    return [Update(SCHEDULES, each["_id"], set=moved, rev=each["rev"]) for each in found]


async def delete_schedules(tx: Transaction, template: TemplateId) -> list[Change]:
    """Return the changes that delete the schedules of a template."""
    found = await tx.find(SCHEDULES, {"template": template}, projection={"_id": 1})
    return [Delete(SCHEDULES, each["_id"]) for each in found]
