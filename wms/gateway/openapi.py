"""The OpenAPI document of the gateway, made from its routes and from the models that check the bodies."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, JsonSchemaValue, models_json_schema

from schemas.api.general import ErrorBody
from wms.gateway.auth import find_allowed_roles
from wms.gateway.route import AnyRoute, OpenRoute, Route

_REF = "#/components/schemas/{model}"

#: Name of a path part -> its schema, for parts that are not ids.
_PATH_PARTS = {"name": {"type": "string", "pattern": r"^[0-9]{1,7}\.(out|err)$"}}
_ID = {"type": "string", "pattern": r"^[\w-]+$"}

_NUMBER = {"type": "integer", "minimum": 0, "maximum": 10**15 - 1}
#: Query parameter -> its schema, for parameters that accept only some texts.
_PARAMETERS: Mapping[str, Any] = {
    "include": {"type": "string", "enum": ["health"]},
    "/query/workflows?include": {"type": "string", "enum": ["outcome"]},
    "/workflows/{workflow_id}?include": {"type": "string", "enum": ["health", "progress", "health,progress"]},
    "first_proc": {**_NUMBER, "maximum": 10**7 - 1},
    "offset": _NUMBER,
    "tail": _NUMBER,
}

#: (model, `validation` for a request or `serialization` for an answer) -> schema.
_Schemas = Mapping[tuple[Any, JsonSchemaMode], JsonSchemaValue]

_DONE = {200: "Done", 207: "Done for some; the results name those that failed"}

_ERRORS = {
    400: "The request does not fit; the error names the field",
    403: "No token, an invalid token, or a token without the role",
    404: "It does not exist, or it is not yours",
    409: "The Idempotency-Key was used for another request",
    413: "The body is too large",
    422: "The object's state forbids it for good",
    429: "You have too many requests under way, or have sent too many; Retry-After says how many seconds to wait",
    500: "A defect of ours",
    503: "A service that this one needs does not answer; Retry-After says how many seconds to wait",
}


def build_document(routes: Iterable[AnyRoute], *, version: str, prefix: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of `routes`. Routes with a version get the `prefix`."""
    routes = [route for route in routes if not route.path.startswith("/docs")]
    own = [route for route in routes if isinstance(route, Route)]
    going_in = {route.body for route in own if route.body}
    coming_out = {route.answer for route in own if route.answer} | {ErrorBody}
    modes: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "validation") for model in sorted(going_in, key=_model_name)),
        *((model, "serialization") for model in sorted(coming_out, key=_model_name)),
    ]
    schemas, definitions = models_json_schema(modes, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = route.path if isinstance(route, OpenRoute) else f"{prefix}{route.path}"
        paths.setdefault(path, {})[route.method.lower()] = _describe_operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "EWMS",
            "version": version,
            "summary": "Event Workflow Management System",
            "description": "Request workflows of tasks joined by message queues, watch them, and end them.",
            "contact": {"name": "EWMS"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _describe_operation(route: AnyRoute, schemas: _Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": re.sub(r"[^a-z0-9]+", "_", f"{route.method} {route.path}".lower()).strip("_"),
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": _PATH_PARTS.get(name, _ID)}
            for name in re.findall(r"{(\w+)}", route.path)
        ],
        "responses": {"200": {"description": "Done", "content": _describe_content()}},
    }
    if isinstance(route, OpenRoute):
        return operation
    operation["security"] = [{"token": []}] if find_allowed_roles(route.method, route.path) else []
    operation["parameters"] += [
        {"name": name, "in": "query", "required": required, "schema": _parameter_schema(route.path, name)}
        for name, required in route.query.items()
    ]
    # A path with an id in it may name nothing: 404.
    errors = {400, 403, 429, 500, 503, *route.errors, *({404} if "{" in route.path else ())}
    good = _describe_content(schemas[route.answer, "serialization"] if route.answer else None, route.media_type)
    bad = _describe_content(schemas[ErrorBody, "serialization"])
    operation["responses"] = {
        **{str(code): {"description": _DONE[code], "content": good} for code in route.codes},
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


def _describe_content(schema: JsonSchemaValue | None = None, media_type: str = "") -> dict[str, Any]:
    if media_type:
        return {media_type: {"schema": {"type": "string"}}}
    return {"application/json": {"schema": schema or {"type": "object"}}}


def _parameter_schema(path: str, name: str) -> Any:
    return _PARAMETERS.get(f"{path}?{name}") or _PARAMETERS.get(name, {"type": "string"})


def _model_name(model: type[BaseModel]) -> str:
    return model.__name__
