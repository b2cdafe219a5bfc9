"""The configuration of each way to send: its fields, which of them are secret, and how to read them. (core)

    webhook   url, PATH, http_method, headers, username, PASSWORD, disable_ssl_verification
    email     host, port, username, PASSWORD, use_tls, use_ssl, sender, recipients, timeout
    apprise   URLS                                                        secret fields in capitals

Values of headers are secret if their names say so. A password in a webhook's URL becomes its `password`. The path and
the query of many services are their password, so all behind the host becomes its `path`; people see one URL:

    given and sent to    https://hooks.example.org/services/T0/B0        stored    https://hooks.example.org/  +  PATH
    shown                https://hooks.example.org/$encrypted$
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from schemas.automation.notifications import NotificationType
from schemas.rules.secret_names import MASK
from wms.notifications.templates.configuration_fields import (
    ConfigurationReader,
    read_address,
    read_headers,
    read_host,
    read_method,
    read_port,
    read_recipients,
    read_text,
    read_timeout,
    read_url,
    read_urls,
)
from wms.trees.template_errors import FieldsRefused
from wms.trees.templates.template_fields import read_boolean

_SECRETS: Mapping[NotificationType, frozenset[str]] = {
    NotificationType.WEBHOOK: frozenset({"password", "path"}),
    NotificationType.EMAIL: frozenset({"password"}),
    NotificationType.APPRISE: frozenset({"urls"}),
}
#: The fields that say where the secrets go.
_PLACES: Mapping[NotificationType, tuple[str, ...]] = {
    NotificationType.WEBHOOK: ("url", "path"),
    NotificationType.EMAIL: ("host", "port", "use_tls", "use_ssl"),
    NotificationType.APPRISE: (),
}
_SECRET_HEADER = re.compile(r"auth|token|key|secret|cookie|password|signature", re.IGNORECASE)

Configuration = Mapping[str, Any]


def map_secrets(kind: NotificationType, configuration: Configuration, change: Callable[[str], str]) -> dict[str, Any]:
    """Return `configuration` with the result of `change` in place of each secret. An empty secret stays empty."""

    def change_value(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [change(each) for each in value]
        return change(value) if value else value

    secret = _SECRETS.get(kind, frozenset())
    changed = {name: change_value(value) if name in secret else value for name, value in configuration.items()}
    if isinstance(headers := changed.get("headers"), Mapping):
        changed["headers"] = {
            name: change(value) if _SECRET_HEADER.search(name) else value for name, value in headers.items()
        }
    return changed


def mask_configuration(kind: NotificationType, configuration: Configuration) -> dict[str, Any]:
    """Return `configuration` for people: the mask stands in place of each secret. An empty secret stays empty."""
    masked = map_secrets(kind, split_url(kind, configuration), lambda _: MASK)
    if kind is NotificationType.WEBHOOK:
        masked["url"] = join_url(masked)
        del masked["path"]
    return masked


def split_url(kind: NotificationType, configuration: Configuration) -> dict[str, Any]:
    """Return a configuration in which all behind the host of a webhook's URL stands in `path`."""
    if kind is not NotificationType.WEBHOOK or has_path(configuration):
        return dict(configuration)
    parts = urlsplit(configuration["url"])
    host = urlunsplit((parts.scheme, parts.netloc, "/", "", ""))
    rest = parts.path.removeprefix("/") + (f"?{parts.query}" if parts.query else "")
    return {**configuration, "url": host, "path": rest}


def has_path(configuration: Configuration) -> bool:
    """Return whether the URL of a webhook is split. Those from before there was `path` are not."""
    return "path" in configuration


def join_url(configuration: Configuration) -> str:
    """Return the URL of a webhook from its parts."""
    return f"{configuration['url']}{configuration.get('path', '')}"


