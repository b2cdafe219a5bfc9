"""Load and store notification templates, their links, and notifications."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from runtime.kernel.decision import Change, Decision, Delete, Document, Insert, Update
from runtime.kernel.store import Index, Store, Transaction
from runtime.once import Once
from schemas.automation.notifications import (
    NOTIFICATION_LINKS,
    NOTIFICATION_TEMPLATES,
    NOTIFICATIONS,
    NotificationDocument,
    NotificationList,
    NotificationTemplateDocument,
    NotificationTemplateId,
    find_target_template,
    name_organization,
    name_template,
)
from schemas.automation.trees import TEMPLATES
from schemas.engine.run_documents import COUNTERS, RUNS
from schemas.errors import Conflict, NotFound
from wms.audit.audit_facts import AuditFacts
from wms.audit.audit_log import AuditLog
from wms.notifications.templates.list_joins import ListJoin, plan_join, plan_parting
from wms.notifications.templates.template_changes import describe_change
from wms.trees.template_errors import FieldsRefused

#: How long an ended notification is kept.
KEPT_FOR = timedelta(days=90)
#: The most notification templates in one list. Each one costs work at every event.
MAX_LINKS = 100

INDEXES: Mapping[str, tuple[Index, ...]] = {
    NOTIFICATION_TEMPLATES: (Index(("organization", "name"), unique=True),),
    NOTIFICATION_LINKS: (Index(("target", "list")), Index(("template",))),
    NOTIFICATIONS: (
        Index(("number",), unique=True),
        Index(("template", "-number")),
        Index(("run",), partial={"run": {"$exists": True}}),
        Index(("wake_at",), partial={"wake_at": {"$type": "date"}}),
        Index(("ended_at",), expire_after=KEPT_FOR),
    ),
    # The runs that have something to tell.
    RUNS: (Index(("untold", "status"), partial={"untold": {"$exists": True}}),),
}


class NotificationStore:
    """Reads and writes the notification templates and notifications of one database."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._audit = AuditLog(store)

    async def find_template(self, template_id: NotificationTemplateId) -> NotificationTemplateDocument | None:
        """Return the notification template. Return None if there is no such template."""
        found = await self.store.find_one(NOTIFICATION_TEMPLATES, {"_id": template_id})
        return None if found is None else parse_template(found)

    async def load_template(self, template_id: NotificationTemplateId) -> NotificationTemplateDocument:
        """Return the notification template.

        Raises:
            NotFound: there is no such notification template.
        """
        found = await self.find_template(template_id)
        if found is None:
            raise NotFound("Not found.")
        return found

    async def list_templates(self, query: Mapping[str, Any], **how: Any) -> list[NotificationTemplateDocument]:
        """Return the notification templates that match `query`; `how` sorts, skips and limits."""
        found = await self.store.find(NOTIFICATION_TEMPLATES, dict(query), **how)
        return [parse_template(each) for each in found]

    async def count_templates(self, query: Mapping[str, Any]) -> int:
        """Return how many notification templates match `query`."""
        return await self.store.count(NOTIFICATION_TEMPLATES, query)

    async def take_template_id(self) -> NotificationTemplateId:
        """Return the next id of a notification template."""
        return NotificationTemplateId(await self.store.count_up(COUNTERS, "notification_templates"))

    async def save_template(
        self, template: NotificationTemplateDocument, *, is_new: bool, once: Once | None = None, is_told: bool = True
    ) -> NotificationTemplateId | None:
        """Store a new or changed notification template. A changed one must have the `rev` that it was loaded with.
        `is_told` says whether a person makes the change, so that the audit log gets a row.

        If an earlier request with the identity `once` has made a template, store nothing, and return the id of that
        template. Otherwise return None.

        Raises:
            FieldsRefused: another template of the organization has the name.
            Conflict: another request has changed the template meanwhile, or `once` was used for another request.
        """

        async def step(tx: Transaction) -> Decision:
            query = {"organization": template.organization, "name": template.name, "_id": {"$ne": template.id}}
            if await tx.find_one(NOTIFICATION_TEMPLATES, query, {"_id": 1}) is not None:
                text = "a notification template with this name and organization already exists"
                raise FieldsRefused({"__all__": [f"{text}: {template.name!r}"]})
            document = make_document(template)
            if is_new:
                answer = template.id if once is not None else None
                rows = await self._audit.make_inserts(template.modified_by, describe_change(None, template))
                return Decision(changes=(Insert(NOTIFICATION_TEMPLATES, document), *rows), answer=answer)
            current = await tx.find_one(NOTIFICATION_TEMPLATES, {"_id": template.id})
            if current is None or current["rev"] != template.rev:
                raise Conflict("the template has changed meanwhile", hint="read it again, and repeat the change")
            fields = {key: value for key, value in document.items() if key not in ("_id", "rev")}
            changed = Update(NOTIFICATION_TEMPLATES, template.id, set=fields, rev=template.rev)
            is_moved = current["organization"] != template.organization
            facts = describe_change(parse_template(current), template) if is_told else []
            rows = await self._audit.make_inserts(template.modified_by, facts)
            return Decision(changes=(changed, *(await _delete_foreign_links(tx, template) if is_moved else ()), *rows))

        decided = await self.store.transact(step, once=once)
        done_before = isinstance(decided, Decision) or decided.answer is None
        return None if done_before else NotificationTemplateId(decided.answer)

    async def delete_template(self, template_id: NotificationTemplateId, *, by: str = "") -> None:
        """Delete a notification template, and take it out of all lists. Its notifications stay. `by` deletes it."""

        async def step(tx: Transaction) -> Decision:
            links = await tx.find(NOTIFICATION_LINKS, {"template": template_id}, projection={"_id": 1})
            changes: list[Change] = [Delete(NOTIFICATION_LINKS, each["_id"]) for each in links]
            found = await tx.find_one(NOTIFICATION_TEMPLATES, {"_id": template_id})
            before = None if found is None else parse_template(found)
            changes += await self._audit.make_inserts(by, describe_change(before, None))
            return Decision(changes=(Delete(NOTIFICATION_TEMPLATES, template_id), *changes))

        await self.store.transact(step)

    async def add_links(
        self,
        target: str,
        lists: Iterable[NotificationList],
        template_id: NotificationTemplateId,
        *,
        by: str = "",
        about: AuditFacts | None = None,
    ) -> None:
        """Put a notification template into lists of `target`. If it is there already, nothing changes.

        `about` describes the target for the audit log, which gets a row by `by` for each list that has changed.

        Raises:
            FieldsRefused: a list is full.
        """
        lists = list(lists)
        for (_, full), there in (await self.find_linked([target], lists)).items():
            if len(there) >= MAX_LINKS and template_id not in there:
                text = f"the list {full.value} has {MAX_LINKS} notification templates already; take one out first"
                raise FieldsRefused({"id": [text]})

        join = ListJoin(target, tuple(lists), template_id, by, about)
        try:
            await self.store.transact(lambda tx: plan_join(tx, self._audit, join))
        except Conflict:
            # Another request has put it into one of the lists in this moment.
            await self.store.transact(lambda tx: plan_join(tx, self._audit, join))

    async def remove_links(
        self,
        target: str,
        lists: Iterable[NotificationList],
        template_id: NotificationTemplateId,
        *,
        by: str = "",
        about: AuditFacts | None = None,
    ) -> None:
        """Take a notification template out of lists of `target`. `by` and `about` are as above."""
        join = ListJoin(target, tuple(lists), template_id, by, about)
        await self.store.transact(lambda tx: plan_parting(tx, self._audit, join))

    async def find_linked(
        self, targets: Sequence[str], lists: Iterable[NotificationList]
    ) -> dict[tuple[str, NotificationList], list[NotificationTemplateId]]:
        """Return the ids of the notification templates in `lists` of `targets`, by target and list. Leave out empty
        lists.
        """
        query = {"target": {"$in": list(targets)}, "list": {"$in": [each.value for each in lists]}}
        found: dict[tuple[str, NotificationList], list[NotificationTemplateId]] = {}
        for each in await self.store.find(NOTIFICATION_LINKS, query, sort=[("template", 1)]):
            found.setdefault((each["target"], NotificationList(each["list"])), []).append(each["template"])
        return found

    async def add_notifications(self, notifications: Sequence[NotificationDocument]) -> None:
        """Store the given notifications. Leave out those whose ids are stored already."""
        await self.store.insert_new(NOTIFICATIONS, [make_document(each) for each in notifications])

    async def take_numbers(self, n: int) -> range:
        """Return the next `n` numbers of notifications."""
        last = await self.store.count_up(COUNTERS, "notifications", n)
        return range(last - n + 1, last + 1)

    async def find_notification(self, query: Mapping[str, Any]) -> NotificationDocument | None:
        """Return the notification that matches `query`. Return None if there is none."""
        found = await self.store.find_one(NOTIFICATIONS, dict(query))
        return None if found is None else parse_notification(found)

    async def list_notifications(self, query: Mapping[str, Any], **how: Any) -> list[NotificationDocument]:
        """Return the notifications that match `query`; `how` sorts, skips and limits."""
        return [parse_notification(each) for each in await self.store.find(NOTIFICATIONS, dict(query), **how)]

    async def list_recent(
        self, ids: Sequence[NotificationTemplateId], n: int
    ) -> dict[NotificationTemplateId, list[NotificationDocument]]:
        """Return template id -> its latest `n` notifications, the newest first, without their texts, for the templates
        `ids`.
        """
        latest = [
            {"$match": {"$expr": {"$eq": ["$template", "$$id"]}}},
            {"$sort": {"number": -1}},
            {"$limit": n},
            {"$project": {"body": 0, "payload": 0}},
        ]
        joined = {"from": NOTIFICATIONS, "let": {"id": "$_id"}, "pipeline": latest, "as": "recent"}
        wanted = {"_id": {"$in": list(ids)}}
        found = await self.store.aggregate(
            NOTIFICATION_TEMPLATES, [{"$match": wanted}, {"$lookup": joined}, {"$project": {"recent": 1}}]
        )
        return {each["_id"]: [parse_notification(one) for one in each["recent"]] for each in found}

    async def count_notifications(self, query: Mapping[str, Any]) -> int:
        """Return how many notifications match `query`."""
        return await self.store.count(NOTIFICATIONS, query)

    async def change_notification(
        self, notification: NotificationDocument, fields: Mapping[str, Any]
    ) -> NotificationDocument | None:
        """Set fields of a notification that waits for an attempt, and return it. A field with the value None is
        removed.

        Return None, and change nothing, if another process has begun the attempt first.
        """
        query = {"_id": notification.id, "status": "pending", "n_attempts": notification.n_attempts}
        kept = {name: value for name, value in fields.items() if value is not None}
        gone = {name: "" for name, value in fields.items() if value is None}
        operators = {**({"$set": kept} if kept else {}), **({"$unset": gone} if gone else {})}
        if not await self.store.compare_and_set(NOTIFICATIONS, query, operators):
            return None
        return notification.model_copy(update=dict(fields))

    async def forget_untold(self, settled: Iterable[tuple[Mapping[str, Any], Sequence[str]]]) -> None:
        """Record in runs which moments remain to be told.

        `settled` has pairs: the query that finds a run in the state that was looked at, and the moments that remain.
        """
        await self.store.bulk_update(
            RUNS,
            [
                (query, {"$set": {"untold": list(left)}} if left else {"$unset": {"untold": ""}})
                for query, left in settled
            ],
        )


