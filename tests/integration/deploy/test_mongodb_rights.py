"""Who comes into MongoDB, tried on the real server: nobody without a password, a service into its own database."""

import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import ASCENDING, IndexModel, MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure

from deploy.local.children.processes import LaunchedProcesses, await_ready
from deploy.local.choices.ports import free_ports
from deploy.local.fetch.cache import Installed
from deploy.local.servers.mongo_accounts import ADMIN, MongoAccount, list_databases, mongo_url
from deploy.local.servers.mongodb import MongoDB
from deploy.local.system.services import Services

Documents = dict[str, Any]
Act = Callable[[MongoClient[Documents]], Any]

_UNAUTHORIZED, _LOGIN_REFUSED = 13, 18


def refusal(act: Callable[..., Any], *arguments: Any, **named: Any) -> int | None:
    """Return the code with which the server refuses `act`."""
    with pytest.raises(OperationFailure) as refused:
        act(*arguments, **named)
    return refused.value.code


def command(name: str, database: str = "admin", **arguments: Any) -> Act:
    return lambda client: client[database].command({name: 1, **arguments})


#: What would open MongoDB, or show what it keeps.
CLOSED: dict[str, Act] = {
    "documents": lambda client: client["WMS_DB"]["WorkflowColl"].find_one(),
    "changes": lambda client: client["WMS_DB"]["WorkflowColl"].update_many({}, {"$set": {"owner": "eve"}}),
    "names of databases": command("listDatabases"),
    "accounts": command("usersInfo"),
    "a first account": lambda client: client["admin"].command("createUser", "eve", pwd="x", roles=["root"]),
    "the replica set": lambda client: client["admin"].command("replSetReconfig", {"_id": "rs0"}, force=True),
    "parameters": lambda client: client["admin"].command("getParameter", "*"),
    "the command line": command("getCmdLineOpts"),
    "what others do": command("currentOp"),
    "the log": lambda client: client["admin"].command("getLog", "global"),
    "an end": command("shutdown", force=True),
}


@pytest.fixture
def stranger(services: Services) -> Iterator[MongoClient[Documents]]:
    with MongoClient[Documents](mongo_url(services.mongodb.port, None)) as client:
        yield client


@pytest.mark.parametrize("act", CLOSED.values(), ids=CLOSED)
def test_without_a_password_nothing_opens(stranger: MongoClient[Documents], act: Act) -> None:
    assert refusal(act, stranger) == _UNAUTHORIZED


@pytest.mark.parametrize("name", [*list_databases(), ADMIN, "__system", "eve"])
def test_a_wrong_password_opens_nothing(services: Services, name: str) -> None:
    guessed = mongo_url(services.mongodb.port, MongoAccount(name, "guess", None))
    for address in (guessed, guessed.replace("authSource=admin", "authSource=local")):
        with MongoClient[Documents](address) as client:
            assert refusal(client.admin.command, "ping") == _LOGIN_REFUSED


@pytest.mark.parametrize("service", list_databases())
def test_a_service_has_its_database_and_no_other(services: Services, service: str) -> None:
    own = list_databases()[service]
    with MongoClient[Documents](services.mongodb.url(service)) as client:
        things = client[own]["a-test-of-rights"]
        try:
            things.create_indexes(
                [IndexModel([("at", ASCENDING)], expireAfterSeconds=60), IndexModel("n", unique=True)]
            )
            with client.start_session() as session, session.start_transaction():
                things.insert_one({"n": 1}, session=session)
            assert things.count_documents({}) == 1
        finally:
            things.drop()
        others = [name for name in (*list_databases().values(), "admin", "config", "local", "another") if name != own]
        for other in others:
            database: Database[Documents] = client[other]
            assert refusal(database["x"].find_one) == _UNAUTHORIZED
            assert refusal(database["x"].insert_one, {}) == _UNAUTHORIZED
            out = [{"$out": {"db": other, "coll": "x"}}]
            assert refusal(things.aggregate, out) == _UNAUTHORIZED
        assert set(client.list_database_names()) <= {own}
        whole_server = {name: act for name, act in CLOSED.items() if name not in ("documents", "changes")}
        del whole_server["names of databases"]  # It is shown its own.
        for act in whole_server.values():
            assert refusal(act, client) == _UNAUTHORIZED
        grant = {"grantRolesToUser": service, "roles": ["root"]}
        assert refusal(client.admin.command, grant) == _UNAUTHORIZED


