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

from schemas.errors import Rejected
from schemas.notifications import NotificationType
from wms.engine.life.variables import MASK
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
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_MAX_TEXT = 2048
_MAX_MANY = 100
#: The longest time for one step of a mail; a send as a whole has the same limit by default.
_MAX_TIMEOUT_S = 30
#: Headers that HTTP or WMS itself sets.
_OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "content-type"})

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
    reader = _Reader(raw)
    match kind:
        case NotificationType.WEBHOOK:
            reader.read("url", _read_url)
            reader.read("http_method", _read_method, "POST")
            reader.read("headers", _read_headers, {})
            reader.read("username", _read_text, "")
            reader.read("password", _read_text, "")
            reader.read("disable_ssl_verification", read_boolean, False)
        case NotificationType.EMAIL:
            reader.read("host", _read_host)
            reader.read("port", _read_port)
            reader.read("username", _read_text, "")
            reader.read("password", _read_text, "")
            reader.read("use_tls", read_boolean, False)
            reader.read("use_ssl", read_boolean, False)
            reader.read("sender", _read_address)
            reader.read("recipients", _read_recipients)
            reader.read("timeout", _read_timeout, 30)
        case NotificationType.APPRISE:
            reader.read("urls", _read_urls)
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


class _Reader:
    """Reads the fields of one configuration, and collects all faults."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw
        self._found: dict[str, Any] = {}
        self._faults: list[str] = []
        self._known: list[str] = []

    def read(self, name: str, convert: Callable[[Any], Any], default: Any = None) -> None:
        value = self._raw.get(name)
        self._known.append(name)
        if value is None:
            self._found[name] = default
            if default is None:
                self._faults.append(f"{name}: This field is required.")
            return
        try:
            self._found[name] = convert(value)
        except Rejected as fault:
            self._faults.append(f"{name}: {fault.reason}")

    def finish(self) -> dict[str, Any]:
        known = ", ".join(self._known)
        unknown = [str(name)[:100] for name in self._raw if name not in self._known]
        self._faults += [f"{name}: there is no such field; there are {known}" for name in unknown]
        if self._faults:
            raise FieldsRefused({"notification_configuration": self._faults})
        return self._found


def _read_text(raw: Any) -> str:
    if not isinstance(raw, str) or len(raw) > _MAX_TEXT or not all(each.isprintable() for each in raw):
        raise Rejected(f"must be one line of text, of at most {_MAX_TEXT} characters")
    return raw


def _read_full_text(raw: Any) -> str:
    text = _read_text(raw).strip()
    if not text:
        raise Rejected("This field may not be blank.")
    return text


def _read_url(raw: Any) -> str:
    text = _read_full_text(raw)
    try:
        parts = urlsplit(text)
        is_fine = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_fine = False
    if not is_fine:
        raise Rejected("must be an address such as https://example.org/hook")
    return text


def _read_host(raw: Any) -> str:
    text = _read_full_text(raw)
    if re.search(r"[\s/@]", text):
        raise Rejected("must be the name or the IP address of a mail server")
    return text


def _read_port(raw: Any) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int) or not 0 < raw < 65_536:
        raise Rejected("must be a whole number from 1 to 65535")
    return raw


def _read_timeout(raw: Any) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int) or not 1 <= raw <= _MAX_TIMEOUT_S:
        raise Rejected(f"must be a whole number of seconds from 1 to {_MAX_TIMEOUT_S}")
    return raw


def _read_method(raw: Any) -> str:
    if raw not in ("POST", "PUT"):
        raise Rejected("must be POST or PUT")
    return str(raw)


def _read_headers(raw: Any) -> dict[str, str]:
    if not isinstance(raw, Mapping) or len(raw) > _MAX_MANY:
        raise Rejected(f"must be an object of at most {_MAX_MANY} headers")
    for name in raw:
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise Rejected(f"{str(name)[:100]!r} is no name of a header")
        if name.lower() in _OWN_HEADERS:
            raise Rejected(f"{name} is set by EWMS itself; leave it out")
        if isinstance(raw[name], str) and not raw[name].isascii():
            raise Rejected(f"the value of {name} must have only ASCII characters")
    return {name: _read_text(value) for name, value in raw.items()}


def _read_address(raw: Any) -> str:
    text = _read_full_text(raw)
    if not re.fullmatch(r"[^\s@,;<>]+@[^\s@,;<>]+", text):
        raise Rejected(f"{text!r} is no mail address")
    return text


def _read_recipients(raw: Any) -> list[str]:
    if not isinstance(raw, list) or not 0 < len(raw) <= _MAX_MANY:
        raise Rejected(f"must be a list of 1 to {_MAX_MANY} mail addresses")
    return [_read_address(each) for each in raw]


def _read_urls(raw: Any) -> list[str]:
    if not isinstance(raw, list) or not 0 < len(raw) <= _MAX_MANY:
        raise Rejected(f"must be a list of 1 to {_MAX_MANY} addresses of apprise")
    for number, each in enumerate(raw, 1):
        if not isinstance(each, str) or (each not in (MASK, "") and not re.match(r"[A-Za-z0-9]{2,32}://", each)):
            # Do not repeat it: it has a token in it.
            raise Rejected(f"number {number} is no address of apprise, such as slack://token/channel")
    return [_read_text(each).strip() for each in raw]
