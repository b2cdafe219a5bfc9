"""The gateway's ASGI application: the dialects of WMS behind one door (`runtime.web.door`)."""

from collections.abc import Iterable, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from runtime.web import app as web
from runtime.web.app import DoorLimits
from runtime.web.callers.gatekeeper import Gatekeeper
from runtime.web.dialects import Dialect, Served
from runtime.web.docs import openapi, swagger_page
from runtime.web.docs.document_text import DocumentText
from runtime.web.route import AnyRoute, Call, OpenRoute, Route, answer_json, answer_raw
from wms.gateway.ewms.dialect import EWMS
from wms.gateway.roles import READERS, TMS, WMS

#: The version of the interface. Its major part is in the paths. The program has its own version.
API_VERSION = "1.5.0"


def build_app(
    routes: Iterable[AnyRoute],
    gatekeeper: Gatekeeper,
    *,
    dialects: Sequence[Served] = (),
    limits: DoorLimits | None = None,
    health: Iterable[BaseRoute] = (),
    openapi_text: bytes | None = None,
    mqs_openapi_text: bytes | None = None,
) -> Starlette:
    """Return the application that serves `routes` in our own dialect, the other `dialects`, and the process's `health`.

    `openapi_text` replaces our own document at /schema/openapi, and `mqs_openapi_text` at /mqs/schema/openapi.

    Raises:
        Broken: a route has no roles.
    """
    routes = list(routes)
    others = [(dialect, list(listed)) for dialect, listed in dialects]
    ours = [*routes, *_make_own_routes(DocumentText(lambda: describe_routes(routes)), openapi_text, mqs_openapi_text)]
    ours += [_make_document_route(dialect, listed) for dialect, listed in others if listed]
    return web.build_app([(EWMS, ours), *others], gatekeeper, limits=limits or DoorLimits(), open_routes=health)


def list_own_routes() -> list[AnyRoute]:
    """Return the routes that `build_app` itself adds. They only describe themselves, and call no part of WMS."""
    return _make_own_routes(DocumentText(dict), None, None)


def describe_routes(routes: Iterable[AnyRoute]) -> dict[str, Any]:
    """Return the OpenAPI document of our own dialect."""
    return describe_dialect(EWMS, [*routes, *list_own_routes()])


def describe_dialect(dialect: Dialect, routes: Iterable[AnyRoute]) -> dict[str, Any]:
    """Return the OpenAPI document of `routes`, which are all of a dialect."""
    info = openapi.DocumentInfo(
        title="EWMS" if dialect is EWMS else f"EWMS: {dialect.name}",
        version=API_VERSION,
        summary="Event Workflow Management System",
        description=dialect.about,
    )
    return openapi.build_document(routes, dialect, info)


def _make_document_route(dialect: Dialect, routes: Sequence[AnyRoute]) -> OpenRoute:
    text = DocumentText(lambda: describe_dialect(dialect, routes))

    async def describe(_: Request) -> Response:
        return answer_raw(await text.read())

    path = swagger_page.name_document(dialect.name)
    return OpenRoute("GET", path, describe, f"Get the document of the dialect {dialect.name}")


def _make_own_routes(ours: DocumentText, wms: bytes | None, mqs: bytes | None) -> list[AnyRoute]:
    async def root(_: Call) -> Response:
        return answer_json({})

    async def describe(_: Call) -> Response:
        return answer_raw(wms or await ours.read())

    async def describe_mqs(_: Call) -> Response:
        return answer_raw(mqs or await ours.read())

    async def describe_to_anybody(_: Request) -> Response:
        return answer_raw(await ours.read())

    about_mqs = "Get this document, which describes the queue service too"
    return [
        Route("GET", "/", root, "See that the gateway is there", roles=READERS),
        Route("GET", "/schema/openapi", describe, "Get this document", roles=READERS | TMS),
        Route("GET", "/mqs/schema/openapi", describe_mqs, about_mqs, roles=READERS | WMS),
        OpenRoute(
            "GET", swagger_page.DOCUMENT_PATH, describe_to_anybody, "Get this document, for the page that shows it"
        ),
    ]
