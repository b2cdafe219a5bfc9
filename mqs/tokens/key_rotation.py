"""Decide which public keys stay listed when the signing key changes. (core)

A token may outlive the key that signed it. So the broker must find the old key until the key's last token has expired.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from runtime.kernel.decision import Change, Decision, Insert, Update
from schemas.fleet.queue_documents import MQ_KEYS, KeyDocument

Recorded = Mapping[str, KeyDocument]


def parse_keys(documents: list[dict[str, Any]]) -> Recorded:
    """Return the stored keys by their `kid`."""
    return {document["_id"]: KeyDocument.model_validate(document) for document in documents}


def is_signing(keys: Recorded, kid: str) -> bool:
    """Return whether `kid` is recorded as the key that signs."""
    return kid in keys and keys[kid].expires_at is None


def rotate_key(keys: Recorded, kid: str, jwk: Mapping[str, str], *, now: datetime, life: timedelta) -> Decision:
    """Return the decision that makes `kid` the signing key. Earlier keys stay listed for `life`, until their last
    tokens expire.
    """
    changes: list[Change] = [
        Update(MQ_KEYS, former, set={"expires_at": now + life})
        for former, key in keys.items()
        if key.expires_at is None and former != kid
    ]
    if kid not in keys:
        changes.append(Insert(MQ_KEYS, {"_id": kid, "jwk": dict(jwk), "expires_at": None}))
    elif keys[kid].expires_at is not None:
        changes.append(Update(MQ_KEYS, kid, set={"expires_at": None}))
    return Decision(tuple(changes))


def jwks_document(keys: Recorded, now: datetime) -> dict[str, list[dict[str, str]]]:
    """Return the JWKS document: every key that may have signed a token that is still valid."""
    return {"keys": [key.jwk for key in keys.values() if key.expires_at is None or key.expires_at > now]}
