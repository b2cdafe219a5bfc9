"""Create, change, test and delete notification templates, and put them into lists, for principals."""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from runtime.clock import stored_now
from runtime.once import Once
from schemas.automation.notifications import (
    NotificationDocument,
    NotificationList,
    NotificationTemplateDocument,
    NotificationTemplateId,
    NotificationType,
)
from schemas.errors import NotFound
from schemas.ids import DEFAULT_ORGANIZATION, OrganizationId
from wms.audit.audit_facts import AuditFacts
from wms.notifications.messages.message_rendering import Rendered, find_body_fault, render_texts
from wms.notifications.messages.sample_context import make_sample_context
from wms.notifications.notification_store import NotificationStore
from wms.notifications.notification_watch import find_recipients, write_notification
from wms.notifications.template_secrets import TemplateSecrets
from wms.notifications.templates.notification_fields import read_notification_fields
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Action, Principal
from wms.tenancy.tree_rights import check_tree_right, make_tree_filter
from wms.trees.template_errors import FieldsRefused

_RECENT = 5


class NotificationService:
    """The rules for notification templates, the lists that they are in, and notifications: who may do what."""

    def __init__(
        self, notifications: NotificationStore, organizations: Organizations, secrets: TemplateSecrets
    ) -> None:
        self._notifications = notifications
        self._organizations = organizations
        self._secrets = secrets
        #: Called when there is a new notification.
        self.on_new: list[Callable[[], None]] = []

    async def get_template(
        self, principal: Principal, template_id: NotificationTemplateId, action: Action = Action.SEE_TREE
    ) -> NotificationTemplateDocument:
        """Return a notification template, if the principal may do `action` to it.

        Raises:
            NotFound: there is no such notification template.
            Forbidden: the principal may not do `action` to it.
        """
        template = await self._notifications.load_template(template_id)
        check_tree_right(principal, action, template.organization)
        return template

    async def list_templates(
        self, principal: Principal, query: Mapping[str, Any], *, sort: Sequence[tuple[str, int]], skip: int, limit: int
    ) -> tuple[list[NotificationTemplateDocument], int]:
        """Return a page of the templates that match `query` and that the principal may see, and the number of all."""
        wanted = {"$and": [dict(query), make_tree_filter(principal)]}
        found = await self._notifications.list_templates(wanted, sort=list(sort), skip=skip, limit=limit)
        return found, await self._notifications.count_templates(wanted)

    async def create_template(
        self, principal: Principal, raw: Mapping[str, Any], *, once: Once | None = None
    ) -> NotificationTemplateDocument:
        """Create a notification template from the fields of the request `raw`, and return it.

        Raises:
            FieldsRefused: fields are wrong, or the name is taken.
            Forbidden: the principal may not create templates in this organization.
            NoKey: the template has secrets, and WMS has no key to encrypt them.
            Conflict: `once` was used for another request.
        """
        organization = await self._read_organization(raw.get("organization"))
        check_tree_right(principal, Action.CHANGE_TREE, organization)
        fields = read_notification_fields(raw, None, None)
        await self._check_messages(fields)
        now = stored_now()
        template = NotificationTemplateDocument(
            id=await self._notifications.take_template_id(),
            organization=organization,
            created=now,
            modified=now,
            created_by=principal.subject,
            modified_by=principal.subject,
            **self._secrets.seal_fields(fields, fields["notification_type"]),
        )
        earlier = await self._notifications.save_template(template, is_new=True, once=once)
        return template if earlier is None else await self._notifications.load_template(earlier)

    async def change_template(
        self, principal: Principal, template_id: NotificationTemplateId, raw: Mapping[str, Any]
    ) -> NotificationTemplateDocument:
        """Set the fields in `raw`, and return the changed template.

        A masked secret in `raw` means the stored secret, as long as the receiver stays the same.

        Raises:
            NotFound: there is no such notification template.
            Forbidden: the principal may not change it, or may not create templates in its new organization.
            FieldsRefused: fields have wrong values, or the name is taken.
            NoKey: the template has secrets, and WMS has no key to encrypt them.
            Conflict: another request has changed the template meanwhile.
        """
        template = await self.get_template(principal, template_id, Action.CHANGE_TREE)
        kind = template.notification_type
        fields = read_notification_fields(raw, template, self._secrets.read_configuration(template))
        if "organization" in raw:
            fields["organization"] = await self._read_organization(raw["organization"])
            check_tree_right(principal, Action.CHANGE_TREE, fields["organization"])
        await self._check_messages({"messages": template.messages, "notification_type": kind, **fields})
        sealed = self._secrets.seal_fields(fields, fields.get("notification_type", kind))
        now = {"modified": stored_now(), "modified_by": principal.subject}
        changed = template.model_copy(update={**sealed, **now})
        await self._notifications.save_template(changed, is_new=False)
        return changed.model_copy(update={"rev": changed.rev + 1})

    async def copy_template(
        self, principal: Principal, template_id: NotificationTemplateId, name: str, *, once: Once | None = None
    ) -> NotificationTemplateDocument:
        """Copy a notification template with its secrets, and return the copy. The copy is in no list.

        If `name` is empty, its name is that of the template with the time.

        Raises:
            NotFound: there is no such notification template.
            Forbidden: the principal may not change it.
            FieldsRefused: the name is taken.
            Conflict: `once` was used for another request.
        """
        template = await self.get_template(principal, template_id, Action.CHANGE_TREE)
        now = stored_now()
        copied = template.model_copy(
            update={
                "id": await self._notifications.take_template_id(),
                "name": name or f"{template.name} @ {now:%H:%M:%S}",
                "rev": 0,
                "created": now,
                "modified": now,
                "created_by": principal.subject,
                "modified_by": principal.subject,
            }
        )
        earlier = await self._notifications.save_template(copied, is_new=True, once=once)
        return copied if earlier is None else await self._notifications.load_template(earlier)

    async def delete_template(self, principal: Principal, template_id: NotificationTemplateId) -> None:
        """Delete a notification template, and take it out of all lists.

        Raises:
            NotFound: there is no such notification template.
            Forbidden: the principal may not change it.
        """
        template = await self.get_template(principal, template_id, Action.CHANGE_TREE)
        await self._notifications.delete_template(template.id, by=principal.subject)

    async def _read_organization(self, raw: Any) -> OrganizationId:
        if raw is None or raw == "":
            raise FieldsRefused({"organization": ["This field is required."]})
        name = OrganizationId(str(raw))
        if name != DEFAULT_ORGANIZATION and await self._organizations.find_organization(name) is None:
            raise FieldsRefused({"organization": [f"there is no organization {name!r}"]})
        return name

    async def _check_messages(self, fields: Mapping[str, Any]) -> None:
        """Render each custom message for a sample job, to find faults before a job needs the message.

        Raises:
            FieldsRefused: a message cannot be rendered.
        """
        found = await asyncio.gather(
            *(
                _find_message_faults(words, custom.model_dump(), fields["notification_type"])
                for words, custom in fields.get("messages", {}).items()
            )
        )
        if faults := [fault for each in found for fault in each]:
            raise FieldsRefused({"messages": faults})

    async def test_template(self, principal: Principal, template_id: NotificationTemplateId) -> NotificationDocument:
        """Store a notification that says it is a test, and return it. The sender makes one attempt at it, soon.

        Raises:
            NotFound: there is no such notification template.
            Forbidden: the principal may not change it.
        """
        template = await self.get_template(principal, template_id, Action.CHANGE_TREE)
        subject = f"A test of the notification template #{template.id} {template.name!r}, by {principal.subject}"
        [number] = await self._notifications.take_numbers(1)
        made = write_notification(
            template,
            notification_id=f"test-{uuid.uuid4()}",
            subject=subject,
            text="",
            facts={"body": subject},
            rendered=Rendered(),
            recipients=find_recipients(template, self._secrets.keys),
            run=None,
            max_attempts=1,
        ).model_copy(update={"number": number})
        await self._notifications.add_notifications([made])
        for listener in self.on_new:
            listener()
        return made

    async def find_linked(self, target: str, lists: Sequence[NotificationList]) -> list[NotificationTemplateId]:
        """Return the ids of the notification templates that are in every one of the target's `lists`, sorted."""
        found = await self._notifications.find_linked([target], lists)
        return sorted(set.intersection(*(set(found.get((target, each), ())) for each in lists)))

    async def link(
        self,
        principal: Principal,
        target: str,
        organization: OrganizationId | None,
        lists: Iterable[NotificationList],
        template_id: NotificationTemplateId,
        *,
        about: AuditFacts | None = None,
    ) -> None:
        """Put a notification template into `lists` of `target`, which belongs to `organization` (None: to none).
        `about` describes the target for the audit log.

        Raises:
            FieldsRefused: there is no such notification template, it is in another organization, or a list is full.
            Forbidden: the principal may not see the notification template.
        """
        try:
            template = await self.get_template(principal, template_id)
        except NotFound as error:
            text = f'Invalid pk "{template_id}" - object does not exist.'
            raise FieldsRefused({"id": [text]}) from error
        if organization not in (None, template.organization):
            text = f"is in the organization {template.organization!r}; give one of {organization!r}, for example a copy"
            raise FieldsRefused({"id": [text]})
        await self._notifications.add_links(target, lists, template_id, by=principal.subject, about=about)

    async def unlink(
        self,
        principal: Principal,
        target: str,
        lists: Iterable[NotificationList],
        template_id: NotificationTemplateId,
        *,
        about: AuditFacts | None = None,
    ) -> None:
        """Take a notification template out of `lists` of `target`. If it is not in a list, that changes nothing."""
        await self._notifications.remove_links(target, lists, template_id, by=principal.subject, about=about)

    async def find_notification(self, number: int) -> NotificationDocument:
        """Return the notification with this number. The caller checks who may see it.

        Raises:
            NotFound: there is no such notification.
        """
        found = await self._notifications.find_notification({"number": number})
        if found is None:
            raise NotFound("Not found.")
        return found

    async def list_notifications(
        self,
        principal: Principal,
        query: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]],
        skip: int,
        limit: int,
        sees_job: bool = False,
    ) -> tuple[list[NotificationDocument], int]:
        """Return a page of what matches `query` and the principal may see (`sees_job`: all of it), and the number."""
        wanted = {"$and": [dict(query), {} if sees_job else make_tree_filter(principal)]}
        found = await self._notifications.list_notifications(wanted, sort=list(sort), skip=skip, limit=limit)
        return found, await self._notifications.count_notifications(wanted)

    async def list_recent(
        self, ids: Sequence[NotificationTemplateId]
    ) -> dict[NotificationTemplateId, list[NotificationDocument]]:
        """Return template id -> its latest notifications, the newest first, for the notification templates `ids`."""
        return await self._notifications.list_recent(ids, _RECENT)

    async def find_names(self, ids: Iterable[NotificationTemplateId]) -> dict[NotificationTemplateId, str]:
        """Return the names of the notification templates `ids`, by id. Leave out those that do not exist."""
        found = await self._notifications.list_templates({"_id": {"$in": sorted(set(ids))}})
        return {each.id: each.name for each in found}


async def _find_message_faults(words: str, texts: Mapping[str, str], kind: NotificationType) -> list[str]:
    given = {name: text for name, text in texts.items() if text}
    rendered = await render_texts(given, make_sample_context(words))
    faults = [f"{words}.{name}: {each['fault']}" for name, each in rendered.items() if "fault" in each]
    body = rendered.get("body", {}).get("text", "")
    if kind is NotificationType.WEBHOOK and body and (fault := find_body_fault(body)):
        faults.append(f"{words}.body: {fault}")
    return faults
