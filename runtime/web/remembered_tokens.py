"""Remember tokens that held, until they expire or their key is withdrawn. (core)

A key is withdrawn when it leaves the issuer's set, or when its `kid` goes to another key. The set is looked at again
while tokens are in use, in the background as long as the last look is not too old:

    last look    < life        < 2 * life                   older, or never
    standing     FRESH         DUE: believe, look meanwhile OVERDUE: look first
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Claims = Mapping[str, Any]


class Standing(StrEnum):
    """How far to trust the issuer's keys that we know."""

    FRESH = "fresh"
    DUE = "due"
    OVERDUE = "overdue"


def keys_standing(*, now: float, fetched_at: float, tried_at: float, life_s: float, pause_s: float) -> Standing:
    """Return the standing of keys that were last fetched and last asked for at these times, of one clock, in seconds.

    An issuer that failed to answer is left alone for `pause_s`; meanwhile the tokens that it signed hold on.
    """
    age = now - fetched_at
    if age < life_s or now - tried_at < pause_s:
        return Standing.FRESH
    # An issuer that has just failed to answer is asked again in the background: all callers would wait for the timeout.
    return Standing.OVERDUE if now - max(fetched_at, tried_at) >= 2 * life_s else Standing.DUE


@dataclass(frozen=True, slots=True)
class _RememberedToken:
    kid: str
    key: object
    claims: Claims


class RememberedTokens:
    """The claims of the newest tokens, at most `limit` of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[str, _RememberedToken] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def find_claims(self, token: str, *, now: float) -> Claims | None:
        """Return the claims of `token` if it held and has not expired at `now`, in seconds of the epoch."""
        held = self._held.get(token)
        if held is None:
            return None
        if held.claims["exp"] > now:
            return held.claims
        del self._held[token]
        return None

    def add_token(self, token: str, claims: Claims, *, kid: str, key: object) -> None:
        """Remember that `token`, signed with `key`, held."""
        self._held[token] = _RememberedToken(kid, key, claims)
        if len(self._held) > self._limit:
            self._held.popitem(last=False)

    def keep_signed_with(self, keys: Mapping[str, object], *, issuer: str) -> int:
        """Forget tokens that were not signed with one of `keys`, by `kid`, for `issuer`. Return how many."""
        gone = [
            token
            for token, held in self._held.items()
            if keys.get(held.kid) != held.key or held.claims["iss"] != issuer
        ]
        for token in gone:
            del self._held[token]
        return len(gone)
