"""The OpenAPI document of a dialect, made from its routes and from the models that check the bodies."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, JsonSchemaValue, models_json_schema

from runtime.web.callers.gatekeeper import ANYBODY
from runtime.web.dialects import Dialect
from runtime.web.route import AnyRoute, OpenRoute, Route

_REF = "#/components/schemas/{model}"

_ID = {"type": "string", "pattern": r"^[\w-]+$"}
_TEXT = {"type": "string"}

#: A part of a path, `{name}` or `{name:converter}`. The document shows the name only.
_PART = re.compile(r"{(\w+)(?::\w+)?}")

#: (model, `validation` for a request or `serialization` for an answer) -> schema.
_Schemas = Mapping[tuple[Any, JsonSchemaMode], JsonSchemaValue]

_DONE = {
    200: "Done",
    201: "Made",
    202: "Accepted: it goes on after the answer",
    204: "Done; there is nothing to answer with",
    207: "Done for some; the results name those that failed",
}

_ERRORS = {
    400: "The request does not fit; the error names the field",
    401: "No token, or an invalid token",
    403: "No token, an invalid token, or a token without the role",
    404: "It does not exist, or it is not yours",
    405: "It is over, so this cannot be done to it any more",
    409: "The Idempotency-Key was used for another request",
    412: "The workflow may not be started now; the error says why",
    413: "The body is too large",
    422: "The object's state forbids it for good",
    429: "You have too many requests under way, or have sent too many; Retry-After says how many seconds to wait",
    500: "A defect of ours",
    510: "The form wants more pages; the body has the schema of the next one",
    503: "A service that this one needs does not answer; Retry-After says how many seconds to wait",
}


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """What the document says about the whole interface."""

    title: str
    version: str
    summary: str
    description: str


def build_document(routes: Iterable[AnyRoute], dialect: Dialect, info: DocumentInfo) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of `routes`. Leave out the routes of the pages /docs and /ui.

    Each path begins with the newest prefix of the dialect, except the paths of an OpenRoute.
    """
    prefix = dialect.prefixes[0]
    routes = [route for route in routes if not route.path.startswith(("/docs", "/ui"))]
    own = [route for route in routes if isinstance(route, Route)]
    going_in = {route.body for route in own if route.body}
    coming_out = {route.answer for route in own if route.answer} | {dialect.error_model}
    modes: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "validation") for model in sorted(going_in, key=_model_name)),
        *((model, "serialization") for model in sorted(coming_out, key=_model_name)),
    ]
    schemas, definitions = models_json_schema(modes, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = route.path if isinstance(route, OpenRoute) else f"{prefix}{route.path}"
        if dialect.redirects_to_slash and isinstance(route, Route) and not path.endswith("/"):
            path += "/"
        operation = _describe_operation(route, schemas, dialect)
        paths.setdefault(_PART.sub(r"{\1}", path), {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": info.title,
            "version": info.version,
            "summary": info.summary,
            "description": info.description,
            "contact": {"name": "EWMS"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _describe_operation(route: AnyRoute, schemas: _Schemas, dialect: Dialect) -> dict[str, Any]:
    parameters = {} if isinstance(route, OpenRoute) else route.parameters
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": re.sub(r"[^a-z0-9]+", "_", f"{route.method} {route.path}".lower()).strip("_"),
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": parameters.get(name, _ID)}
            for name in _PART.findall(route.path)
        ],
        "responses": {"200": {"description": "Done", "content": _describe_content()}},
    }
    if isinstance(route, OpenRoute):
        return operation
    operation["security"] = [] if route.roles == ANYBODY else [{"token": []}]
    operation["parameters"] += [
        {"name": name, "in": "query", "required": required, "schema": parameters.get(name, _TEXT)}
        for name, required in route.query.items()
    ]
    # A path with an id in it may name nothing: 404.
    errors = {400, 403, 429, 500, 503, *route.errors, *({404} if "{" in route.path else ())}
    if dialect.challenge and route.roles != ANYBODY:
        errors.add(401)
    good = _describe_content(schemas[route.answer, "serialization"] if route.answer else None, route.media_type)
    good |= {form: {"schema": {"type": "string"}} for form in route.text_forms}
    bad = _describe_content(schemas[dialect.error_model, "serialization"])
    operation["responses"] = {
        **{
            str(code): {"description": _DONE[code], **({"content": good} if code != 204 else {})}
            for code in route.codes
        },
        **{str(code): {"description": _ERRORS[code], "content": bad} for code in sorted(errors)},
    }
    if route.body is not None:
        operation["requestBody"] = {
            "required": not route.body_optional,
            "content": _describe_content(schemas[route.body, "validation"]),
        }
    if route.method == "POST":
        operation["parameters"].append(
            {"name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string"}}
        )
    return operation


def _describe_success(code: int, content: dict[str, Any]) -> dict[str, Any]:
    return {"description": _DONE[code], **({} if code == 204 else {"content": content})}


def _describe_content(schema: JsonSchemaValue | None = None, media_type: str = "") -> dict[str, Any]:
    if media_type == "text/event-stream":
        # The schema is that of one event.
        text = {"type": "string"}
        return {media_type: {"schema": {"type": "object", "properties": {"id": text, "event": text, "data": text}}}}
    if media_type:
        return {media_type: {"schema": {"type": "string"}}}
    return {"application/json": {"schema": schema or {"type": "object"}}}


def _model_name(model: type[BaseModel]) -> str:
    return model.__name__
