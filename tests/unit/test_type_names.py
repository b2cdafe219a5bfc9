"""Each type name stands for one type in the whole product."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "runtime", "wms", "mqs", "tms", "pilot", "ewms", "processes", "deploy")

#: Names of two types, each with the reason.
ALLOWED = {"Workflow": "the client's, which users write, and the contract's object of the same name"}


def test_no_two_types_share_a_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(str(path.relative_to(ROOT)))
    assert len(places) > 500
    shared = {name: found for name, found in places.items() if len(found) > 1}
    assert shared.keys() == ALLOWED.keys(), shared
