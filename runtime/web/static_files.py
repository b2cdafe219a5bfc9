"""Serve files that never change while the process runs: a page, its scripts and styles.

The process reads the files when it starts. The files need no token. Their Etags let a browser keep them.
"""

from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from runtime.web.route import OpenRoute
from schemas.errors import Broken

#: Allow scripts, styles and requests of the page's own origin only, and pictures in its styles.
PAGE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

#: Suffix of a file's name -> its media type. The machine's own table may differ, so we do not use that.
_MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".txt": "text/plain",
    ".woff2": "font/woff2",
}


def make_file_route(
    path: str, body: bytes, media_type: str, summary: str, headers: Mapping[str, str] = PAGE_HEADERS
) -> OpenRoute:
    """Return a route that answers GET on `path` with `body`."""

    async def serve(_: Request) -> Response:
        return Response(body, media_type=media_type, headers=dict(headers))

    return OpenRoute("GET", path, serve, summary)


def list_file_routes(
    path: str, directory: Path, *, index: str = "index.html", headers: Mapping[str, str] = PAGE_HEADERS
) -> list[OpenRoute]:
    """Return a route for each file below `directory`, at `path` and the file's relative name; `index` also at `path`.

    Raises:
        Broken: a file has an unknown suffix, or there is no `index`.
    """
    routes = []
    for file in sorted(each for each in directory.rglob("*") if each.is_file()):
        name = file.relative_to(directory).as_posix()
        media_type = _MEDIA_TYPES.get(file.suffix)
        if media_type is None:
            raise Broken(f"no media type is known for {name}", hint="add its suffix to runtime/web/static_files.py")
        body = file.read_bytes()
        routes.append(make_file_route(f"{path}/{name}", body, media_type, f"Get {name}", headers))
        if name == index:
            routes.append(make_file_route(path, body, media_type, f"Get {name}", headers))
    if all(route.path != path for route in routes):
        raise Broken(f"{directory} has no {index}")
    return routes
