"""Where the server is and who the user is: arguments first, then the environment, then `.ewms/endpoints.json`.

EWMS_GATEWAY            http://host:port
EWMS_TOKEN              the token itself
EWMS_TOKEN_FILE         a file that holds it, read again whenever it is used, so that it may be rewritten
EWMS_CLUSTER            where tasks run that name no cluster
EWMS_ISSUER             where `ewms login` logs in
login/<gateway>.json    written by `ewms login`, see `ewms.gateway.saved_logins`
.ewms/endpoints.json    written by `ewms up`, which renews its token; looked for in the current directory and above
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ewms.errors import NotSignedIn
from ewms.gateway.reach import is_loopback
from ewms.gateway.saved_logins import Login, load_login, newest_login
from schemas.errors import Rejected

_ENDPOINTS = Path(".ewms") / "endpoints.json"

#: Longer than any token, and than any endpoints file.
_MAX_FILE_CHARACTERS = 256 * 1024


@dataclass(frozen=True, slots=True)
class Server:
    """A gateway and the means to be known there."""

    gateway: str
    clusters: tuple[str, ...] = ()
    _token: str = field(default="", repr=False)
    _token_file: Path | None = None
    #: The endpoints file that the token came from, which is read again: `ewms up` writes a new token before it expires.
    _endpoints_file: Path | None = None
    #: What `ewms login` keeps for this gateway.
    login: Login | None = None
    #: Where the token comes from, in words.
    token_source: str = ""

    @property
    def is_here(self) -> bool:
        """Whether the gateway is on this machine's own loopback."""
        return is_loopback(self.gateway)

    def token(self) -> str:
        """Return the token to show now; "" where none is given to a gateway of this machine, which may need none.

        Raises:
            NotSignedIn: there is none.
        """
        token = self._token or (self.login.access_token if self.login else "")
        if self._endpoints_file is not None:
            renewed = _read_endpoints(self._endpoints_file)
            # Another launch may have its file there by now.
            if str(renewed.get("gateway", "")).rstrip("/") == self.gateway:
                token = str(renewed.get("token", ""))
        if self._token_file is not None:
            try:
                token = _bounded_text(self._token_file).strip()
            except OSError as error:
                raise NotSignedIn(f"cannot read the token file {self._token_file}: {error.strerror}") from error
            except UnicodeDecodeError as error:
                raise NotSignedIn(f"the token file {self._token_file} is no text") from error
        elif not token and self.is_here:
            return ""
        if not token:
            raise NotSignedIn("no token is given")
        # A header with a line end or a letter beyond ASCII cannot be sent, and the library's error would quote it.
        if not token.isascii() or any(c.isspace() or not c.isprintable() for c in token):
            raise NotSignedIn("the token holds characters that no token has")
        return token


def find_server(
    gateway: str | None = None,
    *,
    token: str | None = None,
    token_file: str | Path | None = None,
    cluster: str | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Server:
    """Return the server that the arguments, the environment and the endpoints file name together.

    The endpoints file's token is shown only to the endpoints file's gateway.

    Raises:
        Rejected: no gateway is named, or its address is none.
    """
    env = os.environ if environment is None else environment
    endpoints_file, endpoints = _endpoints(Path.cwd() if directory is None else directory)
    address = gateway or env.get("EWMS_GATEWAY") or str(endpoints.get("gateway", ""))
    if not address and (newest := newest_login(env)) is not None:
        address = newest.gateway
    if not address:
        raise Rejected(
            "no server is known", hint="start one here with `ewms up`, or name one: --server or EWMS_GATEWAY"
        )
    address = _checked(address)
    token, file, source = _credentials(token, token_file, env)
    login = load_login(address, env) if not source else None
    if login is not None:
        source = "ewms login"
    elif not source and address == str(endpoints.get("gateway", "")).rstrip("/"):
        token = str(endpoints.get("token", ""))
        source = "the endpoints file" if token else ""
    if source != "the endpoints file":
        endpoints_file = None
    chosen = cluster or env.get("EWMS_CLUSTER") or str(endpoints.get("cluster", ""))
    return Server(address, (chosen,) if chosen else (), token or "", file, endpoints_file, login, source)


def known_issuer(environment: Mapping[str, str] | None = None, *, directory: Path | None = None) -> str:
    """Return the OpenID issuer that the environment or the endpoints file names, "" if none does."""
    env = os.environ if environment is None else environment
    _, endpoints = _endpoints(Path.cwd() if directory is None else directory)
    return env.get("EWMS_ISSUER") or str(endpoints.get("issuer", ""))


def _credentials(
    token: str | None, token_file: str | Path | None, env: Mapping[str, str]
) -> tuple[str | None, Path | None, str]:
    if token:
        return token, None, "an argument"
    if token_file:
        return None, Path(str(token_file)), f"the file {token_file}"
    if env.get("EWMS_TOKEN"):
        return env["EWMS_TOKEN"], None, "EWMS_TOKEN"
    if file := env.get("EWMS_TOKEN_FILE"):
        return None, Path(file), f"EWMS_TOKEN_FILE ({file})"
    return None, None, ""


def _checked(address: str) -> str:
    try:
        parts = urlsplit(address)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid:
        raise Rejected(f"not a server address: {address!r}", hint="write it like http://127.0.0.1:8080")
    return address.rstrip("/")


def _bounded_text(path: Path) -> str:
    # /dev/zero has no end.
    with path.open() as file:
        return file.read(_MAX_FILE_CHARACTERS)


def _endpoints(directory: Path) -> tuple[Path | None, dict[str, Any]]:
    for folder in (directory, *directory.parents):
        path = folder / _ENDPOINTS
        if content := _read_endpoints(path):
            return path, content
    return None, {}


def _read_endpoints(path: Path) -> dict[str, Any]:
    """Return what is in an endpoints file of ours; nothing if there is none."""
    try:
        # Another user's file, in a folder above that all may write, could send us and our events elsewhere.
        if path.stat().st_uid != os.getuid():
            return {}
        content = json.loads(_bounded_text(path))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
