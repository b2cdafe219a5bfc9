"""A development token issuer. It issues tokens to users on this machine, for `make up`, the demo and the tests.

    GET  /.well-known/openid-configuration   discovery
    GET  /jwks                               the public key
    POST /token                              client_credentials, for the clients of the issuer's file

The launcher writes one file, which only its owner can read: it has the clients, their secrets and the claims of their
tokens. A deployment uses its own identity provider instead, and EWMS works the same with it.
"""

import asyncio
import base64
import json
import secrets
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import uvicorn
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.local.secret_files import MadeKeyFiles, load_key_pair, load_or_make, replace_secret
from runtime.web.server.connections import ConnectionLimits
from runtime.web.server.guarded_protocol import GuardedConfig, GuardedProtocol

AUDIENCE = "ewms-rest"
TOKEN_LIFE_S = 24 * 3600
_MAX_FORM_BYTES = 16 * 1024
_FORM_PATIENCE_S = 20.0

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
    return _sign_token(issuer.keys, issuer.url, subject, claims, life_s)


def developer_token(issuer: IssuerFiles, *, life_s: float = TOKEN_LIFE_S) -> str:
    """Make a token of the user whom `make up` signs in, and return it."""
    return mint_token(issuer, DEVELOPER, _CLAIMS[DEVELOPER], life_s=life_s)


def role_tokens(issuer: IssuerFiles, *, life_s: float = TOKEN_LIFE_S) -> dict[str, str]:
    """Make a token for each person of `make up`'s organization. Return role -> token."""
    return {role: mint_token(issuer, role, claims, life_s=life_s) for role, claims in PEOPLE.items()}


def _sign_token(keys: MadeKeyFiles, url: str, subject: str, claims: Mapping[str, object], life_s: float) -> str:
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
    return jwt.encode(body, keys.private.read_bytes(), algorithm="RS256", headers={"kid": keys.kid})


def issuer_application(settings: Mapping[str, Any]) -> Starlette:
    """Return the issuer's web application. `settings` is the content of the issuer's file."""
    keys = MadeKeyFiles(Path(settings["private"]), Path(settings["public"]))
    url: str = settings["url"]
    public: Any = load_pem_public_key(keys.public.read_bytes())
    jwk = {**RSAAlgorithm.to_jwk(public, as_dict=True), "kid": keys.kid, "use": "sig", "alg": "RS256"}

    async def answer_discovery(_: Request) -> Response:
        return JSONResponse(
            {
                "issuer": url,
                "jwks_uri": f"{url}/jwks",
                "token_endpoint": f"{url}/token",
                "grant_types_supported": ["client_credentials"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    async def answer_keys(_: Request) -> Response:
        return JSONResponse({"keys": [jwk]})

    async def answer_token(request: Request) -> Response:
        if (form := await _read_form(request)) is None:
            return JSONResponse({"error": "invalid_request"}, status_code=413, headers={"Connection": "close"})
        name, secret = _read_client(request, form)
        client = settings["clients"].get(name)
        if form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, status_code=400)
        if client is None or not secrets.compare_digest(client["secret"].encode(), secret.encode()):
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        minted = _sign_token(keys, url, name, client["claims"], TOKEN_LIFE_S)
        return JSONResponse({"access_token": minted, "token_type": "Bearer", "expires_in": TOKEN_LIFE_S})

    return Starlette(
        routes=[
            Route("/.well-known/openid-configuration", answer_discovery),
            Route("/jwks", answer_keys),
            Route("/token", answer_token, methods=["POST"]),
        ]
    )


async def _read_form(request: Request) -> dict[str, str] | None:
    """Return the fields of a form. Return None if the form is longer than 16 KiB, or does not arrive within 20 s.

    Every account of the machine can send a form, so both have limits.
    """
    body = b""
    try:
        async with asyncio.timeout(_FORM_PATIENCE_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _MAX_FORM_BYTES:
                    return None
    except (TimeoutError, ClientDisconnect):
        return None
    return {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}


def _read_client(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    # A client sends its id and secret by HTTP Basic or in the body. Source: RFC 6749, 2.3.1.
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(encoded).decode().partition(":")
        except ValueError:
            return "", ""
        return name, secret
    return form.get("client_id", ""), form.get("client_secret", "")


if __name__ == "__main__":
    CONFIG = json.loads(Path(sys.argv[1]).read_text())
    SERVER = uvicorn.Server(
        GuardedConfig(
            issuer_application(CONFIG),
            limits=ConnectionLimits(),
            http=GuardedProtocol,
            host="127.0.0.1",
            port=CONFIG["port"],
            log_level="warning",
            access_log=False,
        )
    )
    SERVER.run()
    sys.exit(0 if SERVER.started else 3)
