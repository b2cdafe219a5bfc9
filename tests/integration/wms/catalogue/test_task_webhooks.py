"""A git server reports new commits: its signature counts, and nothing else."""

import hashlib
import hmac

from schemas.automation.catalogue import CATALOGUE_TASKS
from tests.integration.wms.catalogue.building import COMMITS
from tests.integration.wms.catalogue.conftest import TaskWorld, versions
from wms.encryption import is_sealed
from wms.secret_rotation import SecretRotation
from wms.settings import WmsSettings


def sign(key: str, body: bytes) -> dict[str, str]:
    """Return the headers of GitHub."""
    signature = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={signature}", "Content-Type": "application/json"}


async def test_a_signed_webhook_finds_the_new_commit(task_world: TaskWorld) -> None:
    task = (await task_world.make_ready())["id"]
    webhook = (await task_world.send("GET", f"/tasks/{task}/webhook")).json()
    assert webhook["path"] == f"/v1/tasks/{task}/webhook"
    task_world.build.commit = COMMITS[1]
    body = b'{"ref": "refs/heads/main"}'
    taken = await task_world.http.post(webhook["path"], content=body, headers=sign(webhook["key"], body))
    assert taken.status_code == 204
    found = await task_world.until(task, lambda found: len(found["versions"]) == 2)
    assert versions(found) == [(2, "Pending approval"), (1, "Ready")]
    assert found["versions"][0]["author"] == "webhook"


async def test_an_unsigned_webhook_does_nothing_and_says_nothing(bare_world: TaskWorld) -> None:
    task = (await bare_world.create())["id"]
    key = (await bare_world.send("GET", f"/tasks/{task}/webhook")).json()["key"]
    body = b"{}"
    before = await bare_world.until(task, lambda found: found["look"])
    answers = [
        await bare_world.http.post(f"/v1/tasks/{each}/webhook", content=body, headers=headers)
        for each, headers in [
            (task, {"Content-Type": "application/json"}),
            (task, sign("other", body)),
            (task, sign(key, b"{ }")),
            (99, sign(key, body)),
        ]
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}
    assert await bare_world.get(task) == before


async def test_the_secret_of_a_task_is_encrypted_and_a_start_encrypts_older_ones(
    bare_world: TaskWorld, task_settings: WmsSettings
) -> None:
    task, store, keys = (await bare_world.create())["id"], bare_world.wms.store, task_settings.make_secret_keys()

    async def read_secret() -> str:
        [stored] = await store.find(CATALOGUE_TASKS, {"_id": task})
        return str(stored["secret"])

    webhook = (await bare_world.send("GET", f"/tasks/{task}/webhook")).json()
    assert is_sealed(first := await read_secret())
    await SecretRotation(store, keys).encrypt_texts(CATALOGUE_TASKS, "secret")
    assert await read_secret() == first
    # As an earlier EWMS has stored it.
    assert await store.compare_and_set(CATALOGUE_TASKS, {"_id": task}, {"$set": {"secret": keys.unseal(first)}})
    await SecretRotation(store, keys).encrypt_texts(CATALOGUE_TASKS, "secret")
    assert is_sealed(again := await read_secret())
    assert keys.unseal(again) == keys.unseal(first)
    assert (await bare_world.send("GET", f"/tasks/{task}/webhook")).json() == webhook


async def test_a_renewed_key_replaces_the_former_one(bare_world: TaskWorld) -> None:
    task = (await bare_world.create())["id"]
    path = f"/v1/tasks/{task}/webhook"
    former = (await bare_world.send("GET", f"/tasks/{task}/webhook")).json()["key"]
    renewed = (await bare_world.send("POST", f"/tasks/{task}/webhook/renew")).json()["key"]
    assert (await bare_world.http.post(path, content=b"{}", headers=sign(former, b"{}"))).status_code == 404
    assert (await bare_world.http.post(path, content=b"{}", headers=sign(renewed, b"{}"))).status_code == 204
    for caller, code in [("bob/north/member", 404), ("carl/north/auditor", 403)]:
        assert (await bare_world.send("GET", f"/tasks/{task}/webhook", caller=caller)).status_code == code
