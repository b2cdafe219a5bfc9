"""Read the broker token from a file that only its owner can read, and decide when to read the file again.

TMS replaces the file. The pilot reads it again at half of the token's life, and then at intervals. From a token the
pilot reads only the times. The broker checks the signature.
"""

import base64
import json
from dataclasses import dataclass

from pilot.errors import TokenUnusable
from pilot.events.private_files import read_private_file

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
        content = read_private_file(
            self.path,
            named="EWMS_PILOT_TOKEN_FILE names",
            remedy="let the job transfer the token file, or set EWMS_PILOT_QUEUE_INCOMING_AUTH_TOKEN",
            refusal=TokenUnusable,
            max_bytes=_MAX_BYTES,
        )
        token = content.decode(errors="replace").strip()
        if not token or not token.isprintable():
            raise TokenUnusable(
                f"EWMS_PILOT_TOKEN_FILE names {self.path!r}, which holds no token; write the token into it, on one line"
            )
        return token
