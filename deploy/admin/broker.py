"""Make the users of a broker: their passwords, and the definitions that RabbitMQ imports (`load_definitions`)."""

import json
import secrets
from collections.abc import Sequence
from pathlib import Path

from deploy.local.files.secret_files import replace_secret
from deploy.local.servers.broker_definitions import ADMIN, BrokerUser, broker_definitions, service_names
from schemas.broker.topology import CONTROL_VHOST, DATA_VHOST
from schemas.errors import Conflict

DEFINITIONS, PASSWORDS = "definitions.json", "passwords.json"


def write_broker_users(directory: Path, *, schedds: Sequence[str], pools: Sequence[str]) -> dict[str, str]:
    """Write both files into `directory`, each for its owner alone: the definitions, and the passwords by user. Return
    the passwords. Users who are in the file already keep theirs.

    There is a user for each service, for a TMS of each of `schedds` and for the step workers of each of `pools`.

    Raises:
        Conflict: the file of passwords exists and is not ours.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = _read_passwords(directory / PASSWORDS)
    names = [ADMIN, *service_names(schedds, pools)]
    passwords = {name: kept.get(name) or secrets.token_urlsafe(32) for name in names}
    users = [BrokerUser(name, password, secrets.token_bytes(4)) for name, password in passwords.items()]
    whole = broker_definitions(users, control_vhost=CONTROL_VHOST, data_vhost=DATA_VHOST)
    replace_secret(directory / PASSWORDS, (json.dumps(passwords, indent=2) + "\n").encode())
    replace_secret(directory / DEFINITIONS, (json.dumps(whole, indent=2) + "\n").encode())
    return passwords


def _read_passwords(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text())
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise Conflict(f"{path} is no file of passwords", hint="choose another directory")
    return found
