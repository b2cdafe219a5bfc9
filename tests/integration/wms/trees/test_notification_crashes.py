"""WMS is killed between deciding, storing, sending and noting: a receiver that keeps ids sees each one once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from schemas.automation.notifications import NotificationList, NotificationTemplateId, name_template
from schemas.automation.trees import TemplateKind
from schemas.ids import OrganizationId
from tests.integration.wms.engine.conftest import WmsProcess, forks, start_wms
from tests.integration.wms.trees.conftest import ADA
from tests.integration.wms.trees.receivers import receive_hooks
from tests.waiting import eventually
from wms.app import run_wms
from wms.located_text import LocatedDocument
from wms.settings import WmsSettings
from wms.trees.graphs.tree_definitions import name_definition

__all__ = ["forks", "start_wms"]

DEFAULT = OrganizationId("default")
UUID = "00000000-0000-4000-8000-00000000000{}"


async def make_told_tree(settings: WmsSettings, url: str) -> tuple[str, NotificationTemplateId]:
    """Store a tree that ends at once and tells of its start and its end; return its definition and the template."""
    async with run_wms(settings) as wms:
        raw = {"name": "release", "organization": DEFAULT}
        template = await wms.trees.templates.create_template(ADA, TemplateKind.WORKFLOW, raw)
        graph = LocatedDocument({"nodes": [{"identifier": "a"}]})
        await wms.trees.nodes.replace_graph(ADA, template.id, graph)
        hook: dict[str, Any] = {"name": "hook", "organization": DEFAULT, "notification_type": "webhook"}
        service = wms.notifications.service
        made = await service.create_template(ADA, {**hook, "notification_configuration": {"url": url}})
        lists = [NotificationList.STARTED, NotificationList.SUCCESS]
        await service.link(ADA, name_template(template.id), DEFAULT, lists, made.id)
        return name_definition(template.id), made.id


async def launch(wms: WmsProcess, definition: str, number: int) -> str:
    """Launch the tree; return what became of the command."""
    return await wms.command("launch", name=definition, uuid=UUID.format(number), state={}, begins=True)


@pytest.mark.parametrize(
    "failpoint", ["engine.committed/Begin", "notifications.stored", "notifications.claimed", "notifications.sent"]
)
async def test_a33_a_killed_wms_tells_each_event_once_to_a_receiver_that_keeps_ids(
    wms_settings: WmsSettings, start_wms: Callable[[str], Awaitable[WmsProcess]], failpoint: str
) -> None:
    async with receive_hooks() as hook:
        definition, template = await make_told_tree(wms_settings, hook.url)
        first = await start_wms(f"{failpoint}:kill")
        await launch(first, definition, 1)
        async with asyncio.timeout(60):
            await first.process.await_end()
        again = await start_wms("")
        await launch(again, definition, 1)
        await eventually(lambda: len(hook.ids) >= 2)
        # Let a wrong third one come: a second launch is told after all that the first one has to tell.
        await launch(again, definition, 2)
        await eventually(lambda: len(hook.ids) >= 4)
        runs = sorted({int(each.partition("-")[0]) for each in hook.ids})
        expected = {f"{run}-{words}-{template}" for run in runs for words in ("started", "success")}
        assert (len(runs), set(hook.ids)) == (2, expected)


async def test_a33_two_wms_tell_each_event_once(
    wms_settings: WmsSettings, start_wms: Callable[[str], Awaitable[WmsProcess]]
) -> None:
    async with receive_hooks() as hook:
        definition, _ = await make_told_tree(wms_settings, hook.url)
        both = await asyncio.gather(start_wms(""), start_wms(""))
        for number in range(8):
            await launch(both[number % 2], definition, number)
        await eventually(lambda: len(hook.ids) >= 16)
        assert len(hook.hits) == 16
