"""A password of a job reaches the task of its fleet workflow, and nothing of the running system keeps it in clear."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pymongo import MongoClient

from deploy.local.servers.mongo_accounts import ADMIN
from deploy.local.system.stack import Stack
from ewms import Client
from tests.live_files import walk_live
from tests.system.conftest import CLUSTER, one_task
from tests.waiting import wait_until

VALUE = "S3cret-71f0c9"
MASK = "$encrypted$"


@pytest.fixture
def awx(stack: Stack) -> Iterator[httpx2.Client]:
    """Calls of an organization's admin."""
    headers = {"Authorization": f"Bearer {stack.list_endpoints()['tokens']['org-admin']}"}
    with httpx2.Client(base_url=f"{stack.gateway}/api/v2", headers=headers, timeout=60) as calls:
        yield calls


def post(awx: httpx2.Client, path: str, body: Any) -> Any:
    answer = awx.post(path, json=body)
    assert answer.is_success, answer.text
    return answer.json()


def launch(awx: httpx2.Client) -> int:
    """Launch a job whose task hashes the password from its arguments and from its environment."""
    request = one_task("""printf "%s/%s" "$3" "$PW" | sha256sum > "$2"; sleep 1""", n_workers=1).request([CLUSTER])
    (task,) = request["tasks"]
    task["task_args"] += " ${pw}"
    task["task_env"] = {"PW": "${pw}"}
    work = {"kind": "fleet", "request": request, "events": ["go"]}
    named = {"name": "with a password", "organization": "default", "survey_enabled": True}
    template = post(awx, "/job_templates/", {**named, "work": work})["id"]
    question = {"variable": "pw", "question_name": "pw", "type": "password", "required": True}
    post(awx, f"/job_templates/{template}/survey_spec/", {"name": "s", "description": "", "spec": [question]})
    return int(post(awx, f"/job_templates/{template}/launch/", {"extra_vars": {"pw": VALUE}})["id"])


def read_documents(stack: Stack) -> tuple[str, Any]:
    """Return all that MongoDB keeps, as one text, and the only directive with hidden texts."""
    with MongoClient[Any](stack.services.mongodb.url(ADMIN)) as client:
        own = [client[name] for name in client.list_database_names() if name not in ("admin", "config", "local")]
        documents = {f"{db.name}.{name}": list(db[name].find()) for db in own for name in db.list_collection_names()}
    (directive,) = [each for found in documents.values() for each in found if each.get("sealed_texts")]
    return repr(documents), directive


def find_files(stack: Stack, text: str) -> set[str]:
    """Return the names of the files with `text` below the directories of the launch. MongoDB's are compressed, so no
    text is found in them.
    """
    found = set()
    data = stack.services.data.root
    # The servers of tests have their data in memory: their places below the data directory are links.
    linked = {entry.resolve() for entry in data.iterdir() if entry.is_symlink()}
    for root in {data, stack.logs.parent, *linked}:
        for path in walk_live(root):
            if path.is_file() and not path.is_symlink() and text.encode() in _read(path):
                found.add(str(path))
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_password_reaches_the_task_and_no_queue_file_or_document_keeps_it(stack: Stack, awx: httpx2.Client) -> None:
    job = launch(awx)

    def look() -> Any:
        return awx.get(f"/jobs/{job}/").json()

    wait_until(lambda: look()["finished"], within_s=180, show=look)
    assert look()["status"] == "successful", look()
    documents, directive = read_documents(stack)
    assert MASK in directive["task_args"]
    assert VALUE not in documents

    token = stack.list_endpoints()["tokens"]["org-admin"]
    with Client(stack.gateway, token=token, cluster=CLUSTER, timeout=60) as client:
        with client.run(directive["workflow_id"]).queue("out").results(idle_timeout=60) as results:
            result = next(iter(results))
        taskforces = client.run(directive["workflow_id"]).show().taskforces
    expected = hashlib.sha256(f"{VALUE}/{VALUE}".encode()).hexdigest()
    assert str(result.body).split()[0] == expected
    assert VALUE not in json.dumps([each.model_dump(mode="json") for each in taskforces])

    # RabbitMQ writes what it has queued to its files as it is: there is the order with its masks.
    masked = find_files(stack, MASK)
    assert any("rabbitmq" in name for name in masked), masked
    assert any("ewms_pilot_task.json" in name for name in masked), masked
    wait_until(lambda: not find_files(stack, VALUE), within_s=60, show=lambda: find_files(stack, VALUE))
