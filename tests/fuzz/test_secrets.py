"""What our processes are told in confidence stands in no log, no document and no file that a worker gets."""

import re
from pathlib import Path
from typing import Any

from bson.json_util import dumps
from pymongo import MongoClient

from deploy.local.choices.launch_options import LOCATION
from deploy.local.servers.mongo_accounts import ADMIN
from deploy.local.system.stack import Stack
from tests.contract.conformance.world import World, log, ok, request
from tests.waiting import wait_until

#: A signed token, wherever it stands.
TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}")

#: Where HTCondor and a shell would look things up.
LURE = "$ENV(EWMS_CONTROL_AMQP_URL) $(EWMS_CONTROL_AMQP_URL) ${EWMS_CONTROL_AMQP_URL} $$(EWMS_CONTROL_AMQP_URL)"


def _documents(stack: Stack) -> bytes:
    with MongoClient[dict[str, Any]](stack.services.mongodb.url(ADMIN)) as client:
        names = [name for name in client.list_database_names() if name not in ("admin", "config", "local")]
        return "\n".join(
            dumps(document)
            for name in names
            for collection in client[name].list_collection_names()
            for document in client[name][collection].find()
        ).encode()


def _files(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_no_password_and_no_token_is_told_to_anybody(contract_stack: Stack, world: World) -> None:
    body = request(cluster_locations=[LOCATION], task_args=LURE, task_env={"A": LURE}, init_args=LURE, n_workers=1)
    taskforce = world.submit(body)["taskforces"][0]
    wait_until(
        lambda: world.taskforce(taskforce["taskforce_uuid"]),
        lambda found: any(line[0] == "condor-submit" for line in log(found)),
    )
    ok(world.user.post(f"/workflows/{taskforce['workflow_id']}/actions/abort"))

    told = {"MongoDB": _documents(contract_stack)}
    told |= {name: (contract_stack.logs / f"{name}.log").read_bytes() for name in ("wms", "mqs", "tms")}
    for where, text in told.items():
        assert not TOKEN.search(text), where
    told |= _files(contract_stack.services.data.make_place("tms"))
    assert any(name.endswith(".log") for name in told), "the taskforce's files are among them"
    services = contract_stack.services
    told |= {name: (services.logs / f"{name}.log").read_bytes() for name in ("mongod", "rabbitmq", "issuer")}
    users = (*services.rabbitmq.users.values(), *services.mongodb.accounts.values())
    passwords = [user.password.encode() for user in users]
    assert all(passwords)
    for where, text in told.items():
        assert not any(password in text for password in passwords), where
