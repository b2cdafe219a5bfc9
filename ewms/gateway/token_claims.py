"""Read the claims of a token: whether the server will refuse it, and when to renew it.

The client does not verify the token; only its server can.
"""

from datetime import UTC, datetime

from ewms.errors import NotSignedIn
from schemas.broker.token_claims import read_claims


def renewal_due_at(token: str, *, now_s: float) -> float | None:
    """Return when (seconds since 1970) to renew `token`: after 45 % of its life. Return None if it never expires.

    If `token` does not say when it was issued, treat it as new.
    """
    claims = read_claims(token)
    expires = claims.get("exp")
    if not isinstance(expires, int | float):
        return None
    issued = claims.get("iat")
    begin = float(issued) if isinstance(issued, int | float) and issued < expires else now_s
    # A little before half of its life, so that "renewed by half-time" holds.
    return begin + (expires - begin) * 0.45


def find_token_fault(token: str, *, now_s: float) -> NotSignedIn | None:
    """Return why a server refuses `token`, if the token itself shows the reason. Return None if it does not."""
    if not token:
        return NotSignedIn("no token is given")
    claims = read_claims(token)
    if not claims:
        return NotSignedIn("the server does not accept the token: it is not a JSON Web Token (three parts with dots)")
    expires = claims.get("exp")
    if isinstance(expires, int | float) and expires <= now_s:
        at = datetime.fromtimestamp(expires, UTC)
        return NotSignedIn(f"the token expired at {at:%Y-%m-%d %H:%M:%S} UTC", hint="get a new one from its issuer")
    return None


def expires_within(token: str, seconds: float, *, now_s: float) -> bool:
    """Return whether `token` has expired or expires within `seconds`. A token without an expiry never does."""
    expires = read_claims(token).get("exp")
    return isinstance(expires, int | float) and expires <= now_s + seconds
