"""Serve the public keys over HTTP to all services that check tokens. The path has no version and needs no login."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mqs.tokens.signing_keys import TokenIssuer
from schemas.errors import EWMSError

PATH = "/mqbroker-issuer/.well-known/jwks.json"

#: How many seconds a reader may cache the keys. This is shorter than the time between a new key's first token and its
#: use.
_MAX_AGE_S = 30


def jwks_route(issuer: TokenIssuer) -> Route:
    """Return the route that serves `issuer`'s keys."""

    async def jwks(_: Request) -> Response:
        try:
            document = await issuer.jwks_document()
        except EWMSError as error:
            return JSONResponse({"code": error.code, "error": error.reason}, status_code=error.code)
        return JSONResponse(document, headers={"Cache-Control": f"public, max-age={_MAX_AGE_S}"})

    return Route(PATH, jwks, methods=["GET"])
