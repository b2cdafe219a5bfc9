"""Serve Swagger UI at /docs, from files of an installed library. The page loads nothing from other servers.

The page is public and needs no token. The requests that users try out on the page need a token.
"""

from importlib.metadata import distribution
from pathlib import Path

from runtime.web.route import OpenRoute
from runtime.web.static_files import make_file_route

#: Where the page finds the document of our own dialect.
DOCUMENT_PATH = "/docs/openapi.json"

#: A regular expression for the name of another dialect.
_NAME = "[a-z]+"

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

# `/docs?dialect=processes` shows another dialect's document.
_START = f"""const dialect = /[?&]dialect=({_NAME})/.exec(location.search);
SwaggerUIBundle({{
  url: dialect ? `/docs/openapi-${{dialect[1]}}.json` : "{DOCUMENT_PATH}",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  // By default the page sends the document to a server outside for validation. null turns that off.
  validatorUrl: null,
}});
""".encode()


def name_document(dialect: str) -> str:
    """Return the path at which the page finds the OpenAPI document of `dialect`, which is not our own."""
    return f"/docs/openapi-{dialect}.json"


def list_page_routes() -> list[OpenRoute]:
    """Return the routes of the page and of the files that the page loads. `app` adds the route of the document."""
    css, script = map(_read_asset, ("swagger-ui.css", "swagger-ui-bundle.js"))
    return [
        make_file_route("/docs", _PAGE, "text/html", "See this document as a page"),
        make_file_route("/docs/start.js", _START, "text/javascript", "Get the page's own script"),
        make_file_route("/docs/swagger-ui.css", css, "text/css", "Get Swagger UI's style"),
        make_file_route("/docs/swagger-ui-bundle.js", script, "text/javascript", "Get Swagger UI"),
    ]


def _read_asset(name: str) -> bytes:
    # Find the file without importing the package, because its code needs FastAPI, which we do not install.
    return Path(str(distribution("fastapi-offline").locate_file(f"fastapi_offline/static/{name}"))).read_bytes()
