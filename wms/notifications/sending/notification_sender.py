"""Send the notifications that are due, and note how each attempt ended.

    due ──► claimed: the next attempt, due again after the longest time that a send takes ──► sent ──► noted

The claim and the note are commits of one document, which the number of the attempt guards. So one process at a time
sends a notification. If it dies, the notification is due again, and its receiver gets the same id.
"""

import asyncio
import json
from collections import Counter
from datetime import timedelta
from typing import Any

from runtime.clock import stored_now
from runtime.failpoints import failpoint
from runtime.kernel.timers import NoRoom, Timers
from runtime.telemetry import counter, log
from schemas.automation.notifications import (
    NOTIFICATIONS,
    NotificationDocument,
    NotificationStatus,
    NotificationTemplateDocument,
    NotificationTemplateId,
    NotificationType,
)
from schemas.errors import EWMSError
from wms.notifications.child_processes import ChildFailed, ask_child
from wms.notifications.notification_settings import NotificationSettings
from wms.notifications.notification_store import NotificationStore
from wms.notifications.sending.attempts import SendOutcome, settle_attempt
from wms.notifications.sending.webhook_sender import WebhookSender
from wms.notifications.templates.configurations import map_secrets

_CHILD = "wms.notifications.sending.sending_child"
#: How many are sent at once, in all and for one template. A slow receiver must not delay the others.
_AT_ONCE = 32
_AT_ONCE_FOR_ONE = 4
#: What a claim adds to the longest time of a send.
_SLACK = timedelta(seconds=5)
_STOP_S = 3.0

_attempts = counter("notification_attempts_total", "Attempts to send a notification, by how they ended.", ["outcome"])


class NotificationSender:
    """Sends the notifications of one database."""

    def __init__(self, notifications: NotificationStore, settings: NotificationSettings) -> None:
        self._notifications = notifications
        self._keys = settings.keys
        self._allows_local = settings.allows_local
        self._webhooks = WebhookSender(timeout_s=settings.timeout_s, allows_local=settings.allows_local)
        self._timeout_s = settings.timeout_s
        self._first_pause = timedelta(seconds=settings.first_pause_s)
        self._timers = Timers(notifications.store, NOTIFICATIONS, self._begin, choose=self._choose)
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._per_template: Counter[NotificationTemplateId] = Counter()

    def start(self) -> None:
        """Begin to send."""
        self._timers.start()

    async def stop(self) -> None:
        """Stop sending. Sends under way get a few seconds to end. Another attempt at the others is due later."""
        await self._timers.stop()
        if self._sending:
            await asyncio.wait(self._sending.values(), timeout=_STOP_S)
        for task in self._sending.values():
            task.cancel()
        await asyncio.gather(*self._sending.values(), return_exceptions=True)
        await self._webhooks.close()

    def send_soon(self) -> None:
        """Wake the loop, so that it sends what is due now."""
        self._timers.wake_by(stored_now())

    def _choose(self) -> dict[str, Any] | None:
        """Return the query for due notifications that may be sent now. Return None if the sender has enough to do."""
        if len(self._sending) >= _AT_ONCE:
            return None
        full = [template for template, n in self._per_template.items() if n >= _AT_ONCE_FOR_ONE]
        return {"template": {"$nin": full}} if full else {}

    async def _begin(self, key: str) -> None:
        if key in self._sending:
            return
        if len(self._sending) >= _AT_ONCE:
            raise NoRoom
        now = stored_now()
        # Another process may have claimed it since the timer has found it. Then it is not due any more.
        due = {"_id": key, "status": NotificationStatus.PENDING.value, "wake_at": {"$lte": now}}
        found = await self._notifications.find_notification(due)
        if found is None:
            return
        if self._per_template[found.template] >= _AT_ONCE_FOR_ONE:
            raise NoRoom
        claim = {"n_attempts": found.n_attempts + 1, "wake_at": now + timedelta(seconds=self._timeout_s) + _SLACK}
        claimed = await self._notifications.change_notification(found, claim)
        if claimed is None:
            return
        failpoint("notifications.claimed")
        self._per_template[claimed.template] += 1
        task = asyncio.create_task(self._send_and_note(claimed), name=f"notification {key}")
        self._sending[key] = task
        task.add_done_callback(lambda _: self._forget(claimed))

    def _forget(self, notification: NotificationDocument) -> None:
        self._sending.pop(notification.id, None)
        self._per_template[notification.template] -= 1
        if not self._per_template[notification.template]:
            del self._per_template[notification.template]
        # There is room for another one.
        self.send_soon()

    async def _send_and_note(self, notification: NotificationDocument) -> None:
        try:
            outcome = await self._send(notification)
        except EWMSError as error:
            outcome = SendOutcome(error.reason, may_repeat=True)
        except Exception as error:  # noqa: BLE001 - a receiver, or a library, may do anything
            log.error("notification not sent", notification=notification.id, exc_info=error)
            outcome = SendOutcome(f"not sent: {type(error).__name__}", may_repeat=True)
        failpoint("notifications.sent")
        _attempts.labels("failed" if outcome.error else "sent").inc()
        settled = settle_attempt(
            outcome,
            n_attempts=notification.n_attempts,
            max_attempts=notification.max_attempts,
            now=stored_now(),
            first_pause=self._first_pause,
        )
        if outcome.done:
            settled = {**settled, "done": outcome.done, "done_rev": outcome.done_rev}
        if await self._notifications.change_notification(notification, settled) and settled.get("wake_at"):
            self._timers.wake_by(settled["wake_at"])

    async def _send(self, notification: NotificationDocument) -> SendOutcome:
        template = await self._notifications.find_template(notification.template)
        if template is None:
            return SendOutcome("its notification template was deleted")
        if template.notification_type is not notification.notification_type:
            return SendOutcome("its notification template has become one of another type")
        configuration = map_secrets(template.notification_type, template.configuration, self._keys.decrypt)
        if template.notification_type is NotificationType.WEBHOOK:
            payload = json.loads(notification.body) if notification.is_custom else dict(notification.payload)
            return await self._webhooks.send(configuration, payload, notification=notification.id)
        return await self._send_by_child(notification, template, configuration)

    async def _send_by_child(
        self, notification: NotificationDocument, template: NotificationTemplateDocument, configuration: dict[str, Any]
    ) -> SendOutcome:
        if notification.done and notification.done_rev != template.rev:
            return SendOutcome("its notification template was changed when some of its addresses had it already")
        order = {
            "type": template.notification_type.value,
            "configuration": configuration,
            "id": notification.id,
            "subject": notification.subject,
            "body": notification.body,
            "allows_local": self._allows_local,
            "done": notification.done,
        }
        try:
            answer = await ask_child(_CHILD, order, timeout_s=self._timeout_s)
            return SendOutcome(**{**answer, "done": tuple(answer.get("done", ())), "done_rev": template.rev})
        except ChildFailed as error:
            return SendOutcome(error.reason, may_repeat=True)
