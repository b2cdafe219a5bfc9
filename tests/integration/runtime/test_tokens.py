"""`runtime.web.callers.tokens` against an issuer that serves its keys over HTTP and withdraws one."""

import asyncio
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from runtime.web.callers.tokens import TokenVerifier
from runtime.web.server.serving import serve_app
from schemas.errors import Unauthenticated


class Issuer:
    """Serves the public halves of `keys`, by `kid`."""

    def __init__(self) -> None:
        self.keys = {kid: rsa.generate_private_key(public_exponent=65537, key_size=2048) for kid in ("old", "new")}
        self.url = ""
        self.app = Starlette(
            routes=[Route("/.well-known/openid-configuration", self._discovery), Route("/jwks", self._jwks)]
        )

    async def _discovery(self, _: Request) -> JSONResponse:
        return JSONResponse({"issuer": self.url, "jwks_uri": f"{self.url}/jwks"})

    async def _jwks(self, _: Request) -> JSONResponse:
        keys: list[dict[str, Any]] = [
            {**json.loads(RSAAlgorithm.to_jwk(key.public_key())), "kid": kid} for kid, key in self.keys.items()
        ]
        return JSONResponse({"keys": keys})

    def token(self, kid: str) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "sub": "ada", "iat": now, "exp": now + 3600}
        return jwt.encode(claims, self.keys[kid], algorithm="RS256", headers={"kid": kid})


async def in_use(verifier: TokenVerifier, token: str) -> None:
    while True:
        await verifier.verify_token(token)
        await asyncio.sleep(0.02)


async def test_a_token_in_use_is_refused_soon_after_its_key_is_withdrawn() -> None:
    issuer = Issuer()
    async with serve_app(issuer.app, host="127.0.0.1", port=0) as issuer.url:
        verifier = TokenVerifier(issuer=issuer.url, keys_life_s=0.2)
        old, new = issuer.token("old"), issuer.token("new")
        assert (await verifier.verify_token(old))["sub"] == (await verifier.verify_token(new))["sub"] == "ada"
        del issuer.keys["old"]
        with pytest.raises(Unauthenticated):
            await asyncio.wait_for(in_use(verifier, old), 20)
        assert (await verifier.verify_token(new))["sub"] == "ada"
        await verifier.close()


async def test_an_issuer_that_is_away_withdraws_nothing() -> None:
    issuer = Issuer()
    async with serve_app(issuer.app, host="127.0.0.1", port=0) as issuer.url:
        verifier = TokenVerifier(issuer=issuer.url, keys_life_s=0.1)
        token = issuer.token("old")
        await verifier.verify_token(token)
    for _ in range(10):
        assert (await verifier.verify_token(token))["sub"] == "ada"
        await asyncio.sleep(0.05)
    await verifier.close()
