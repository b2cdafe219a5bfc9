"""Each service has an account of its own on MongoDB, with rights on its own database."""

from urllib.parse import urlsplit

from deploy.local.servers.mongo_accounts import (
    ADMIN,
    choose_commands,
    list_databases,
    mongo_url,
    new_account,
    new_accounts,
)
from mqs.settings import MqsSettings
from wms.settings import WmsSettings


def test_a_service_has_its_own_database_and_the_launcher_has_all() -> None:
    roles = {name: account.roles for name, account in new_accounts().items()}
    assert roles == {
        "wms": [{"role": "readWrite", "db": "WMS_DB"}],
        "mqs": [{"role": "readWrite", "db": "MQS_DB"}],
        "admin": [{"role": "root", "db": "admin"}],
    }


def test_the_databases_are_those_that_the_services_use() -> None:
    used = {"wms": WmsSettings.model_fields["mongo_database"], "mqs": MqsSettings.model_fields["mongo_database"]}
    assert {name: field.default for name, field in used.items()} == list_databases()


def test_passwords_are_long_new_and_fit_into_an_address() -> None:
    accounts = [account for _ in range(20) for account in new_accounts().values()]
    assert len({account.password for account in accounts}) == len(accounts)
    for account in accounts:
        assert len(account.password) >= 32
        parts = urlsplit(mongo_url(20_001, account))
        assert (parts.username, parts.password, parts.port) == (account.name, account.password, 20_001)


def test_without_an_account_an_address_brings_no_password() -> None:
    assert mongo_url(20_001, None) == "mongodb://127.0.0.1:20001/?replicaSet=rs0"


def test_accounts_that_a_server_knows_get_their_new_password() -> None:
    accounts = [new_account("wms", "WMS_DB"), new_account(ADMIN, None)]
    commands = choose_commands(accounts, ["wms", "somebody"])
    assert [next(iter(command.items())) for command in commands] == [("updateUser", "wms"), ("createUser", ADMIN)]
    assert [command["pwd"] for command in commands] == [account.password for account in accounts]
    assert all(command["mechanisms"] == ["SCRAM-SHA-256"] for command in commands)