@pytest.fixture
def server(installed: Installed, tmp_path: Path) -> Iterator[Callable[..., MongoDB]]:
    """Return what makes a server on the same data, again and again; each has a port of its own."""
    (home := tmp_path / "home").mkdir(mode=0o700)
    (data := tmp_path / "data").mkdir(mode=0o700)
    log = tmp_path / "log"
    with LaunchedProcesses() as children:

        def made(*, auth: bool = True) -> MongoDB:
            (port,) = free_ports(1)
            return MongoDB(children, installed.mongod, home=home, data=data, log=log, port=port, auth=auth)

        yield made


def test_nobody_is_faster_than_the_launcher_at_creating_the_first_account(server: Callable[..., MongoDB]) -> None:
    mongod = server()
    mongod.write_configuration()
    child = mongod.launch_server()
    # From the moment at which it listens, before the launcher has done anything.
    while True:
        assert child.is_running
        try:
            socket.create_connection(("127.0.0.1", mongod.port), timeout=1).close()
            break
        except OSError:
            child.wait(0.02)
    with MongoClient[Documents]("127.0.0.1", mongod.port, directConnection=True) as client:
        admin = client.admin
        assert refusal(admin.command, "createUser", "eve", pwd="x", roles=["root"]) == _UNAUTHORIZED
        assert refusal(admin.command, "createRole", "eve", privileges=[], roles=["root"]) == _UNAUTHORIZED
        assert refusal(admin.command, "replSetInitiate", {}) == _UNAUTHORIZED


def test_data_of_an_earlier_launch_is_found_again_under_new_passwords(server: Callable[..., MongoDB]) -> None:
    first = server().start()
    with MongoClient[Documents](first.url("wms")) as client:
        client["WMS_DB"]["things"].insert_one({"_id": 1})
    # As the launcher does after a crash of the server: same port, same passwords.
    first.child.kill()
    await_ready(first.relaunch(), first.is_ready, timeout_s=60)
    with MongoClient[Documents](first.url("wms")) as client:
        client["WMS_DB"]["things"].insert_one({"_id": 2})
    first.stop()

    # As another launcher does, whose port is another too.
    second = server().start()
    with MongoClient[Documents](second.url("wms")) as client:
        assert [thing["_id"] for thing in client["WMS_DB"]["things"].find()] == [1, 2]
    with MongoClient[Documents](mongo_url(second.port, first.accounts["wms"])) as client:
        assert refusal(client["WMS_DB"]["things"].find_one) == _LOGIN_REFUSED
    second.stop()

    # And with data that has accounts, where nobody is asked for a password; it listens on loopback all the same.
    third = server(auth=False).start()
    with MongoClient[Documents](third.url("wms")) as client:
        assert client["WMS_DB"]["things"].count_documents({}) == 2
    assert third.url("wms") == third.url(ADMIN) == f"mongodb://127.0.0.1:{third.port}/?replicaSet=rs0"
    assert third.build_arguments(Path("key"))[3] == "127.0.0.1"


def test_the_key_is_the_owners_and_no_secret_is_an_argument(services: Services) -> None:
    key = services.run / "mongodb/key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    secrets = [account.password for account in services.mongodb.accounts.values()] + [key.read_text()]
    words = Path(f"/proc/{services.mongodb.child.pid}/cmdline").read_text()
    log = (services.logs / "mongod.log").read_text()
    assert "--keyFile" in words
    assert not any(secret in text for secret in secrets for text in (words, log))
