"""Check bearer tokens: who signed them, for whom, and until when. Before the check nothing in a token is believed.

We find the issuer's keys by OpenID discovery and look them up by `kid` alone. A token cannot bring a key, name a place
for one, or choose an algorithm beyond the three that we accept. We remember a token that held until it expires or its
key is withdrawn (`runtime.web.remembered_tokens`): verifying costs 0.15 ms, remembering 1 us.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt import PyJWK

from runtime.telemetry import counter, log
from runtime.web.remembered_tokens import RememberedTokens, Standing, keys_standing
from schemas.errors import Unauthenticated, Unavailable

#: The algorithms that we accept for each type of key, whatever a token says.
ALGORITHMS = {"RSA": ["RS256", "RS512"], "EC": ["ES256"]}
_ACCEPTED = frozenset(name for names in ALGORITHMS.values() for name in names)

#: The clocks of issuers and ours may differ by this much.
LEEWAY_S = 60
_REQUIRED = ["exp", "iat", "iss", "sub"]

#: Below this an RSA key is not worth its signature (NIST SP 800-131A).
_MIN_RSA_BITS = 2048

_MAX_TOKEN_CHARS = 16_384
_MAX_REMEMBERED = 10_000

#: How long to wait between two requests to the issuer, whatever the reason (a `kid` that nobody knows, an issuer that
#: is away).
_PAUSE_S = 5.0
_FETCH_TIMEOUT_S = 5.0

#: What the library raises for text that is not a good token, deep nesting and odd numbers included.
_NO_TOKEN = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)

#: What a bad answer of the issuer raises, its `jwks_uri` and its nesting included.
_NO_KEYS = (
    *(httpx2.HTTPError, httpx2.InvalidURL, jwt.PyJWTError),
    *(ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError),
)

_verified = counter("tokens_verified_total", "Tokens checked, by outcome.", ["outcome"])


class TokenVerifier:
    """Checks the tokens of one issuer."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str = "",
        keys_life_s: float = 300.0,
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        """With `audience` "" the audience is not checked, as the contract has it; `close` closes `http`, too.

        A withdrawn key is trusted for `keys_life_s` and the time of one answer, longer only while the issuer is away.
        """
        self._keys_life_s = keys_life_s
        self._pause_s = min(_PAUSE_S, keys_life_s)
        self._issuer = issuer.rstrip("/")
        self._audience = audience
        self._http = http or httpx2.AsyncClient(timeout=_FETCH_TIMEOUT_S, trust_env=False)
        self._keys: dict[str, PyJWK] = {}
        self._iss = ""
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._failed = False
        self._fetching = asyncio.Lock()
        self._looking: asyncio.Task[None] | None = None
        self._remembered = RememberedTokens(_MAX_REMEMBERED)

    async def close(self) -> None:
        """Close the connection to the issuer."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await self._http.aclose()

    async def verify_token(self, token: str) -> Mapping[str, Any]:
        """Return the claims of `token`.

        Raises:
            Unauthenticated: the token proves nothing. The reason is for the log, not for the caller.
            Unavailable: the issuer's keys are needed and cannot be fetched.
        """
        await self._look_again()
        if (claims := self._remembered.find_claims(token, now=time.time() - LEEWAY_S)) is not None:
            return claims
        try:
            kid, key = await self._find_key(token)
            claims = self._check_signature(token, key)
        except _NO_TOKEN as error:
            _verified.labels("refused").inc()
            log.info("token refused", reason=f"{type(error).__name__}: {error}"[:200])
            raise Unauthenticated from error
        _verified.labels("held").inc()
        self._remembered.add_token(token, claims, kid=kid, key=key.key)
        return claims

    def _check_signature(self, token: str, key: PyJWK) -> Mapping[str, Any]:
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

    async def _find_key(self, token: str) -> tuple[str, PyJWK]:
        if len(token) > _MAX_TOKEN_CHARS:
            raise jwt.InvalidTokenError("too long")
        header = jwt.get_unverified_header(token)
        kid = header.get("kid")
        if header.get("alg") not in _ACCEPTED or not isinstance(kid, str) or header.get("crit"):
            raise jwt.InvalidTokenError("algorithm, kid or crit")
        # Check before the lock: a token of a known key does not wait while we look for an invented one.
        if kid not in self._keys and self._may_ask():
            await self._refresh_keys(lambda: kid not in self._keys)
        if kid not in self._keys:
            if self._failed:
                raise Unavailable("the token issuer does not answer", hint="try again in a moment")
            raise jwt.InvalidTokenError("unknown kid")
        return kid, self._keys[kid]

    async def _look_again(self) -> None:
        """Fetch the keys if they are due. Tokens of a key that is gone are then forgotten."""
        match self._keys_standing():
            case Standing.DUE if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._refresh_keys(self._are_keys_old), name="issuer's keys")
            case Standing.OVERDUE:
                await self._refresh_keys(self._are_keys_old)

    def _keys_standing(self) -> Standing:
        return keys_standing(
            now=time.monotonic(),
            fetched_at=self._fetched_at,
            tried_at=self._tried_at,
            life_s=self._keys_life_s,
            pause_s=self._pause_s,
        )

    def _are_keys_old(self) -> bool:
        return self._keys_standing() is not Standing.FRESH

    def _may_ask(self) -> bool:
        return time.monotonic() - self._tried_at >= self._pause_s

    async def _refresh_keys(self, needed: Callable[[], bool]) -> None:
        async with self._fetching:
            # Somebody else may have asked while this waited for the lock.
            if not self._may_ask() or not needed():
                return
            # It has failed until there is an answer, even if nobody waits for it any more.
            self._failed = True
            try:
                await self._fetch_keys()
                self._failed = False
            except _NO_KEYS as error:
                # Keep the former keys: an issuer's outage must not lock everybody out.
                log.warning("issuer's keys not refreshed", reason=type(error).__name__)
            finally:
                self._tried_at = time.monotonic()

    async def _fetch_keys(self) -> None:
        found = await self._http.get(f"{self._issuer}/.well-known/openid-configuration")
        found.raise_for_status()
        discovery = found.json()
        answer = await self._http.get(discovery["jwks_uri"])
        answer.raise_for_status()
        keys = _usable_keys(answer.json()["keys"])
        self._keys, self._iss = keys, discovery["issuer"]
        self._fetched_at = time.monotonic()
        n_forgotten = self._remembered.keep_signed_with({kid: key.key for kid, key in keys.items()}, issuer=self._iss)
        if n_forgotten:
            log.info("tokens of withdrawn keys forgotten", n_tokens=n_forgotten)


def _usable_keys(keys: Any) -> dict[str, PyJWK]:
    """Return the keys that may sign tokens, by `kid`. A key that we do not take must not lock out the rest."""
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
