"""Plan how a notification template is put into lists of an object, or taken out, with the rows of the audit log."""

from collections.abc import Iterable
from dataclasses import dataclass

from runtime.kernel.decision import Decision, Delete, Insert
from runtime.kernel.store import Transaction
from schemas.automation.notifications import (
    NOTIFICATION_LINKS,
    NOTIFICATION_TEMPLATES,
    NotificationLink,
    NotificationList,
    NotificationTemplateId,
)
from wms.audit.audit_facts import AuditFacts
from wms.audit.audit_log import AuditLog
from wms.notifications.templates.template_changes import describe_joins


@dataclass(frozen=True, slots=True)
class ListJoin:
    """A notification template and lists of the object `target`."""

    target: str
    lists: tuple[NotificationList, ...]
    template: NotificationTemplateId
    #: Who changes the lists, and the facts about the object. Without these facts, the audit log gets no row.
    by: str = ""
    about: AuditFacts | None = None

    def name_link(self, each: NotificationList) -> str:
        """Return the id of the link that puts the template into one of the lists."""
        return f"{self.target}/{each}/{self.template}"


async def plan_join(tx: Transaction, audit: AuditLog, join: ListJoin) -> Decision:
    """Return what puts the template into those of the lists in which it does not stand yet."""
    known = await _find_lists(tx, join)
    new = [
        NotificationLink(id=join.name_link(each), target=join.target, list=each, template=join.template)
        for each in join.lists
        if each not in known
    ]
    inserts = []
    for link in new:
        document = link.model_dump()
        inserts.append(Insert(NOTIFICATION_LINKS, {"_id": document.pop("id"), **document}))
    rows = await _make_rows(tx, audit, join, "associate", [link.list for link in new])
    return Decision(changes=(*inserts, *rows))


async def plan_parting(tx: Transaction, audit: AuditLog, join: ListJoin) -> Decision:
    """Return what takes the template out of those of the lists in which it stands."""
    known = await _find_lists(tx, join)
    gone = [Delete(NOTIFICATION_LINKS, join.name_link(each)) for each in known]
    return Decision(changes=(*gone, *await _make_rows(tx, audit, join, "disassociate", known)))


async def _find_lists(tx: Transaction, join: ListJoin) -> list[NotificationList]:
    query = {"_id": {"$in": [join.name_link(each) for each in join.lists]}}
    found = {each["list"] for each in await tx.find(NOTIFICATION_LINKS, query, projection={"list": 1})}
    return [each for each in join.lists if each in found]


async def _make_rows(
    tx: Transaction, audit: AuditLog, join: ListJoin, operation: str, lists: Iterable[NotificationList]
) -> list[Insert]:
    if join.about is None:
        return []
    found = await tx.find_one(NOTIFICATION_TEMPLATES, {"_id": join.template}, {"name": 1})
    name = str(join.template) if found is None else str(found["name"])
    return await audit.make_inserts(join.by, describe_joins(join.about, operation, lists, name=name))
