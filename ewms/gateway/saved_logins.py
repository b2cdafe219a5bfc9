"""Save and load logins: one file for each gateway, which `ewms login` writes. Only its owner can read it.

$EWMS_STATE_DIR or $XDG_STATE_HOME/ewms or ~/.local/state/ewms       directories 0700
  login/<gateway>.json                                               0600: tokens, and where to renew them
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ewms.state_directory import state_directory

#: We read no more than this of a file; ours are all shorter.
_MAX_CHARACTERS = 256 * 1024


@dataclass(frozen=True, slots=True)
class Login:
    """A login that `ewms login` saves for one gateway. If `token_endpoint` is empty, the token cannot be renewed."""

    gateway: str
    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    token_endpoint: str = ""
    client_id: str = ""


def login_file(gateway: str, environment: Mapping[str, str]) -> Path:
    """Return the path of the file for the login for `gateway`."""
    name = hashlib.blake2b(gateway.encode(errors="surrogatepass"), digest_size=16).hexdigest()
    return _login_directory(environment) / f"{name}.json"


def load_login(gateway: str, environment: Mapping[str, str]) -> Login | None:
    """Return the saved login for `gateway`. Return None if there is none, or if its file cannot be read."""
    login = _read_login(login_file(gateway, environment))
    return login if login is not None and login.gateway == gateway else None


def load_newest_login(environment: Mapping[str, str]) -> Login | None:
    """Return the login that was saved last, for any gateway. Return None if there is none."""
    dated: list[tuple[float, Path]] = []
    with suppress(OSError):
        dated = [(path.stat().st_mtime, path) for path in _login_directory(environment).glob("*.json")]
    for _, path in sorted(dated, reverse=True):
        if (login := _read_login(path)) is not None:
            return login
    return None


def save_login(login: Login, environment: Mapping[str, str]) -> Path:
    """Save `login` in its file, and return the path. From the first moment on, only its owner can read the file.

    Raises:
        OSError: the file cannot be written.
    """
    path = login_file(login.gateway, environment)
    path.parent.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.parent.mkdir(exist_ok=True, mode=0o700)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(login), file)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return path


def forget_login(gateway: str, environment: Mapping[str, str]) -> bool:
    """Delete the saved login for `gateway`. Return whether there was one."""
    try:
        login_file(gateway, environment).unlink()
    except FileNotFoundError:
        return False
    return True


def _login_directory(environment: Mapping[str, str]) -> Path:
    return state_directory(environment) / "login"


def _read_login(path: Path) -> Login | None:
    try:
        # Do not trust another user's file: it could make us send our token to another server.
        if path.stat().st_uid != os.getuid():
            return None
        with path.open() as file:
            content: Any = json.loads(file.read(_MAX_CHARACTERS))
        texts = {name: str(content[name]) for name in Login.__dataclass_fields__ if name in content}
        return Login(**texts)
    except (OSError, ValueError, TypeError):
        return None