async def _delete_foreign_links(tx: Transaction, template: NotificationTemplateDocument) -> list[Change]:
    """Return the changes that take a notification template out of the lists of other organizations."""
    links = await tx.find(NOTIFICATION_LINKS, {"template": template.id}, projection={"target": 1})
    found = (find_target_template(each["target"]) for each in links)
    targets = {each for each in found if each is not None}
    # A template without an organization may tell every receiver.
    allowed = {"_id": {"$in": sorted(targets)}, "organization": {"$in": [None, template.organization]}}
    kept = {name_template(each["_id"]) for each in await tx.find(TEMPLATES, allowed, projection={"_id": 1})}
    kept.add(name_organization(template.organization))
    return [Delete(NOTIFICATION_LINKS, each["_id"]) for each in links if each["target"] not in kept]


def make_document(model: BaseModel) -> Document:
    """Return a document as MongoDB keeps it."""
    document = model.model_dump(exclude_none=True)
    document["_id"] = document.pop("id")
    return document


def parse_template(document: Document) -> NotificationTemplateDocument:
    """Return the notification template that MongoDB keeps as `document`."""
    return NotificationTemplateDocument.model_validate({**document, "id": document["_id"]})


def parse_notification(document: Document) -> NotificationDocument:
    """Return the notification that MongoDB keeps as `document`."""
    return NotificationDocument.model_validate({**document, "id": document["_id"]})
