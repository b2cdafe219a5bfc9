"""Sign broker tokens with the key files, and record the keys for JWKS.

MQS checks the files at every use, so an operator rotates the key by replacing the files. MQS records a new key before
the key signs anything, so JWKS has the key of every token.
"""

import asyncio
import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from pydantic import SecretStr

from mqs.tokens import key_rotation
from mqs.tokens.grants import Audience, Grant, token_claims
from runtime.clock import utc_now
from runtime.kernel.decision import Decision
from runtime.kernel.store import Store, Transaction
from runtime.telemetry import log
from schemas.broker.token_sizes import MAX_TOKEN_BYTES
from schemas.errors import Broken, Unprocessable
from schemas.fleet.queue_documents import MQ_KEYS

_MIN_RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair that signs. `kid` is the SHA-512 of the public PEM in hex, as the contract demands."""

    private: RSAPrivateKey | EllipticCurvePrivateKey
    kid: str
    algorithm: str
    jwk: dict[str, str]


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A minted token, and the time when it expires."""

    value: SecretStr
    expires_at: datetime


class SigningKeyFiles:
    """A private and a public PEM file, read again when one of them has changed."""

    def __init__(self, private: Path, public: Path) -> None:
        self._private = private
        self._public = public
        self._stamp: tuple[tuple[int, int], ...] = ()
        self._key: SigningKey | None = None

    def current_key(self) -> SigningKey:
        """Return the key in the files. If the files do not match (during a replacement), return the key before.

        Raises:
            Broken: the files have no usable key pair, and there is no key before.
        """
        try:
            stamp = tuple((s.st_mtime_ns, s.st_ino) for s in (self._private.stat(), self._public.stat()))
            if self._key is not None and stamp == self._stamp:
                return self._key
            self._key = _load_key_pair(self._private.read_bytes(), self._public.read_bytes())
            self._stamp = stamp
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            if self._key is None:
                raise Broken(f"no usable broker key in {self._private} and {self._public}: {error}") from error
            log.warning(
                "the broker's key files hold no usable pair; MQS goes on signing with the former key", error=repr(error)
            )
        return self._key


class TokenIssuer:
    """Mints broker tokens and lists the keys that verify them."""

    def __init__(
        self, files: SigningKeyFiles, store: Store, *, issuer: str, audience: Audience, longest_life: timedelta
    ) -> None:
        self._files = files
        self._store = store
        self._issuer = issuer
        self._audience = audience
        self._longest_life = longest_life
        self._recorded_kid = ""
        self._recording = asyncio.Lock()

    async def mint_token(self, grant: Grant, *, life: timedelta) -> MintedToken:
        """Make a token for `grant`, and return it. It lives for `life`, or for the issuer's longest life if that is
        shorter.

        Raises:
            Unprocessable: the token names more queues than fit into the broker's login.
        """
        key = await self._recorded_key()
        now = utc_now()
        said = token_claims(
            grant,
            issuer=self._issuer,
            audience=self._audience,
            now=now,
            life=min(life, self._longest_life),
            token_id=uuid.uuid4().hex,
        )
        value = jwt.encode(said, key.private, algorithm=key.algorithm, headers={"kid": key.kid})
        if len(value) > MAX_TOKEN_BYTES:
            n_queues = max(len(grant.reads) + len(grant.writes), len(grant.by_name))
            raise Unprocessable(
                f"a token for {n_queues} queues is too long for the broker's login",
                hint="split the task so that each part has fewer queues",
            )
        return MintedToken(SecretStr(value), datetime.fromtimestamp(said["exp"], UTC))

    async def jwks_document(self) -> dict[str, Any]:
        """Return every public key that may have signed a token that is still valid."""
        await self._recorded_key()
        return key_rotation.jwks_document(await self._load_keys(), utc_now())

    async def _recorded_key(self) -> SigningKey:
        key = self._files.current_key()
        if key.kid != self._recorded_kid:
            async with self._recording:
                await self._store.transact(lambda tx: self._record_key(tx, key))
                self._recorded_kid = key.kid
                log.info("broker key signs from now on", kid=key.kid[:16])
        return key

    async def _record_key(self, tx: Transaction, key: SigningKey) -> Decision:
        keys = key_rotation.parse_keys(await tx.find(MQ_KEYS, {}))
        return key_rotation.rotate_key(keys, key.kid, key.jwk, now=utc_now(), life=self._longest_life)

    async def _load_keys(self) -> key_rotation.Recorded:
        keys = key_rotation.parse_keys(await self._store.find(MQ_KEYS, {}))
        if not key_rotation.is_signing(keys, self._recorded_kid):
            # The database was emptied. JWKS must list the signing key all the same, so record it again.
            self._recorded_kid = ""
            await self._recorded_key()
            keys = key_rotation.parse_keys(await self._store.find(MQ_KEYS, {}))
        return keys


def _load_key_pair(private_pem: bytes, public_pem: bytes) -> SigningKey:
    private = load_pem_private_key(private_pem, password=None)
    public = load_pem_public_key(public_pem)
    kid = hashlib.sha512(public_pem).hexdigest()
    match private:
        case RSAPrivateKey():
            if private.key_size < _MIN_RSA_BITS:
                raise ValueError(f"an RSA key of {private.key_size} bits is too weak")
            algorithm, jwk = "RS256", RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
        case EllipticCurvePrivateKey() if private.curve.name == "secp256r1":
            algorithm, jwk = "ES256", ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        case _:
            raise ValueError("the key must be RSA, or EC on P-256")
    if private.public_key() != public:
        raise ValueError("the public key does not belong to the private key")
    jwk = {name: value for name, value in jwk.items() if name != "key_ops"}
    return SigningKey(private, kid, algorithm, {**jwk, "kid": kid, "alg": algorithm, "use": "sig"})
