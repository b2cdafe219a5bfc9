"""Find the server and the user's token: in arguments, then the environment, then `.ewms/endpoints.json`.

EWMS_GATEWAY            the gateway's address: http://host:port
EWMS_TOKEN              the token itself
EWMS_TOKEN_FILE         a file that holds the token; the client reads it again at each use, so it may be rewritten
EWMS_CLUSTER            the place for tasks that name none
EWMS_ISSUER             the OpenID issuer for `ewms login`
login/<gateway>.json    written by `ewms login`, see `ewms.gateway.saved_logins`
.ewms/endpoints.json    written by `ewms up`, which also renews the token in it; looked for in the current directory
                        and its parents
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
from ewms.gateway.saved_logins import Login, load_login, load_newest_login
from schemas.errors import Rejected

_ENDPOINTS = Path(".ewms") / "endpoints.json"

#: We read no more than this of a token file or an endpoints file; real ones are shorter.
_MAX_FILE_CHARACTERS = 256 * 1024


@dataclass(frozen=True, slots=True)
class Server:
    """A gateway's address, and the token or login that the client sends there."""

    gateway: str
    clusters: tuple[str, ...] = ()
    _token: str = field(default="", repr=False)
    _token_file: Path | None = None
    #: The endpoints file that the token came from. We read it again: `ewms up` writes a new token before one expires.
    _endpoints_file: Path | None = None
    #: The login that `ewms login` saved for this gateway.
    login: Login | None = None
    #: Where the token comes from, in words.
    token_source: str = ""

    @property
    def is_here(self) -> bool:
        """Whether the gateway's address is on this machine's loopback."""
        return is_loopback(self.gateway)

    def read_token(self) -> str:
        """Return the token to send now.

        If there is no token and the gateway is on this machine's loopback, return "": such a gateway may need none.

        Raises:
            NotSignedIn: there is no token, its file cannot be read, or it has characters that no token may have.
        """
        token = self._token or (self.login.access_token if self.login else "")
        if self._endpoints_file is not None:
            renewed = _read_endpoints(self._endpoints_file)
            # By now the file may belong to another launch, with another gateway.
            if str(renewed.get("gateway", "")).rstrip("/") == self.gateway:
                token = str(renewed.get("token", ""))
        if self._token_file is not None:
            try:
                token = _read_bounded(self._token_file).strip()
            except OSError as error:
                raise NotSignedIn(f"cannot read the token file {self._token_file}: {error.strerror}") from error
            except UnicodeDecodeError as error:
                raise NotSignedIn(f"the token file {self._token_file} is not text") from error
        elif not token and self.is_here:
            return ""
        if not token:
            raise NotSignedIn("no token is given")
        # A header cannot hold a line end or a letter beyond ASCII, and the library's error would quote the token.
        if not token.isascii() or any(c.isspace() or not c.isprintable() for c in token):
            raise NotSignedIn("the token has characters that no token may have")
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
    """Find the server in the arguments, then in the environment, then in the endpoints file of `directory` or of a
    parent.

    `environment` is `os.environ` by default, `directory` the current directory. The token in an endpoints file goes
    only to the gateway in the same file.

    Raises:
        Rejected: no gateway is named, or its address is malformed.
    """
    env = os.environ if environment is None else environment
    endpoints_file, endpoints = _find_endpoints(Path.cwd() if directory is None else directory)
    address = gateway or env.get("EWMS_GATEWAY") or str(endpoints.get("gateway", ""))
    if not address and (newest := load_newest_login(env)) is not None:
        address = newest.gateway
    if not address:
        raise Rejected(
            "no server is known", hint="start one here with `ewms up`, or name one: --server or EWMS_GATEWAY"
        )
    address = _check_address(address)
    token, file, source = _find_credentials(token, token_file, env)
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


def find_issuer(environment: Mapping[str, str] | None = None, *, directory: Path | None = None) -> str:
    """Return the OpenID issuer from the environment, or from the endpoints file. Return "" if neither names one."""
    env = os.environ if environment is None else environment
    _, endpoints = _find_endpoints(Path.cwd() if directory is None else directory)
    return env.get("EWMS_ISSUER") or str(endpoints.get("issuer", ""))


def find_pool_address(pool: str, environment: Mapping[str, str] | None = None, *, directory: Path | None = None) -> str:
    """Return the broker's address for step workers of `pool`: from EWMS_CONTROL_AMQP_URL, or from the endpoints file.

    Raises:
        Rejected: neither names an address.
    """
    env = os.environ if environment is None else environment
    _, endpoints = _find_endpoints(Path.cwd() if directory is None else directory)
    pools = endpoints.get("pools")
    address = env.get("EWMS_CONTROL_AMQP_URL") or (pools.get(pool) if isinstance(pools, dict) else None)
    if not address:
        raise Rejected(
            f"no broker is known for the pool {pool!r}",
            hint="set EWMS_CONTROL_AMQP_URL to the broker's address with the pool's own user, or run `make up`",
        )
    return str(address)


def _find_credentials(
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


def _check_address(address: str) -> str:
    try:
        parts = urlsplit(address)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid:
        raise Rejected(f"not a server address: {address!r}", hint="write it like http://127.0.0.1:8080")
    return address.rstrip("/")


def _read_bounded(path: Path) -> str:
    # /dev/zero has no end.
    with path.open() as file:
        return file.read(_MAX_FILE_CHARACTERS)


def _find_endpoints(directory: Path) -> tuple[Path | None, dict[str, Any]]:
    for folder in (directory, *directory.parents):
        path = folder / _ENDPOINTS
        if content := _read_endpoints(path):
            return path, content
    return None, {}


def _read_endpoints(path: Path) -> dict[str, Any]:
    """Return the content of the endpoints file `path`. Return {} if this user owns no such file, or cannot read it."""
    try:
        # Do not trust another user's file: in a parent directory that all may write, it could name a false server.
        if path.stat().st_uid != os.getuid():
            return {}
        content = json.loads(_read_bounded(path))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
