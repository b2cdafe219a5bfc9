"""Read what a token says, without a check of its signature. (core)

A holder of a token learns from it what its server would do. Only the server can verify the token.
"""

import base64
import json

from schemas.broker.queue_format import WIRE_CLAIM, Wire


def read_claims(token: str) -> dict[str, object]:
    """Return the claims of `token`, unverified. Return {} if it is not a JSON Web Token."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


def read_wire(token: str) -> Wire:
    """Return the format in which events are in the queue that `token` opens: EWMS's own, or that of existing message
    clients.
    """
    return Wire.LEGACY if read_claims(token).get(WIRE_CLAIM) == Wire.LEGACY else Wire.EWMS
