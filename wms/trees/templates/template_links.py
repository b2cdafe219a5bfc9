"""Change the entries of a template in lists of notification templates together with it."""

from runtime.kernel.decision import Change, Delete
from runtime.kernel.store import Transaction
from schemas.automation.notifications import NOTIFICATION_LINKS, NOTIFICATION_TEMPLATES, name_template
from schemas.automation.trees import TemplateDocument
from schemas.ids import TemplateId


async def delete_links(tx: Transaction, template: TemplateId) -> list[Change]:
    """Return the changes that empty the lists of a template."""
    found = await tx.find(NOTIFICATION_LINKS, {"target": name_template(template)}, projection={"_id": 1})
    return [Delete(NOTIFICATION_LINKS, each["_id"]) for each in found]


async def delete_foreign_links(tx: Transaction, template: TemplateDocument) -> list[Change]:
    """Return the changes that take notification templates of other organizations out of the lists of a template."""
    links = await tx.find(NOTIFICATION_LINKS, {"target": name_template(template.id)}, projection={"template": 1})
    if not links:
        return []
    own = {"_id": {"$in": [each["template"] for each in links]}, "organization": template.organization}
    kept = {each["_id"] for each in await tx.find(NOTIFICATION_TEMPLATES, own, projection={"_id": 1})}
    return [Delete(NOTIFICATION_LINKS, each["_id"]) for each in links if each["template"] not in kept]
