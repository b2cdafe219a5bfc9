"""The OpenAPI document of the gateway, made from its routes and from the models that check the bodies."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from schemas.api import ErrorBody
from wms.gateway.auth import allowed
from wms.gateway.calls import AnyRoute, OpenRoute, Route

_REF = "#/components/schemas/{model}"

_DONE = {200: "Done", 207: "Done for some; the results say for which not"}

_ERRORS = {
    400: "The request does not fit; the error names the field",
    403: "No token, one that proves nothing, or one without the role",
    404: "It does not exist, or is not yours",
    409: "The Idempotency-Key was used for another request",
    413: "The body is too large",
    422: "The object's state forbids it for good",
    500: "A defect of ours",
    503: "A dependency is away; Retry-After says when to try again",
}


def document(routes: Iterable[AnyRoute], *, version: str, prefix: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of `routes`, those with a version below `prefix`."""
    routes = [route for route in routes if not route.path.startswith("/docs")]
    models = {model for route in routes if isinstance(route, Route) for model in (route.body, route.answer) if model}
    modes = sorted(models | {ErrorBody}, key=lambda model: model.__name__)
    _, definitions = models_json_schema([(model, "validation") for model in modes], ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = route.path if isinstance(route, OpenRoute) else f"{prefix}{route.path}"
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
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


def _operation(route: AnyRoute) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": re.sub(r"[^a-z0-9]+", "_", f"{route.method} {route.path}".lower()).strip("_"),
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": r"^[\w-]+$"}}
            for name in re.findall(r"{(\w+)}", route.path)
        ],
        "responses": {"200": {"description": "Done", "content": _content(None)}},
    }
    if isinstance(route, OpenRoute):
        return operation
    operation["security"] = [{"token": []}] if allowed(route.method, route.path) else []
    operation["parameters"] += [
        {"name": name, "in": "query", "required": required, "schema": {"type": "string"}}
        for name, required in route.query.items()
    ]
    # A path whose id is no id leads nowhere.
    errors = {400, 403, 500, 503, *route.errors, *({404} if "{" in route.path else ())}
    operation["responses"] = {
        **{str(code): {"description": _DONE[code], "content": _content(route.answer)} for code in route.codes},
        **{str(code): {"description": _ERRORS[code], "content": _content(ErrorBody)} for code in sorted(errors)},
    }
    if route.body is not None:
        operation["requestBody"] = {"required": not route.body_optional, "content": _content(route.body)}
    if route.method == "POST":
        operation["parameters"].append(
            {"name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string"}}
        )
    return operation


def _content(model: type[BaseModel] | None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"} if model is None else {"$ref": _REF.format(model=model.__name__)}
    return {"application/json": {"schema": schema}}
