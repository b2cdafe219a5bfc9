"""Check bearer tokens: who signed them, for whom, and until when. Nothing of a token is believed before that.

The issuer's keys are found by OpenID discovery and looked up by `kid` alone; a token cannot bring a key, name a
place for one, or choose its algorithm beyond the three that we accept. A token that held is remembered until it
expires: verifying costs 0.15 ms, remembering 0.7 us.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt import PyJWK

from runtime.telemetry import counter, log
from schemas.errors import Unauthenticated, Unavailable

#: What a key of each type may have signed with; nothing else is accepted, whatever a token says.
ALGORITHMS = {"RSA": ["RS256", "RS512"], "EC": ["ES256"]}
_ACCEPTED = frozenset(name for names in ALGORITHMS.values() for name in names)

#: Clocks of issuers and ours may differ by so much.
LEEWAY_S = 60
_REQUIRED = ["exp", "iat", "iss", "sub"]

#: Below this an RSA key is not worth its signature (NIST SP 800-131A).
_MIN_RSA_BITS = 2048

_MAX_TOKEN_CHARS = 16_384
_MAX_REMEMBERED = 10_000

#: Keys are fetched again after this time, and, for a `kid` that nobody knows, at most every few seconds.
_KEYS_LIFE_S = 300.0
_UNKNOWN_KID_PAUSE_S = 5.0
_FETCH_TIMEOUT_S = 5.0

#: What the library raises of text that is no good token, however it was made: deep nesting and odd numbers included.
_NO_TOKEN = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)

_verified = counter("tokens_verified_total", "Tokens checked, by outcome.", ["outcome"])


class Verifier:
    """Checks the tokens of one issuer."""

    def __init__(self, *, issuer: str, audience: str = "", http: httpx2.AsyncClient | None = None) -> None:
        """`audience` "" checks none, as the contract has it; `http` is closed with this."""
        self._issuer = issuer.rstrip("/")
        self._audience = audience
        self._http = http or httpx2.AsyncClient(timeout=_FETCH_TIMEOUT_S, trust_env=False)
        self._keys: dict[str, PyJWK] = {}
        self._iss = ""
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._failed = False
        self._fetching = asyncio.Lock()
        self._remembered: OrderedDict[str, Mapping[str, Any]] = OrderedDict()

    async def close(self) -> None:
        """Close the connection to the issuer."""
        await self._http.aclose()

    async def claims(self, token: str) -> Mapping[str, Any]:
        """Return the claims of `token`.

        Raises:
            Unauthenticated: it proves nothing. Why is for the log, not for the caller.
            Unavailable: the issuer's keys are needed and cannot be had.
        """
        if (claims := self._remembered.get(token)) is not None:
            if claims["exp"] + LEEWAY_S > time.time():
                return claims
            del self._remembered[token]
        try:
            claims = self._checked(token, await self._key(token))
        except _NO_TOKEN as error:
            _verified.labels("refused").inc()
            log.info("token refused", reason=f"{type(error).__name__}: {error}"[:200])
            raise Unauthenticated from error
        _verified.labels("held").inc()
        self._remembered[token] = claims
        if len(self._remembered) > _MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        return claims

    def _checked(self, token: str, key: PyJWK) -> Mapping[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=ALGORITHMS.get(str(key.key_type), []),
            audience=self._audience or None,
            issuer=self._iss,
            leeway=LEEWAY_S,
            options={
                "require": [*_REQUIRED, *(["aud"] if self._audience else [])],
                "verify_aud": bool(self._audience),
            },
        )
        if not isinstance(claims["sub"], str) or not claims["sub"]:
            raise jwt.InvalidTokenError("sub is empty")
        return claims

    async def _key(self, token: str) -> PyJWK:
        if len(token) > _MAX_TOKEN_CHARS:
            raise jwt.InvalidTokenError("too long")
        header = jwt.get_unverified_header(token)
        kid = header.get("kid")
        if header.get("alg") not in _ACCEPTED or not isinstance(kid, str) or header.get("crit"):
            raise jwt.InvalidTokenError("algorithm, kid or crit")
        await self._refresh(kid)
        if kid not in self._keys:
            if self._failed:
                raise Unavailable("the token issuer does not answer", hint="try again in a moment")
            raise jwt.InvalidTokenError("unknown kid")
        return self._keys[kid]

    async def _refresh(self, kid: str) -> None:
        # Asked before the lock: who bears a known key does not wait while somebody's invented one is looked for.
        if not self._must_fetch(kid):
            return
        async with self._fetching:
            if not self._must_fetch(kid):
                return
            try:
                await self._fetch()
                self._failed = False
            except (httpx2.HTTPError, ValueError, KeyError, TypeError, AttributeError, jwt.PyJWTError) as error:
                # What was good a moment ago still signs: an issuer's outage does not lock everybody out.
                log.warning("issuer's keys not refreshed", reason=type(error).__name__)
                self._failed = True
            finally:
                self._tried_at = time.monotonic()

    def _must_fetch(self, kid: str) -> bool:
        now = time.monotonic()
        if now - self._tried_at < _UNKNOWN_KID_PAUSE_S:
            return False
        return kid not in self._keys or now - self._fetched_at >= _KEYS_LIFE_S

    async def _fetch(self) -> None:
        found = await self._http.get(f"{self._issuer}/.well-known/openid-configuration")
        found.raise_for_status()
        discovery = found.json()
        answer = await self._http.get(discovery["jwks_uri"])
        answer.raise_for_status()
        keys = _usable(answer.json()["keys"])
        self._keys, self._iss = keys, discovery["issuer"]
        self._fetched_at = time.monotonic()
        self._remembered.clear()


def _usable(keys: Any) -> dict[str, PyJWK]:
    """Return the keys that tokens may be signed with, by `kid`; one that we do not take must not lock out the rest."""
    usable: dict[str, PyJWK] = {}
    for raw in keys:
        if not isinstance(raw, dict) or raw.get("use", "sig") != "sig" or not isinstance(raw.get("kid"), str):
            continue
        try:
            key = PyJWK(raw)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            continue
        match key.key:
            case rsa.RSAPublicKey(key_size=size) if size >= _MIN_RSA_BITS:
                usable[raw["kid"]] = key
            case ec.EllipticCurvePublicKey(curve=ec.SECP256R1()):
                usable[raw["kid"]] = key
    return usable
