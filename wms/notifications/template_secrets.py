"""Encrypt the secrets in the configurations of notification templates, and encrypt them again with a new key."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from runtime.telemetry import log
from schemas.automation.notifications import NotificationTemplateDocument, NotificationTemplateId, NotificationType
from schemas.errors import Broken, Conflict
from schemas.rules.secret_names import MASK
from wms.encryption import NoKey, SecretKeys
from wms.notifications.notification_store import NotificationStore
from wms.notifications.templates.configurations import map_secrets, split_url


class TemplateSecrets:
    """The secrets of the stored notification templates."""

    def __init__(self, notifications: NotificationStore, keys: SecretKeys) -> None:
        self._notifications = notifications
        self.keys = keys

    def seal_fields(self, fields: Mapping[str, Any], kind: NotificationType) -> dict[str, Any]:
        """Return `fields` of a template that sends by `kind`, with the secrets of a configuration encrypted.

        Raises:
            NoKey: there is a secret, and WMS has no key.
        """
        if "configuration" not in fields:
            return dict(fields)
        return {**fields, "configuration": map_secrets(kind, fields["configuration"], self.keys.encrypt)}

    def read_configuration(self, template: NotificationTemplateDocument) -> dict[str, Any]:
        """Return the template's configuration, decrypted. A secret that fits no key is the mask: then the next change
        must give a new secret.
        """
        kind = template.notification_type
        return split_url(kind, map_secrets(kind, template.configuration, self._read_secret))

    def _read_secret(self, stored: str) -> str:
        try:
            return self.keys.decrypt(stored)
        except (Broken, NoKey):
            return MASK

    async def encrypt_again(self) -> None:
        """Encrypt the secrets of all notification templates with the first key, if there are several. With one key,
        encrypt the URLs from before they were secrets.

        A template with a secret that fits no key stays as it is, and the log names it.
        """
        if not self.keys.has_keys:
            return
        open_url = {"notification_type": NotificationType.WEBHOOK.value, "configuration.path": {"$exists": False}}
        templates = await self._notifications.list_templates({} if self.keys.has_old_keys else open_url)
        is_done = all([await self._encrypt_one_again(each.id) for each in templates])
        if is_done and self.keys.has_old_keys:
            log.info("all secrets have the first key", templates=len(templates))

    async def _encrypt_one_again(self, template_id: NotificationTemplateId) -> bool:
        while (template := await self._notifications.find_template(template_id)) is not None:
            kind = template.notification_type
            try:
                readable = split_url(kind, map_secrets(kind, template.configuration, self.keys.decrypt))
            except Broken as error:
                log.error("a secret fits no key", template=template_id, name=template.name, hint=error.hint)
                return False
            again = template.model_copy(update=self.seal_fields({"configuration": readable}, kind))
            # If a request or another WMS has changed it meanwhile, its secret may still have the old key.
            with suppress(Conflict):
                await self._notifications.save_template(again, is_new=False, is_told=False)
                break
        return True
