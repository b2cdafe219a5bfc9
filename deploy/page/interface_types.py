"""Make TypeScript types of an OpenAPI document: one type for each schema, and a table of what each route answers.

    {"components": {"schemas": {"Phase": {"enum": ["a", "b"]}}}}   ->   export type Phase = "a" | "b";

We write them ourselves: they need the few words of JSON Schema that our own models make, and no package of npm.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

_HEAD = "// Made of our OpenAPI document by deploy/page/interface_types.py; the build writes it again.\n"
_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_NAME = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)


def render_types(document: Mapping[str, Any]) -> str:
    """Return the TypeScript module for an OpenAPI `document`."""
    schemas = document.get("components", {}).get("schemas", {})
    types = [f"export type {_name_type(name)} = {_write_type(schema)};\n" for name, schema in sorted(schemas.items())]
    answers = [
        f"  {json.dumps(f'{method.upper()} {path}')}: {_render_answer(operation)};\n"
        for path, methods in sorted(document["paths"].items())
        for method, operation in sorted(methods.items())
    ]
    return "".join([_HEAD, *types, "export interface Answers {\n", *answers, "}\n"])


def _render_answer(operation: Mapping[str, Any]) -> str:
    for code, response in sorted(operation["responses"].items()):
        if code.startswith("2"):
            content = response.get("content", {})
            if "application/json" in content:
                return _write_type(content["application/json"].get("schema", {}))
            return "string" if content else "null"
    return "unknown"


def _write_type(schema: Any) -> str:
    match schema:
        case {"$ref": reference}:
            return _name_type(reference.rsplit("/", 1)[-1])
        case {"enum": values}:
            return " | ".join(json.dumps(value) for value in values)
        case {"const": value}:
            return json.dumps(value)
        case {"anyOf": choices} | {"oneOf": choices}:
            return " | ".join(dict.fromkeys(_write_type(choice) for choice in choices))
        case {"allOf": parts}:
            return " & ".join(f"({_write_type(part)})" for part in parts)
        case {"type": list(kinds)}:
            return " | ".join(_write_type({**schema, "type": kind}) for kind in kinds)
        case {"type": "array"}:
            return f"Array<{_write_type(schema.get('items', {}))}>"
        case {"type": "object"} | {"properties": _}:
            return _render_object(schema)
        case {"type": kind} if kind in _PLAIN:
            return _PLAIN[kind]
        case _:
            return "unknown"


def _render_object(schema: Mapping[str, Any]) -> str:
    properties: Mapping[str, Any] = schema.get("properties", {})
    if not properties:
        more = schema.get("additionalProperties")
        return f"Record<string, {_write_type(more) if isinstance(more, Mapping) else 'unknown'}>"
    required = set(schema.get("required", ()))
    members = "".join(
        f" {name if _NAME.fullmatch(name) else json.dumps(name)}{'' if name in required else '?'}: {_write_type(each)};"
        for name, each in properties.items()
    )
    return f"{{{members} }}"


def _name_type(name: str) -> str:
    return re.sub(r"\W", "", name.replace("-", "_"))
