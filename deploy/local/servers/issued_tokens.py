"""Tokens for users on this machine, as a launch has them, and the file of the issuer that gives them to clients.

The launcher writes one file, which only its owner can read: it has the clients, their secrets and the claims of their
tokens. A deployment uses its own identity provider instead, and EWMS works the same with it. The issuer's process is
`token_issuer`; what it imports to serve costs a launch nothing.
"""

import json
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from deploy.local.files.secret_files import MadeKeyFiles, load_key_pair, load_or_make, replace_secret

AUDIENCE = "ewms-rest"
TOKEN_LIFE_S = 24 * 3600

#: The user that `make up` signs in: one of the group that the contract admits, and a member of the organization.
DEVELOPER = "developer"
#: The superuser, who is an operator of the fleet as well.
SUPERUSER = "superuser"
#: One person in each role of the one organization, `default`, and above it.
PEOPLE: Mapping[str, Mapping[str, object]] = {
    SUPERUSER: {"ewms_role": ["superuser", "ops"]},
    "system-auditor": {"ewms_role": ["system-auditor", "auditor"]},
    "org-admin": {"groups": ["/tokens/ewms-dev", "/organizations/default/admin"]},
    "org-auditor": {"groups": ["/organizations/default/auditor"]},
    "org-member": {"groups": ["/tokens/ewms-dev", "/organizations/default/member"]},
}
_CLAIMS: Mapping[str, Mapping[str, object]] = {
    DEVELOPER: {"groups": ["/tokens/ewms-dev", "/organizations/default/member"]},
    **PEOPLE,
    "auditor": {"ewms_role": "auditor"},
    "ops": {"ewms_role": "ops"},
    "system-tms": {"ewms_role": "system-tms"},
    "system-wms": {"ewms_role": "system-wms"},
}


@dataclass(frozen=True, slots=True)
class IssuerFiles:
    """The issuer's key pair, its address, and the file that its process reads."""

    url: str
    keys: MadeKeyFiles
    config: Path


def write_issuer(directory: Path, *, port: int) -> IssuerFiles:
    """Write the configuration of an issuer that will listen on `port` of 127.0.0.1, and return its files.

    If `directory` has the key and the clients' secrets of an earlier launch, these stay.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = load_key_pair(directory, "issuer-key")
    url = f"http://127.0.0.1:{port}"
    kept: dict[str, str] = load_or_make(directory / "clients.json", dict)
    passwords = {name: kept.get(name) or secrets.token_urlsafe(24) for name in _CLAIMS}
    if passwords != kept:
        replace_secret(directory / "clients.json", json.dumps(passwords).encode())
    clients = {name: {"secret": passwords[name], "claims": claims} for name, claims in _CLAIMS.items()}
    config = directory / "issuer.json"
    settings = {
        "url": url,
        "port": port,
        "private": str(keys.private),
        "public": str(keys.public),
        "clients": clients,
    }
    replace_secret(config, json.dumps(settings).encode())
    return IssuerFiles(url, keys, config)


def mint_token(issuer: IssuerFiles, subject: str, claims: Mapping[str, object], *, life_s: float = TOKEN_LIFE_S) -> str:
    """Make a token for `subject`, signed with the issuer's key, and return it.

    `claims` are added to the usual claims, or override them. If `life_s` is negative, the token has expired.
    """
    return sign_token(issuer.keys, issuer.url, subject, claims, life_s)


def developer_token(issuer: IssuerFiles, *, life_s: float = TOKEN_LIFE_S) -> str:
    """Make a token of the user whom `make up` signs in, and return it."""
    return mint_token(issuer, DEVELOPER, _CLAIMS[DEVELOPER], life_s=life_s)


def role_tokens(issuer: IssuerFiles, *, life_s: float = TOKEN_LIFE_S) -> dict[str, str]:
    """Make a token for each person of `make up`'s organization. Return role -> token."""
    return {role: mint_token(issuer, role, claims, life_s=life_s) for role, claims in PEOPLE.items()}


def sign_token(keys: MadeKeyFiles, url: str, subject: str, claims: Mapping[str, object], life_s: float) -> str:
    """Return a token of the issuer at `url`, signed with its `keys`. `claims` may override the usual claims."""
    now = int(time.time())
    # Issue an expired token before its end.
    issued_at = min(now, int(now + life_s)) - (1 if life_s < 0 else 0)
    body = {
        "iss": url,
        "sub": subject,
        "aud": AUDIENCE,
        "iat": issued_at,
        "exp": int(now + life_s),
        "jti": uuid.uuid4().hex,
        **claims,
    }
    return jwt.encode(body, _parse_key(keys.private.read_bytes()), algorithm="RS256", headers={"kid": keys.kid})


@lru_cache(maxsize=4)
def _parse_key(pem: bytes) -> RSAPrivateKey:
    """Return the private key in `pem`. To parse and check one takes 50 ms of CPU, and to sign with it takes 1 ms."""
    return cast("RSAPrivateKey", serialization.load_pem_private_key(pem, None))
