"""A new key replaces the old one at the start of WMS, and the runs with something to tell are found by an index."""

from typing import Any

import pytest
import structlog.testing
from pydantic import SecretStr
from pymongo import AsyncMongoClient

from schemas.automation.notifications import NotificationTemplateDocument, NotificationTemplateId
from schemas.engine.run_documents import RUNS
from schemas.ids import OrganizationId
from schemas.rules.secret_names import MASK
from tests.integration.wms.trees.conftest import ADA
from wms.app import Wms, run_wms
from wms.encryption import SecretKeys, make_key
from wms.notifications.notification_store import NotificationStore
from wms.notifications.notification_watch import UNTOLD
from wms.notifications.template_secrets import TemplateSecrets
from wms.notifications.templates.configurations import map_secrets
from wms.settings import WmsSettings
from wms.trees.template_errors import FieldsRefused

HOOK: dict[str, Any] = {"name": "hook", "organization": OrganizationId("default"), "notification_type": "webhook"}
HOOK_CONFIGURATION = {"url": "https://example.org/", "password": "correct-horse"}


async def test_secrets_are_encrypted_with_the_new_key_at_the_next_start(wms_settings: WmsSettings) -> None:
    old, new = make_key(), make_key()

    def with_keys(*keys: str) -> WmsSettings:
        return wms_settings.model_copy(update={"secret_keys": tuple(map(SecretStr, keys))})

    async with run_wms(with_keys(old)) as wms:
        raw = {**HOOK, "notification_configuration": HOOK_CONFIGURATION}
        made = await wms.notifications.service.create_template(ADA, raw)
    with structlog.testing.capture_logs() as logs:
        async with run_wms(with_keys(new, old)):
            pass
    assert "all secrets have the first key" in [line["event"] for line in logs]
    async with run_wms(with_keys(new)) as wms:
        found = await wms.notifications.service.get_template(ADA, made.id)
        readable = map_secrets(found.notification_type, found.configuration, SecretKeys([new]).decrypt)
        assert readable["password"] == "correct-horse"


async def test_a_secret_that_fits_no_key_stops_no_start_and_is_given_anew(wms_settings: WmsSettings) -> None:
    lost, old, new = make_key(), make_key(), make_key()

    def with_keys(*keys: str) -> WmsSettings:
        return wms_settings.model_copy(update={"secret_keys": tuple(map(SecretStr, keys))})

    async def make(wms: Wms, name: str) -> NotificationTemplateId:
        raw = {**HOOK, "name": name, "notification_configuration": HOOK_CONFIGURATION}
        return (await wms.notifications.service.create_template(ADA, raw)).id

    async with run_wms(with_keys(lost)) as wms:
        first = await make(wms, "first")
    async with run_wms(with_keys(old)) as wms:
        second = await make(wms, "second")
    with structlog.testing.capture_logs() as logs:
        async with run_wms(with_keys(new, old)):
            pass
    assert [line["template"] for line in logs if line["event"] == "a secret fits no key"] == [first]
    assert "all secrets have the first key" not in [line["event"] for line in logs]
    async with run_wms(with_keys(new, old)) as wms:
        service = wms.notifications.service
        kept = await service.get_template(ADA, second)
        readable = map_secrets(kept.notification_type, kept.configuration, SecretKeys([new]).decrypt)
        assert readable["password"] == "correct-horse", "the template after the lost one has the new key"
        renamed = await service.change_template(ADA, first, {"name": "renamed"})
        assert renamed.name == "renamed"
        masked = {"notification_configuration": {**HOOK_CONFIGURATION, "password": MASK}}
        with pytest.raises(FieldsRefused) as refused:
            await service.change_template(ADA, first, masked)
        assert "give it again" in str(refused.value.fields)
        given = await service.change_template(ADA, first, {"notification_configuration": HOOK_CONFIGURATION})
        assert SecretKeys([new]).decrypt(given.configuration["password"]) == "correct-horse"


async def test_a_change_at_the_time_of_the_new_key_does_not_leave_the_old_key(
    wms_settings: WmsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = make_key(), make_key()
    settings = wms_settings.model_copy(update={"secret_keys": (SecretStr(old),)})
    async with run_wms(settings) as wms:
        raw = {**HOOK, "notification_configuration": HOOK_CONFIGURATION}
        made = await wms.notifications.service.create_template(ADA, raw)
        notifications = NotificationStore(wms.store)
        save, is_first = notifications.save_template, True

        async def save_after_another_change(template: NotificationTemplateDocument, **how: Any) -> Any:
            nonlocal is_first
            if is_first:
                is_first = False
                # A WMS that has the old key alone.
                await wms.notifications.service.change_template(ADA, made.id, {"description": "new"})
            return await save(template, **how)

        monkeypatch.setattr(notifications, "save_template", save_after_another_change)
        await TemplateSecrets(notifications, SecretKeys([new, old])).encrypt_again()
        found = await wms.notifications.service.get_template(ADA, made.id)
        assert SecretKeys([new]).decrypt(found.configuration["password"]) == "correct-horse"
        assert found.description == "new"


async def test_runs_with_something_to_tell_are_found_by_an_index(
    wms_settings: WmsSettings, mongo_url: str, mongo_database: str
) -> None:
    async with run_wms(wms_settings), AsyncMongoClient[dict[str, Any]](mongo_url) as client:
        plan = repr(await client[mongo_database][RUNS].find(UNTOLD).explain())
        assert "COLLSCAN" not in plan
        assert "'untold'" in plan
