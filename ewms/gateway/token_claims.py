"""What a token says of itself: how long it lives, how events lie in its queue. Only its server can verify it."""

import base64
import json
from datetime import UTC, datetime

from ewms.errors import NotSignedIn
from schemas.payloads.legacy_wire import WIRE_CLAIM, Wire


def renew_at(token: str, *, now_s: float) -> float | None:
    """Return when (epoch seconds) to ask for a successor of `token`: before half of its life; None if it tells no end.

    A token that does not say when it was issued is taken to be new.
    """
    claims = token_claims(token)
    expires = claims.get("exp")
    if not isinstance(expires, int | float):
        return None
    issued = claims.get("iat")
    begin = float(issued) if isinstance(issued, int | float) and issued < expires else now_s
    # A little before the half: whoever counts on "renewed by half-time" may do so.
    return begin + (expires - begin) * 0.45


def unaccepted(token: str, *, now_s: float) -> NotSignedIn | None:
    """Return why a server refuses `token`, as far as that shows in it; None if it does not."""
    if not token:
        return NotSignedIn("no token is given")
    claims = token_claims(token)
    if not claims:
        return NotSignedIn("the server does not accept the token, which is no JSON Web Token (three parts with dots)")
    expires = claims.get("exp")
    if isinstance(expires, int | float) and expires <= now_s:
        at = datetime.fromtimestamp(expires, UTC)
        return NotSignedIn(f"the token expired at {at:%Y-%m-%d %H:%M:%S} UTC", hint="get a new one from its issuer")
    return None


def expires_within(token: str, seconds: float, *, now_s: float) -> bool:
    """Say whether `token` has expired, or will within `seconds`. One that tells no end does not."""
    expires = token_claims(token).get("exp")
    return isinstance(expires, int | float) and expires <= now_s + seconds


def wire_of(token: str) -> Wire:
    """Return the format in which the queue that `token` opens wants its events."""
    return Wire.LEGACY if token_claims(token).get(WIRE_CLAIM) == Wire.LEGACY else Wire.EWMS


def token_claims(token: str) -> dict[str, object]:
    """Return what `token` says of itself; nothing if it is no JSON Web Token."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}
