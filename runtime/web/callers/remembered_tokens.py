"""Remember valid tokens until they expire or the issuer withdraws their key. (core)

The issuer withdraws a key when it removes the key from its set, or gives the key's `kid` to another key. While tokens
are in use we fetch the set again, in the background as long as the last fetch is not too old:

    last fetch   < life        < 2 * life                       older, or never
    standing     FRESH         DUE: trust, fetch in background  OVERDUE: fetch first
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Claims = Mapping[str, Any]


class Standing(StrEnum):
    """Whether we may use the known keys of the issuer, and whether we must fetch the keys again."""

    FRESH = "fresh"
    DUE = "due"
    OVERDUE = "overdue"


def judge_keys(*, now: float, fetched_at: float, tried_at: float, life_s: float, pause_s: float) -> Standing:
    """Return the standing of the keys. `now`, `fetched_at` and `tried_at` are seconds of one clock.

    After a failed try we do not ask the issuer for `pause_s` seconds. Its tokens stay valid meanwhile.
    """
    age = now - fetched_at
    if age < life_s or now - tried_at < pause_s:
        return Standing.FRESH
    # If the issuer has just failed to answer, ask it in the background: all callers would wait for the timeout.
    return Standing.OVERDUE if now - max(fetched_at, tried_at) >= 2 * life_s else Standing.DUE


@dataclass(frozen=True, slots=True)
class _RememberedToken:
    kid: str
    key: object
    claims: Claims


class RememberedTokens:
    """The claims of the newest valid tokens, at most `limit` tokens."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[str, _RememberedToken] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def find_claims(self, token: str, *, now: float) -> Claims | None:
        """Return the claims of `token`. Return None if it is not remembered, or has expired at `now` (Unix time)."""
        held = self._held.get(token)
        if held is None:
            return None
        if held.claims["exp"] > now:
            return held.claims
        del self._held[token]
        return None

    def add_token(self, token: str, claims: Claims, *, kid: str, key: object) -> None:
        """Remember that `token`, signed with `key`, is valid."""
        self._held[token] = _RememberedToken(kid, key, claims)
        if len(self._held) > self._limit:
            self._held.popitem(last=False)

    def keep_signed_with(self, keys: Mapping[str, object], *, issuer: str) -> int:
        """Keep the tokens of `issuer` that one of `keys` (by `kid`) has signed. Forget all others. Return how many."""
        gone = [
            token
            for token, held in self._held.items()
            if keys.get(held.kid) != held.key or held.claims["iss"] != issuer
        ]
        for token in gone:
            del self._held[token]
        return len(gone)
