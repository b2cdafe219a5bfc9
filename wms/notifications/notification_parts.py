"""Build the parts of notifications, once."""

from dataclasses import dataclass

from runtime.kernel.store import Store
from wms.engine.engine import Engine
from wms.notifications.notification_service import NotificationService
from wms.notifications.notification_settings import NotificationSettings
from wms.notifications.notification_store import NotificationStore
from wms.notifications.notification_watch import NotificationWatch
from wms.notifications.sending.notification_sender import NotificationSender
from wms.notifications.template_secrets import TemplateSecrets
from wms.tenancy.organizations import Organizations


@dataclass(frozen=True, slots=True)
class NotificationParts:
    """The parts of notifications: the loops that WMS starts, and the service that routes call."""

    service: NotificationService
    secrets: TemplateSecrets
    watch: NotificationWatch
    sender: NotificationSender

    async def start(self) -> None:
        """Encrypt stored secrets with the newest key. Then start the loops that make notifications and send them."""
        await self.secrets.encrypt_again()
        self.watch.start()
        self.sender.start()

    async def stop(self) -> None:
        """Stop both loops."""
        await self.watch.stop()
        await self.sender.stop()


def build_notifications(
    store: Store,
    engine: Engine,
    organizations: Organizations,
    settings: NotificationSettings,
) -> NotificationParts:
    """Return the parts. They do nothing before `start`."""
    notifications = NotificationStore(store)
    sender = NotificationSender(notifications, settings)
    watch = NotificationWatch(engine, notifications, settings)
    watch.on_new.append(sender.send_soon)
    secrets = TemplateSecrets(notifications, settings.keys)
    service = NotificationService(notifications, organizations, secrets)
    service.on_new.append(sender.send_soon)
    return NotificationParts(service, secrets, watch, sender)
