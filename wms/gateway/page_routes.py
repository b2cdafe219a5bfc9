"""Serve the web page at /ui/: the files that the build put into wms/page, and what the page must know to sign in.

The files need no token. The page sends the token of its user with each request to the public routes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from pydantic_core import to_json

from runtime.web.route import OpenRoute
from runtime.web.static_files import PAGE_HEADERS, list_file_routes, make_file_route, make_slash_route

#: Where the page is.
PATH = "/ui"
FILES = Path(__file__).parents[1] / "page"

_NOT_BUILT = b"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>EWMS: no web page here</title></head>
<body>
<h1>The web page is not built here</h1>
<p>This EWMS runs from a source tree, and its web page was left out of the build. Everything else works: the REST API,
which <a href="/docs">/docs</a> shows, and the command <code>ewms</code>.</p>
<p>To build the page, run this in the source tree, then start EWMS again:</p>
<pre>make page</pre>
<p>It needs the registry of npm's packages once. It says so if it cannot reach that.</p>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class SignIn:
    """How people sign in to the page."""

    #: The OpenID issuer of their tokens; "" if the gateway believes every request.
    issuer: str
    #: The page's public client at the issuer; "" if people paste a token.
    client_id: str = ""


def list_page_routes(sign_in: SignIn, files: Path = FILES) -> list[OpenRoute]:
    """Return the routes of the page. If it was not built, `/ui/` says so, and how to build it."""
    headers = allow_issuer(PAGE_HEADERS, sign_in.issuer if sign_in.client_id else "")
    if not (files / "index.html").exists():
        absent = make_file_route(f"{PATH}/", _NOT_BUILT, "text/html", "See how to build the page", status=404)
        return [absent, make_slash_route(PATH)]
    facts = {"issuer": sign_in.issuer, "client_id": sign_in.client_id, "version": version("ewms")}
    config = make_file_route(
        f"{PATH}/config.json", to_json(facts), "application/json", "Get how to sign in to the page", headers
    )
    return [config, *list_file_routes(PATH, files, headers=headers)]


def allow_issuer(headers: Mapping[str, str], issuer: str) -> Mapping[str, str]:
    """Return `headers` whose content policy lets the page ask the `issuer` too; the same headers without an issuer."""
    address = urlsplit(issuer)
    if not address.scheme or not address.netloc:
        return headers
    policy = headers["Content-Security-Policy"]
    allowed = policy.replace("connect-src 'self'", f"connect-src 'self' {address.scheme}://{address.netloc}")
    return {**headers, "Content-Security-Policy": allowed}
