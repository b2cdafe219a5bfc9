"""Serve files that never change while the process runs: a page, its scripts and styles.

The process reads the files when it starts. The files need no token. Their Etags let a browser keep them. If a file has
a compressed one beside it (`app.js`, `app.js.gz`), a browser that accepts gzip gets that one.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from runtime.web.answers.compression import accepts_gzip
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

#: For a file whose name changes with its content: a browser may keep it for a year, and need not ask again.
_FOR_EVER = "public, max-age=31536000, immutable"
#: A name that a bundler made: a stem, a digest of the content and a suffix.
_HASHED = re.compile(r".*-[\w-]{8}\.\w+", re.ASCII)
_COMPRESSED = ".gz"

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
    path: str,
    body: bytes,
    media_type: str,
    summary: str,
    headers: Mapping[str, str] = PAGE_HEADERS,
    *,
    compressed: bytes | None = None,
    status: int = 200,
) -> OpenRoute:
    """Return a route that answers GET on `path` with `body`, or with `compressed` to a client that accepts gzip."""
    plain = {**headers, "Etag": _name_content(body)}
    if compressed is not None:
        plain["Vary"] = "Accept-Encoding"
        zipped = {**plain, "Etag": _name_content(compressed), "Content-Encoding": "gzip"}

    async def serve(request: Request) -> Response:
        if compressed is not None and accepts_gzip(request.headers.get("accept-encoding", "")):
            return Response(compressed, status_code=status, media_type=media_type, headers=zipped)
        return Response(body, status_code=status, media_type=media_type, headers=plain)

    return OpenRoute("GET", path, serve, summary)


def list_file_routes(
    path: str, directory: Path, *, index: str = "index.html", headers: Mapping[str, str] = PAGE_HEADERS
) -> list[OpenRoute]:
    """Return a route for each file below `directory`, at `path` and the file's relative name. `index` is also at
    `path` with a slash, and `path` redirects there.

    Raises:
        Broken: a file has an unknown suffix, or there is no `index`.
    """
    routes = []
    for file in sorted(each for each in directory.rglob("*") if each.is_file() and each.suffix != _COMPRESSED):
        name = file.relative_to(directory).as_posix()
        media_type = _MEDIA_TYPES.get(file.suffix)
        if media_type is None:
            raise Broken(f"no media type is known for {name}", hint="add its suffix to runtime/web/static_files.py")
        zipped = file.with_name(file.name + _COMPRESSED)
        compressed = zipped.read_bytes() if zipped.exists() else None
        kept = {**headers, "Cache-Control": _FOR_EVER} if _HASHED.fullmatch(file.name) else headers
        paths = [f"{path}/{name}", f"{path}/"] if name == index else [f"{path}/{name}"]
        body = file.read_bytes()
        routes += [
            make_file_route(each, body, media_type, f"Get {name}", kept, compressed=compressed) for each in paths
        ]
    if all(route.path != f"{path}/" for route in routes):
        raise Broken(f"{directory} has no {index}")
    return [*routes, make_slash_route(path)]


def make_slash_route(path: str) -> OpenRoute:
    """Return a route that redirects from `path` to the same path with a slash, and keeps the query."""

    async def redirect(request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        return Response(status_code=301, headers={"Location": f"{path}/{query}"})

    return OpenRoute("GET", path, redirect, f"Go to {path}/")


def _name_content(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:40]}"'
