"""Check bearer tokens: the signer, the audience and the end. Before the check, believe nothing in a token.

We find the issuer's keys by OpenID discovery, and choose a key only by its `kid`. A token cannot bring a key, name an
address of a key, or choose an algorithm other than the three that we accept. We remember a valid token until it expires
or the issuer withdraws its key (`remembered_tokens`): a check takes 0.15 ms, a remembered token 1 us.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt import PyJWK

from runtime.hosts.certificates import find_http_options
from runtime.telemetry import counter, log
from runtime.web.callers.remembered_tokens import RememberedTokens, Standing, judge_keys
from schemas.errors import Unauthenticated, Unavailable

#: The algorithms that we accept for each type of key, whatever a token says.
ALGORITHMS = {"RSA": ["RS256", "RS512"], "EC": ["ES256"]}
_ACCEPTED = frozenset(name for names in ALGORITHMS.values() for name in names)

#: How much an issuer's clock may differ from ours.
LEEWAY_S = 60
_REQUIRED = ["exp", "iat", "iss", "sub"]

#: A shorter RSA key is too weak (NIST SP 800-131A).
_MIN_RSA_BITS = 2048

_MAX_TOKEN_CHARS = 16_384
_MAX_REMEMBERED = 10_000

#: The pause between two requests to the issuer, for any reason: an unknown `kid`, or an issuer that is away.
_PAUSE_S = 5.0
_FETCH_TIMEOUT_S = 5.0

#: The errors of the library for a text that is not a valid token, also with deep nesting or odd numbers.
_NO_TOKEN = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)

#: The errors from a bad answer of the issuer, also from a bad `jwks_uri` or deep nesting.
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
        """If `audience` is empty, do not check the audience, as the contract says. `close` also closes `http`.

        We trust a withdrawn key for at most `keys_life_s` and the time of one answer. We trust it longer only while the
        issuer does not answer.
        """
        self._keys_life_s = keys_life_s
        self._pause_s = min(_PAUSE_S, keys_life_s)
        self._issuer = issuer.rstrip("/")
        self._audience = audience
        self._http = http or httpx2.AsyncClient(timeout=_FETCH_TIMEOUT_S, trust_env=False, **find_http_options(issuer))
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
            Unauthenticated: the token is not valid. The log has the reason, the caller does not get it.
            Unavailable: we need the issuer's keys and cannot fetch them.
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
        # Check this before the lock: a token with a known key must not wait while we look for an invented key.
        if kid not in self._keys and self._may_ask():
            await self._refresh_keys(lambda: kid not in self._keys)
        if kid not in self._keys:
            if self._failed:
                raise Unavailable("the token issuer does not answer", hint="try again in a moment")
            raise jwt.InvalidTokenError("unknown kid")
        return kid, self._keys[kid]

    async def _look_again(self) -> None:
        """Fetch the keys if they are due, and forget the tokens of withdrawn keys."""
        match self._judge_keys():
            case Standing.DUE if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._refresh_keys(self._are_keys_old), name="issuer's keys")
            case Standing.OVERDUE:
                await self._refresh_keys(self._are_keys_old)

    def _judge_keys(self) -> Standing:
        return judge_keys(
            now=time.monotonic(),
            fetched_at=self._fetched_at,
            tried_at=self._tried_at,
            life_s=self._keys_life_s,
            pause_s=self._pause_s,
        )

    def _are_keys_old(self) -> bool:
        return self._judge_keys() is not Standing.FRESH

    def _may_ask(self) -> bool:
        return time.monotonic() - self._tried_at >= self._pause_s

    async def _refresh_keys(self, needed: Callable[[], bool]) -> None:
        async with self._fetching:
            # Another caller may have asked while this one waited for the lock.
            if not self._may_ask() or not needed():
                return
            # Count the request as failed until the answer comes, even if all callers have stopped waiting.
            self._failed = True
            try:
                await self._fetch_keys()
                self._failed = False
            except _NO_KEYS as error:
                # Keep the former keys: an issuer's outage must not lock out all users.
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
    """Return the keys that may sign tokens, by `kid`. Skip each key that we do not accept."""
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
