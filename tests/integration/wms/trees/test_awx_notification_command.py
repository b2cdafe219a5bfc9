"""The `awx` command of awxkit makes notification templates, joins them with trees, exports and imports both."""

import asyncio
import json
from typing import Any

import pytest
from pydantic import SecretStr

from tests.integration.wms.trees.test_awx_routes import AwxWorld, awx
from tests.system.awx_clients import AwxCommand
from wms.encryption import make_key
from wms.settings import WmsSettings

__all__ = ["awx"]


@pytest.fixture
def wms_settings(wms_settings: WmsSettings) -> WmsSettings:
    """A WMS that can store secrets."""
    return wms_settings.model_copy(update={"secret_keys": (SecretStr(make_key()),)})


async def test_k4_21_the_command_makes_joins_exports_and_imports_notification_templates(awx: AwxWorld) -> None:
    token = awx.world.issuer.token("ada", ewms_role="superuser")
    command = AwxCommand(str(awx.world.http.base_url).rstrip("/"), token)

    async def call(*words: str) -> Any:
        return await asyncio.to_thread(command.call, *words)

    kind = "notification_templates"
    where = json.dumps({"url": "https://example.org/hook", "password": "correct-horse"})
    how = ("--notification_type", "webhook", "--notification_configuration", where)
    made = await call(kind, "create", "--name", "ops", "--organization", "default", *how)
    assert made["notification_configuration"]["password"] == "$encrypted$"
    await awx.make_tree()
    joined = ("associate", "release", "--success_notification", "ops")
    await asyncio.to_thread(command.run, "workflow_job_templates", *joined)
    [tree] = (await awx.ada.get("/workflow_job_templates/?name=release"))["results"]
    assert (await awx.ada.get(f"/workflow_job_templates/{tree['id']}/notification_templates_success/"))["count"] == 1
    first = (await asyncio.to_thread(command.run, "export")).stdout
    exported = json.loads(first)
    assert exported[kind][0]["name"] == "ops"
    [told] = exported["workflow_job_templates"][0]["related"]["notification_templates_success"]
    assert (told["name"], told["type"]) == ("ops", "notification_template")
    body = {"id": made["id"], "disassociate": True}
    path = f"/workflow_job_templates/{tree['id']}/notification_templates_success/"
    await awx.ada.post(path, body, code=204)
    await asyncio.to_thread(command.run, "import", stdin=first)
    assert (await asyncio.to_thread(command.run, "export")).stdout == first
    changed = await call(kind, "modify", "ops", "--description", "told")
    assert changed["description"] == "told"
