"""Read the broker token from a file that only its owner can read, and decide when to read the file again.

TMS replaces the file. The pilot reads it again at half of the token's life, and then at intervals. From a token the
pilot reads only the times. The broker checks the signature.
"""

import base64
import json
import os
import stat
from dataclasses import dataclass

from pilot.errors import TokenUnusable

#: The shortest and the longest wait until the pilot reads the file again.
_SOONEST_S, _LATEST_S = 1.0, 60.0
#: The longest wait after half of the token's life is over.
_LATE_S = 5.0

_MAX_BYTES = 64 * 1024


def half_life_at(token: str) -> float | None:
    """Return the Unix time at which half of the token's life is over. Return None if the token has no times. (core)"""
    life = _read_life(token)
    return None if life is None else sum(life) / 2


def is_expired(token: str, now: float) -> bool:
    """Return whether the token has expired; False if the token has no times. (core)"""
    life = _read_life(token)
    return life is not None and life[1] <= now


def _read_life(token: str) -> tuple[float, float] | None:
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        expires = float(claims["exp"])
        issued = float(claims.get("iat", claims.get("nbf", expires)))
    except (IndexError, KeyError, TypeError, ValueError, AttributeError):
        return None
    return issued, expires


def look_again_in_s(token: str, now: float) -> float:
    """Return how many seconds to wait until the pilot reads the file again. (core)

    In the first half of the token's life a new token is not urgent. In the second half the pilot depends on the new
    token.
    """
    life = _read_life(token)
    if life is None:
        return _LATEST_S
    issued, expires = life
    half_at = (issued + expires) / 2
    if now < half_at:
        return max(_SOONEST_S, min(_LATEST_S, half_at - now))
    # TMS also asks for the next token at half of the life, so the first look may come too soon. A quarter of the rest
    # leaves time for several looks, even if the life is short.
    return max(_SOONEST_S, min(_LATE_S, (expires - half_at) / 4))


@dataclass(frozen=True, slots=True)
class TokenFile:
    """A file that contains a token. TMS exchanges the file at once, so every read returns a whole token."""

    path: str

    def read_token(self) -> str:
        """Return the token in the file.

        Raises:
            TokenUnusable: the file is missing, not regular, readable by others, owned by another account, or has no
                token.
        """
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise TokenUnusable(
                f"EWMS_PILOT_TOKEN_FILE names {self.path!r}, which cannot be opened: {error.strerror}; "
                "let the job transfer the token file, or set EWMS_PILOT_QUEUE_INCOMING_AUTH_TOKEN"
            ) from error
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise TokenUnusable(f"EWMS_PILOT_TOKEN_FILE names {self.path!r}, which is not a regular file; name one")
            if status.st_mode & 0o077:
                raise TokenUnusable(
                    f"EWMS_PILOT_TOKEN_FILE names {self.path!r}, which others can read "
                    f"(mode {stat.S_IMODE(status.st_mode):04o}); it must be 0600: chmod 600 it and renew the token"
                )
            if status.st_uid not in {os.geteuid(), 0}:
                raise TokenUnusable(
                    f"EWMS_PILOT_TOKEN_FILE names {self.path!r}, which belongs to another account; "
                    "the pilot's own account must own it"
                )
            token = os.read(fd, _MAX_BYTES).decode(errors="replace").strip()
        finally:
            os.close(fd)
        if not token or not token.isprintable():
            raise TokenUnusable(
                f"EWMS_PILOT_TOKEN_FILE names {self.path!r}, which holds no token; write the token into it, on one line"
            )
        return token
