"""TypeScript types say what an OpenAPI document says."""

from typing import Any

import pytest

from deploy.page.interface_types import render_types


def document(schemas: dict[str, Any], paths: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"components": {"schemas": schemas}, "paths": paths or {}}


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        ({"type": "string"}, "string"),
        ({"type": "integer"}, "number"),
        ({"type": ["string", "null"]}, "string | null"),
        ({"enum": ["a", "b"]}, '"a" | "b"'),
        ({"const": 3}, "3"),
        ({"$ref": "#/components/schemas/Config-Input"}, "Config_Input"),
        ({"anyOf": [{"type": "number"}, {"type": "integer"}]}, "number"),
        ({"allOf": [{"$ref": "#/x/A"}, {"$ref": "#/x/B"}]}, "(A) & (B)"),
        ({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, "Array<string | null>"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "Record<string, number>"),
        ({"type": "object"}, "Record<string, unknown>"),
        (
            {"type": "object", "properties": {"id": {"type": "string"}, "a-b": {}}, "required": ["id"]},
            '{ id: string; "a-b"?: unknown; }',
        ),
        ({}, "unknown"),
    ],
)
def test_each_word_of_a_schema_has_its_type(schema: dict[str, Any], written: str) -> None:
    assert f"export type Thing = {written};\n" in render_types(document({"Thing": schema}))


def test_each_route_names_what_it_answers() -> None:
    def answer(code: str, content: dict[str, Any]) -> dict[str, Any]:
        return {"responses": {code: {"content": content}, "400": {"content": {"application/json": {}}}}}

    paths = {
        "/things": {"get": answer("200", {"application/json": {"schema": {"$ref": "#/x/Things"}}})},
        "/text": {"get": answer("200", {"text/plain": {"schema": {"type": "string"}}})},
        "/gone": {"delete": answer("204", {})},
    }
    text = render_types(document({}, paths))
    for line in ('"GET /things": Things;', '"GET /text": string;', '"DELETE /gone": null;'):
        assert line in text