def read_configuration(kind: NotificationType, raw: Any, kept: Configuration | None) -> dict[str, Any]:
    """Return the configuration in `raw`, a part of a request. `kept` is the template's present one (None: it is new).

    A mask in place of a secret means the secret in `kept`, if the receiver stays the same. If `kept` itself has a mask
    there, no key fits the stored secret, and the request must give a new one.

    Raises:
        FieldsRefused: fields are missing, unknown or wrong. The error has all faults together.
    """
    if not isinstance(raw, Mapping):
        raise FieldsRefused({"notification_configuration": ["must be an object"]})
    reader = ConfigurationReader(raw)
    match kind:
        case NotificationType.WEBHOOK:
            reader.read("url", read_url)
            reader.read("http_method", read_method, "POST")
            reader.read("headers", read_headers, {})
            reader.read("username", read_text, "")
            reader.read("password", read_text, "")
            reader.read("disable_ssl_verification", read_boolean, False)
        case NotificationType.EMAIL:
            reader.read("host", read_host)
            reader.read("port", read_port)
            reader.read("username", read_text, "")
            reader.read("password", read_text, "")
            reader.read("use_tls", read_boolean, False)
            reader.read("use_ssl", read_boolean, False)
            reader.read("sender", read_address)
            reader.read("recipients", read_recipients)
            reader.read("timeout", read_timeout, 30)
        case NotificationType.APPRISE:
            reader.read("urls", read_urls)
        case _:
            raise FieldsRefused({"notification_type": [f"{kind!r} is none of {', '.join(NotificationType)}"]})
    found = reader.finish()
    if kind is NotificationType.EMAIL and found["use_tls"] and found["use_ssl"]:
        raise FieldsRefused({"notification_configuration": ["use_tls and use_ssl exclude each other; choose one"]})
    if kind is NotificationType.WEBHOOK:
        found = split_url(kind, _take_password(found))
    return _unmask_secrets(kind, found, kept)


def _take_password(found: dict[str, Any]) -> dict[str, Any]:
    parts = urlsplit(found["url"])
    if parts.username is None and parts.password is None:
        return found
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return {
        **found,
        "url": bare,
        "username": found["username"] or unquote(parts.username or ""),
        "password": found["password"] or unquote(parts.password or ""),
    }


def _unmask_secrets(kind: NotificationType, found: dict[str, Any], kept: Configuration | None) -> dict[str, Any]:
    is_same_place = kept is not None and all(found[name] in (MASK, kept.get(name)) for name in _PLACES[kind])
    known: Configuration = kept if kept is not None and is_same_place else {}
    faults: list[str] = []

    def find_kept(name: str, old: Any) -> str:
        if isinstance(old, str) and old not in ("", MASK):
            return old
        shown = "url" if name == "path" else name
        faults.append(f"{shown}: {MASK} stands for no secret of this receiver; give it again")
        return ""

    # `awx import` writes an empty text in the place of each mask. With the same user it means the same password. A URL
    # keeps its host there, so it is a URL without a path.
    is_same_user = found.get("username") == known.get("username")
    for name in _SECRETS[kind]:
        old = known.get(name)
        if found[name] == MASK or (found[name] == "" and old and is_same_user and name != "path"):
            found[name] = find_kept(name, old)
        elif isinstance(found[name], list):
            old = old if isinstance(old, list | tuple) else ()
            found[name] = [
                find_kept(name, old[place] if place < len(old) else None) if each in (MASK, "") else each
                for place, each in enumerate(found[name])
            ]
    if "headers" in found:
        old = known.get("headers", {})
        found["headers"] = {
            name: find_kept(f"headers.{name}", old.get(name))
            if value == MASK or (value == "" and _SECRET_HEADER.search(name) and old.get(name))
            else value
            for name, value in found["headers"].items()
        }
    if faults:
        raise FieldsRefused({"notification_configuration": faults})
    return found


def describe_recipients(kind: NotificationType, configuration: Configuration) -> str:
    """Return for people where a notification goes, without secrets. The secrets in `configuration` must be
    decrypted.
    """
    match kind:
        case NotificationType.WEBHOOK:
            shown = split_url(kind, configuration)
            return str(shown["url"]) + ("…" if shown["path"] else "")
        case NotificationType.EMAIL:
            return ", ".join(configuration["recipients"])
        case _:
            return ", ".join(str(url).partition(":")[0] for url in configuration["urls"])
