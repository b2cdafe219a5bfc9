"""Read a document, JSON or YAML, and remember the line of each of its values. (core)

nodes:                          ()                 line 1
- identifier: build             ("nodes", 0)       line 2
  success_nodes: [test]         ("nodes", 0, "success_nodes", 0)   line 3
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from schemas.errors import Rejected

_MAX_DEPTH = 32
#: libyaml reads ten times faster than Python does.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Path = tuple[str | int, ...]


class BadDocument(Rejected):
    """The text is neither JSON nor YAML, or has something that these documents never need."""


@dataclass(frozen=True, slots=True)
class LocatedDocument:
    """A value with the lines of its parts. A value that came as JSON has no lines."""

    value: Any
    lines: Mapping[Path, int] = field(default_factory=dict)

    def name_place(self, path: Path) -> str:
        """Return where `path` is, for an error: the line, or else the path itself."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return f"line {self.lines[path[:length]]}"
        return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".") or "all"


def read_located(text: str) -> LocatedDocument:
    """Return the document in `text`. JSON is read as YAML, of which it is a part.

    Raises:
        BadDocument: the text cannot be read, has a key twice, an alias or a tag, or is nested too deeply.
    """
    try:
        root = _compose_nodes(text)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f"line {mark.line + 1}: "
        raise BadDocument(f"{where}{getattr(error, 'problem', None) or 'the text is not YAML'}") from error
    reader = _LocatedReader()
    value = None if root is None else reader.read_node(root, ())
    return LocatedDocument(value, reader.lines)


def _compose_nodes(text: str) -> yaml.Node | None:
    """Return the root of the nodes in `text`; None: there is none.

    Raises:
        BadDocument: it is nested too deeply.
    """
    depth = 0
    # libyaml composes nodes by recursion and does not count it: a text of many brackets would end the process. It does
    # not need recursion to read events.
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH + 1:
                raise BadDocument(f"line {event.start_mark.line + 1}: the document is nested too deeply")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return yaml.compose(text, Loader=_LOADER)


def read_plain(text: str) -> Any:
    """Return the value in `text`, without lines. JSON takes a hundredth of the time that YAML takes.

    Raises:
        BadDocument: as `read_located` does.
    """
    try:
        value = json.loads(text, object_pairs_hook=_read_object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        # YAML, or JSON with a fault, whose line that reader names.
        return read_located(text).value
    return value if _is_shallow(value, _MAX_DEPTH) else read_located(text).value


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _is_shallow(value: Any, depth: int) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth >= 0 and all(_is_shallow(part, depth - 1) for part in parts)


class _LocatedReader:
    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self._seen: set[int] = set()
        self._loader = yaml.SafeLoader("")

    def read_node(self, node: yaml.Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        if id(node) in self._seen:
            raise BadDocument(f"line {line}: aliases are not allowed", hint="write the value out")
        if len(path) > _MAX_DEPTH:
            raise BadDocument(f"line {line}: the document is nested too deeply")
        self._seen.add(id(node))
        self.lines[path] = line
        match node:
            case yaml.MappingNode():
                return self._read_mapping(node, path)
            case yaml.SequenceNode():
                return [self.read_node(child, (*path, number)) for number, child in enumerate(node.value)]
            case _:
                try:
                    value = self._loader.construct_object(node)
                except (yaml.YAMLError, ValueError) as error:
                    tag = f", as tags like {node.tag} are not allowed" if node.tag.startswith("!") else ""
                    raise BadDocument(f"line {line}: this value cannot be read{tag}") from error
                # YAML has dates; JSON, in which a run keeps its variables, has not.
                return value if isinstance(value, str | int | float | bool | None) else node.value

    def _read_mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, child in node.value:
            line = key_node.start_mark.line + 1
            key = key_node.value
            if not isinstance(key, str):
                raise BadDocument(f"line {line}: a key must be a text")
            if key in found:
                raise BadDocument(f"line {line}: the key {key!r} stands here twice")
            found[key] = self.read_node(child, (*path, key))
            # A value may begin on the line after its key.
            self.lines[(*path, key)] = line
        return found
