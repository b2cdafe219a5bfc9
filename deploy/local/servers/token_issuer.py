"""A development token issuer. It issues tokens to users on this machine, for `make up`, the demo and the tests.

    GET  /.well-known/openid-configuration   discovery
    GET  /jwks                               the public key
    POST /token                              client_credentials, for the clients of the issuer's file

Its argument is the file that `issued_tokens` writes. A deployment uses its own identity provider instead.
"""

import asyncio
import base64
import json
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.local.files.secret_files import MadeKeyFiles
from deploy.local.servers.issued_tokens import TOKEN_LIFE_S, sign_token
from runtime.web.server.connections import ConnectionLimits
from runtime.web.server.guarded_protocol import GuardedConfig, GuardedProtocol

_MAX_FORM_BYTES = 16 * 1024
_FORM_PATIENCE_S = 20.0


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
        minted = sign_token(keys, url, name, client["claims"], TOKEN_LIFE_S)
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
