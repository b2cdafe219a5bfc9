"""A core decides and does no I/O: what it may import is a list, and whatever is not on it fails here.

A module is a core when the first paragraph of its docstring says so. All of `schemas` counts as core.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "runtime", "wms", "mqs", "tms", "pilot", "ewms", "processes", "deploy")
_CORE = re.compile(r"\(core\)")

#: Parts of the standard library that only compute. No clock, no randomness, no environment, no file, no thread.
COMPUTES = frozenset(
    {
        "abc",
        "base64",
        "binascii",
        "bisect",
        "ast",
        "calendar",
        "codecs",
        "collections",
        "contextlib",
        "dataclasses",
        "datetime",
        "difflib",
    }
    | {
        "enum",
        "errno",
        "fractions",
        "fnmatch",
        "functools",
        "graphlib",
        "hashlib",
        "heapq",
        "ipaddress",
        "itertools",
        "json",
        "math",
        "operator",
        "re",
    }
    | {"shlex", "string", "struct", "types", "typing", "unicodedata", "urllib.parse", "zlib", "zoneinfo"}
)
#: Names that a core may take from a module whose other names do I/O.
NAMES = {
    "pathlib": {"Path", "PurePath", "PurePosixPath"},  # a Path as a value; reading it is the shell's
    "signal": {"Signals"},
    "sys": {"executable", "maxsize", "byteorder"},
    "uuid": {"UUID", "uuid5"},
}
#: Libraries that only compute, for the packages that have them. The pilot has none but the codec of its payloads.
LIBRARIES = {
    "schemas": {"orjson", "pydantic", "pydantic_core", "zstandard"},
    # jsonschema_rs could fetch schemas; `parameter_schema` gives it a retriever that refuses.
    "wms": {"dateutil", "jsonschema_rs", "pydantic", "yaml"},
    "mqs": {"pydantic"},
    "ewms": {"pydantic", "pydantic_core", "rich", "zstandard"},
    "processes": {"pydantic"},
    "deploy": {"pydantic", "pydantic_core", "rich"},
}
#: Calls of an allowed name that would read a clock or the disk after all.
_IMPURE = re.compile(
    r"(datetime|date)\.(now|utcnow|today)|open|print|input|"
    r".*\.(read_text|read_bytes|write_text|write_bytes|exists|is_file|is_dir|iterdir|mkdir|stat|resolve|unlink)"
)


def module_of(path: Path) -> str:
    """Return the dotted name of the module at `path`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_of(path): path.read_text() for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}


def is_core(module: str, source: str) -> bool:
    """Return whether the docstring of `module` calls it a core."""
    if module.split(".", maxsplit=1)[0] == "schemas":
        return True
    # Each worker of pytest comes here for every module, and parsing all of them takes a second.
    if _CORE.search(source) is None:
        return False
    first = (ast.get_docstring(ast.parse(source)) or "").split("\n\n")[0]
    return _CORE.search(first) is not None


CORES = {module for module, source in SOURCES.items() if is_core(module, source)}


def imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield (module, name) for what `tree` imports while it runs; the name is empty for a whole module."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.If(test=test, orelse=orelse) if "TYPE_CHECKING" in ast.unparse(test):
                for otherwise in orelse:
                    yield from imports(otherwise)
            case ast.Import(names=names):
                yield from ((alias.name, "") for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield from ((module, alias.name) for alias in names)
            case _:
                yield from imports(node)


def uses(tree: ast.AST, module: str) -> set[str]:
    """Return the names of `module` that `tree` uses as attributes, `module.name`."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == module
    }


def faults(module: str, source: str, cores: set[str]) -> list[str]:
    """Return what a core named `module` may not import or call, a line each."""
    package = module.split(".", maxsplit=1)[0]
    tree = ast.parse(source)
    found = []
    for origin, name in imports(tree):
        top = origin.split(".")[0]
        inner = f"{origin}.{name}" if f"{origin}.{name}" in SOURCES else origin
        if top in PACKAGES:
            if inner not in cores or top not in {package, "schemas", "runtime"}:
                found.append(f"imports {inner}, which is no core")
        elif origin in NAMES:
            if not_listed := ({name} if name else uses(tree, origin)) - NAMES[origin]:
                found.append(f"imports {', '.join(sorted(not_listed))} from {origin}")
        elif not ({origin, top} & (COMPUTES | LIBRARIES.get(package, set()))):
            found.append(f"imports {origin}")
    calls = (ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call))
    found += [f"calls {call}" for call in calls if _IMPURE.fullmatch(call)]
    return found


def test_cores_import_what_only_computes() -> None:
    found = {module: faults(module, SOURCES[module], CORES) for module in sorted(CORES)}
    assert {module: lines for module, lines in found.items() if lines} == {}


def test_every_package_has_cores() -> None:
    assert {core.split(".")[0] for core in CORES} == set(PACKAGES)


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "import random",
        "import asyncio",
        "import os",
        "from os import environ",
        "import secrets",
        "from threading import Thread",
        "from uuid import uuid4",
        "import uuid\nx = uuid.uuid1()",
        "import sys\nx = sys.argv",
        "from datetime import datetime\nx = datetime.now()",
        "from pathlib import Path\nx = Path('x').read_text()",
        "import pydantic",
        "from pilot.app import run",
        "from pilot import app",
        "def f():\n    import subprocess",
    ],
)
def test_io_in_a_core_is_found(line: str) -> None:
    assert faults("pilot.anything", line, CORES)


def test_the_standard_library_that_computes_is_allowed() -> None:
    source = (
        "import math\nfrom collections.abc import Mapping\nfrom schemas.ids import TaskforceUuid\nimport urllib.parse\n"
    )
    source += "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import asyncio\n"
    assert faults("pilot.anything", source, CORES) == []
