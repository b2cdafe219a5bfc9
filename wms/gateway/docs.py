"""Serve Swagger UI at /docs, from assets of an installed library: the page fetches nothing from outside.

The page is public and needs no token. The requests that users try out on it do need one.
"""

from importlib import resources

from starlette.requests import Request
from starlette.responses import Response

from wms.gateway.route import Endpoint, OpenRoute

#: Where the page finds the document.
DOCUMENT_PATH = "/docs/openapi.json"

_PAGE = b"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>EWMS: the REST API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" href="data:,">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

_START = f"""SwaggerUIBundle({{
  url: "{DOCUMENT_PATH}",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  // By default the page sends the document to a server outside for validation. null turns that off.
  validatorUrl: null,
}});
""".encode()

#: Allow scripts and styles from here only. Swagger UI draws its icons from data URLs.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def list_page_routes() -> list[OpenRoute]:
    """Return the routes of the page and of the files that it loads. `app` adds the route of the document."""
    assets = resources.files("fastapi_offline") / "static"
    css, script = ((assets / name).read_bytes() for name in ("swagger-ui.css", "swagger-ui-bundle.js"))
    return [
        _make_route("/docs", _PAGE, "text/html", "See this document as a page"),
        _make_route("/docs/start.js", _START, "text/javascript", "Get the page's own script"),
        _make_route("/docs/swagger-ui.css", css, "text/css", "Get Swagger UI's style"),
        _make_route("/docs/swagger-ui-bundle.js", script, "text/javascript", "Get Swagger UI"),
    ]


def _make_route(path: str, body: bytes, media_type: str, summary: str) -> OpenRoute:
    return OpenRoute("GET", path, _make_handler(body, media_type), summary)


def _make_handler(body: bytes, media_type: str) -> Endpoint:
    async def serve(_: Request) -> Response:
        return Response(body, media_type=media_type, headers=_HEADERS)

    return serve
