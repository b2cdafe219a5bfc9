"""Many notifications that are due together are sent as fast as their receivers take them."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from schemas.automation.notifications import NotificationDocument, NotificationTemplateDocument
from schemas.ids import OrganizationId
from tests.integration.wms.trees.conftest import ADA
from tests.integration.wms.trees.receivers import receive_hooks
from tests.waiting import eventually
from wms.app import Wms, run_wms
from wms.encryption import SecretKeys
from wms.notifications.messages.message_rendering import Rendered
from wms.notifications.notification_store import NotificationStore
from wms.notifications.notification_watch import find_recipients, write_notification
from wms.settings import WmsSettings

N = 300


async def make_receiver(wms: Wms, name: str, url: str) -> NotificationTemplateDocument:
    """Create a notification template."""
    raw: dict[str, Any] = {"name": name, "organization": OrganizationId("default"), "notification_type": "webhook"}
    return await wms.notifications.service.create_template(ADA, {**raw, "notification_configuration": {"url": url}})


async def add_due(wms: Wms, template: NotificationTemplateDocument, n: int) -> None:
    """Store notifications that are due now."""
    store = NotificationStore(wms.store)
    made = [
        write_notification(
            template,
            notification_id=f"{template.name}-{number}",
            subject="x",
            text="",
            facts={},
            rendered=Rendered(),
            recipients=find_recipients(template, SecretKeys([])),
            run=None,
        ).model_copy(update={"number": number})
        for number in await store.take_numbers(n)
    ]
    await store.add_notifications(made)


async def test_a_backlog_is_sent_without_pauses_and_a_stuck_receiver_delays_no_other(
    wms_settings: WmsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, looks = NotificationStore.find_notification, list[str]()

    async def count_looks(store: NotificationStore, query: Mapping[str, Any]) -> NotificationDocument | None:
        looks.append(str(query["_id"]))
        return await find(store, query)

    monkeypatch.setattr(NotificationStore, "find_notification", count_looks)
    local = {"notifications_to_local_hosts": True, "notification_timeout_s": 60.0}

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with (
        receive_hooks() as hook,
        await asyncio.start_server(never_answer, "127.0.0.1", 0) as stuck,
        run_wms(wms_settings.model_copy(update=local)) as wms,
    ):
        port = stuck.sockets[0].getsockname()[1]
        await add_due(wms, await make_receiver(wms, "stuck", f"http://127.0.0.1:{port}/"), N)
        await add_due(wms, await make_receiver(wms, "good", hook.url), N)
        wms.notifications.sender.send_soon()
        await eventually(lambda: len(hook.ids) == N)
        # Those that must wait are not looked at again and again.
        assert len(looks) < 4 * N, len(looks)


async def test_the_latest_notifications_of_a_page_of_templates_come_with_one_query(wms_settings: WmsSettings) -> None:
    async with run_wms(wms_settings) as wms:
        first = await make_receiver(wms, "first", "https://127.0.0.1:1/")
        second = await make_receiver(wms, "second", "https://127.0.0.1:1/")
        none = await make_receiver(wms, "none", "https://127.0.0.1:1/")
        for template, n in ((first, 7), (second, 2)):
            await add_due(wms, template, n)
        recent = await wms.notifications.service.list_recent([first.id, second.id, none.id])
        assert {key: [each.number for each in found] for key, found in recent.items()} == {
            first.id: [7, 6, 5, 4, 3],
            second.id: [9, 8],
            none.id: [],
        }
