"""Read an inventory from a text in one of Ansible's forms, and check it as a whole. (core)"""

import json
import re
from collections.abc import Mapping
from typing import Any

from schemas.automation.inventories import MAX_IMPORT_BYTES, InventoryForm
from schemas.errors import TooLarge
from wms.inventory.content.content_rules import check_content
from wms.inventory.content.inventory_content import InventoryContent, InventoryRefused
from wms.inventory.forms.draft import InventoryDraft
from wms.inventory.forms.ini_reading import read_ini
from wms.inventory.forms.json_reading import is_listing, read_listing
from wms.inventory.forms.yaml_reading import read_yaml
from wms.located_text import BadDocument, LocatedDocument, read_located

#: A line with which a YAML document, or one of its objects, begins.
_YAML_LINE = re.compile(r"---.*|[^\[\]=#;]+:\s*(\{.*)?(#.*)?")
_MAX_DEPTH = 34


def read_inventory(source: str | Mapping[str, Any], form: InventoryForm | None = None) -> InventoryContent:
    """Return the inventory in `source`: a text, or an object in one of the JSON forms. None: find out the form.

    Raises:
        InventoryRefused: the text cannot be read or breaks a rule of inventories; each fault has its line.
        TooLarge: the text is too large.
    """
    draft = _read_object(source) if isinstance(source, Mapping) else _read_text(source, form)
    content = draft.finish()
    check_content(content, name_place=draft.name_place)
    return content


def guess_form(text: str) -> InventoryForm:
    """Return the form that a text has, by its first line that is no comment."""
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and line[0] not in "#;"), "")
    if first.startswith("{"):
        return InventoryForm.JSON
    return InventoryForm.YAML if _YAML_LINE.fullmatch(first) else InventoryForm.INI


def _read_text(text: str, form: InventoryForm | None) -> InventoryDraft:
    if len(text) > MAX_IMPORT_BYTES:
        raise TooLarge(f"the text of an inventory has at most {MAX_IMPORT_BYTES} characters", hint="split it")
    text = text.removeprefix("\ufeff")
    match form or guess_form(text):
        case InventoryForm.INI:
            return read_ini(text)
        case InventoryForm.YAML:
            return read_yaml(_read_document(text))
        case InventoryForm.JSON:
            return _read_object(_read_json(text))


def _read_document(text: str) -> LocatedDocument:
    try:
        return read_located(text)
    except BadDocument as error:
        raise InventoryRefused([error.reason], hint=error.hint) from error


def _read_json(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text, object_pairs_hook=_make_object)
    except (ValueError, RecursionError) as error:
        place = f"line {error.lineno}: " if isinstance(error, json.JSONDecodeError) else ""
        why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise InventoryRefused([f"{place}the text is not JSON: {why}"]) from error
    if not isinstance(value, Mapping):
        raise InventoryRefused(["an inventory is an object whose keys are groups"])
    return value


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        twice = next(name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return members


def _read_object(value: Mapping[str, Any]) -> InventoryDraft:
    if not _is_shallow(value, _MAX_DEPTH):
        raise InventoryRefused([f"the document is nested deeper than {_MAX_DEPTH}"])
    return read_listing(value) if is_listing(value) else read_yaml(LocatedDocument(value))


def _is_shallow(value: Any, depth: int) -> bool:
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return depth >= 0 and all(_is_shallow(part, depth - 1) for part in parts)
