"""Read the fields of a notification's configuration, and name what is wrong with them. (core)"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from schemas.errors import Rejected
from schemas.rules.secret_names import MASK
from wms.trees.template_errors import FieldsRefused

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_MAX_TEXT = 2048
_MAX_MANY = 100
#: The longest time for one step of a mail; a send as a whole has the same limit by default.
_MAX_TIMEOUT_S = 30
#: Headers that HTTP or WMS itself sets.
_OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "content-type"})


class ConfigurationReader:
    """Reads the fields of one configuration, and collects all faults."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw
        self._found: dict[str, Any] = {}
        self._faults: list[str] = []
        self._known: list[str] = []

    def read(self, name: str, convert: Callable[[Any], Any], default: Any = None) -> None:
        """Read the field `name` by `convert`, which raises Rejected. A field without a default is required."""
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
        """Return all fields that were read.

        Raises:
            FieldsRefused: a field is wrong, missing or unknown.
        """
        known = ", ".join(self._known)
        unknown = [str(name)[:100] for name in self._raw if name not in self._known]
        self._faults += [f"{name}: there is no such field; there are {known}" for name in unknown]
        if self._faults:
            raise FieldsRefused({"notification_configuration": self._faults})
        return self._found


def read_text(raw: Any) -> str:
    """Return one line of text.

    Raises:
        Rejected: `raw` is none; the reason does not name the field.
    """
    if not isinstance(raw, str) or len(raw) > _MAX_TEXT or not all(each.isprintable() for each in raw):
        raise Rejected(f"must be one line of text, of at most {_MAX_TEXT} characters")
    return raw


def _read_full_text(raw: Any) -> str:
    text = read_text(raw).strip()
    if not text:
        raise Rejected("This field may not be blank.")
    return text


def read_url(raw: Any) -> str:
    """Return the address of a webhook.

    Raises:
        Rejected: `raw` is none; the reason does not name the field.
    """
    text = _read_full_text(raw)
    try:
        parts = urlsplit(text)
        is_fine = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_fine = False
    if not is_fine:
        raise Rejected("must be an address such as https://example.org/hook")
    return text


def read_host(raw: Any) -> str:
    """Return the name or the IP address of a mail server.

    Raises:
        Rejected: `raw` is none; the reason does not name the field.
    """
    text = _read_full_text(raw)
    if re.search(r"[\s/@]", text):
        raise Rejected("must be the name or the IP address of a mail server")
    return text


def read_port(raw: Any) -> int:
    """Return a port.

    Raises:
        Rejected: `raw` is none; the reason does not name the field.
    """
    if isinstance(raw, bool) or not isinstance(raw, int) or not 0 < raw < 65_536:
        raise Rejected("must be a whole number from 1 to 65535")
    return raw


def read_timeout(raw: Any) -> int:
    """Return a number of seconds.

    Raises:
        Rejected: `raw` is none; the reason does not name the field.
    """
    if isinstance(raw, bool) or not isinstance(raw, int) or not 1 <= raw <= _MAX_TIMEOUT_S:
        raise Rejected(f"must be a whole number of seconds from 1 to {_MAX_TIMEOUT_S}")
    return raw


def read_method(raw: Any) -> str:
    """Return the method of a webhook's request.

    Raises:
        Rejected: `raw` is none; the reason does not name the field.
    """
    if raw not in ("POST", "PUT"):
        raise Rejected("must be POST or PUT")
    return str(raw)


def read_headers(raw: Any) -> dict[str, str]:
    """Return the headers of a webhook's request, by name.

    Raises:
        Rejected: `raw` is none; the reason does not name the field.
    """
    if not isinstance(raw, Mapping) or len(raw) > _MAX_MANY:
        raise Rejected(f"must be an object of at most {_MAX_MANY} headers")
    for name in raw:
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise Rejected(f"{str(name)[:100]!r} is no name of a header")
        if name.lower() in _OWN_HEADERS:
            raise Rejected(f"{name} is set by EWMS itself; leave it out")
        if isinstance(raw[name], str) and not raw[name].isascii():
            raise Rejected(f"the value of {name} must have only ASCII characters")
    return {name: read_text(value) for name, value in raw.items()}


def read_address(raw: Any) -> str:
    """Return a mail address.

    Raises:
        Rejected: `raw` is none; the reason does not name the field.
    """
    text = _read_full_text(raw)
    if not re.fullmatch(r"[^\s@,;<>]+@[^\s@,;<>]+", text):
        raise Rejected(f"{text!r} is no mail address")
    return text


def read_recipients(raw: Any) -> list[str]:
    """Return a list of mail addresses.

    Raises:
        Rejected: `raw` is none; the reason does not name the field.
    """
    if not isinstance(raw, list) or not 0 < len(raw) <= _MAX_MANY:
        raise Rejected(f"must be a list of 1 to {_MAX_MANY} mail addresses")
    return [read_address(each) for each in raw]


def read_urls(raw: Any) -> list[str]:
    """Return a list of apprise's addresses.

    Raises:
        Rejected: `raw` is none; the reason does not name the field.
    """
    if not isinstance(raw, list) or not 0 < len(raw) <= _MAX_MANY:
        raise Rejected(f"must be a list of 1 to {_MAX_MANY} addresses of apprise")
    for number, each in enumerate(raw, 1):
        if not isinstance(each, str) or (each not in (MASK, "") and not re.match(r"[A-Za-z0-9]{2,32}://", each)):
            # Do not repeat it: it has a token in it.
            raise Rejected(f"number {number} is no address of apprise, such as slack://token/channel")
    return [read_text(each).strip() for each in raw]
