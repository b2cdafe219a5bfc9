"""Show the settings of a service without its secrets, and find what is wrong with them. (core)"""

import ipaddress
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import AliasChoices, BaseModel, SecretStr
from pydantic_core import to_json

from runtime.hosts.host_list import is_encrypted, parse_hosts

#: Stands for a secret.
MASK = "********"
#: Up to the last `@`: a password may have one itself, although it should be written as `%40` there.
_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):.*@")
#: The schemes that send passwords in clear.
_PLAIN = frozenset({"amqp", "http", "mongodb"})


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: the variable's name, its value as text without secrets, and whether it differs from the default."""

    variable: str
    value: str
    is_set: bool


def list_variables(kind: type[BaseModel], name: str) -> list[str]:
    """Return the names of the variables that set the field `name` of the settings `kind`, ours first."""
    alias = kind.model_fields[name].validation_alias
    if isinstance(alias, AliasChoices):
        return [str(choice) for choice in alias.choices]
    return [alias] if isinstance(alias, str) else [f"{_find_prefix(kind)}{name.upper()}"]


def _find_prefix(kind: type[BaseModel]) -> str:
    return str(dict(kind.model_config).get("env_prefix", ""))


def list_settings(settings: BaseModel) -> list[Setting]:
    """Return all settings in the order of their variables."""
    kind = type(settings)
    listed = (
        Setting(
            list_variables(kind, name)[0], describe_value(getattr(settings, name)), name in settings.model_fields_set
        )
        for name in kind.model_fields
    )
    return sorted(listed, key=lambda setting: setting.variable)


def describe_value(value: Any) -> str:
    """Return `value` as text. A secret is masked; of an address with a password only the password is."""
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        return _PASSWORD.sub(rf"\1:{MASK}@", text) if "://" in text else MASK if text else ""
    if isinstance(value, tuple) and any(isinstance(one, SecretStr) for one in value):
        return f"{len(value)} secrets"
    return value if isinstance(value, str) else to_json(value, fallback=str).decode()


def list_assigned(text: str) -> list[str]:
    """Return the names of the variables that the lines of a file set: `NAME=value`, with `#` before a comment."""
    return re.findall(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=", text, re.MULTILINE)


def find_unknown(variables: Iterable[str], settings: type[BaseModel]) -> list[str]:
    """Return those of `variables` that look like ours and that the service does not read."""
    known = {variable for name in settings.model_fields for variable in list_variables(settings, name)}
    return sorted({name for name in variables if name.startswith(_find_prefix(settings))} - known)


def find_faults(settings: BaseModel, unknown: Collection[str], modes: Mapping[str, int | None]) -> Iterator[str]:
    """Yield what is wrong with valid settings: the variable, the rule, the remedy.

    `modes` has the permission bits of each file that a setting names; None: there is no such file.
    """
    for name in unknown:
        yield f"{name}: the service has no such setting; check its spelling"
    for name in type(settings).model_fields:
        variable, value = list_variables(type(settings), name)[0], getattr(settings, name)
        if isinstance(value, SecretStr) and (host := _find_plain_host(value.get_secret_value())):
            yield f"{variable}: the password goes to {host} in clear; use TLS"
        mode = modes.get(variable, 0)
        if mode is None:
            yield f"{variable}: there is no such file or directory"
        elif "key_file" in name and "public" not in name and mode & 0o077:
            yield f"{variable}: other accounts can read the file (mode {mode:04o}); chmod 600"


def _find_plain_host(address: str) -> str:
    """Return the host to which `address` sends a password in clear; "" if there is none, or only this machine."""
    parts = parse_hosts(address)
    if parts.scheme not in _PLAIN or is_encrypted(address) or not parts.login:
        return ""
    hosts = [one.rpartition(":")[0] or one for one in parts.hosts]
    return next((host for host in hosts if not _is_this_machine(host)), "")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
