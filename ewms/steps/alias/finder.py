"""Find the modules of another package's name among EWMS's own. Python calls the finder for each import of such a
name.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from ewms.steps.alias.orchestrator_names import (
    MODULES,
    LeftOut,
    NameEntry,
    find_left_out,
    find_name,
    has_module,
    is_helper_module,
)

#: The packages whose names EWMS can take.
ALIASES = ("orchestrator",)


class AliasTaken(ValueError):
    """The real package of that name has been imported already."""


class _OldModule(ModuleType):
    """A module under a name of the other package. Its attributes are EWMS's objects."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        inner = _strip_root(self.__name__)
        below = f"{inner}.{name}".lstrip(".")
        own = MODULES.get(inner, {}).get(name)
        if own is None and find_left_out(below) is None and has_module(below):
            raise AttributeError(name)  # Python then imports the module below
        found = own or find_left_out(below) or find_name(inner, name)
        try:
            return _resolve_name(f"{self.__name__}.{name}", found)
        except ImportError as error:
            # `from module import name` asks `hasattr` first, and shows only an ImportError as it is. For all others the
            # name is an attribute that is not there. No class can be both errors: their layouts differ.
            if sys._getframe(1).f_code.co_name == "_handle_fromlist":
                raise
            raise AttributeError(str(error)) from None

    def __setattr__(self, name: str, value: Any) -> None:
        # `orchestrator.workflow` is a module and a decorator. The name in the package is the decorator.
        if not (isinstance(value, _OldModule) and name in MODULES.get(_strip_root(self.__name__), {})):
            super().__setattr__(name, value)


class _AliasFinder(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in ALIASES:
            return None
        inner = _strip_root(fullname)
        left_out = find_left_out(inner) if inner not in MODULES else None
        if left_out is not None or not (inner == "" or has_module(inner) or is_helper_module(inner)):
            _resolve_name(fullname, left_out)
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _OldModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        entries = MODULES.get(_strip_root(module.__name__), {})
        there = {name: entry for name, entry in entries.items() if not isinstance(entry, LeftOut)}
        module.__dict__.update({name: _resolve_name(name, entry) for name, entry in there.items()})
        module.__dict__["__all__"] = [name for name in there if not name.startswith("_")]


def install_alias(package: str) -> None:
    """Make each import of `package` find EWMS's step lists from now on. A second call changes nothing.

    Raises:
        ValueError: EWMS has no alias for `package`.
        AliasTaken: the real package has been imported already.
    """
    if package not in ALIASES:
        raise ValueError(f"there is no alias for {package!r}; there is one for {', '.join(ALIASES)}")
    if any(isinstance(finder, _AliasFinder) for finder in sys.meta_path):
        return
    if package in sys.modules:
        raise AliasTaken(f"the package {package!r} is imported already: install the alias before the first import")
    sys.meta_path.insert(0, _AliasFinder())


@contextmanager
def use_alias(package: str) -> Iterator[None]:
    """Install the alias for the block only. Tests use this."""
    install_alias(package)
    try:
        yield
    finally:
        sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _AliasFinder)]
        for name in [name for name, module in sys.modules.items() if isinstance(module, _OldModule)]:
            del sys.modules[name]


def _strip_root(fullname: str) -> str:
    """Return the name of the module as in `MODULES`: without `orchestrator` and without `core`."""
    parts = fullname.split(".")[1:]
    return ".".join(parts[1:] if parts[:1] == ["core"] else parts)


def _resolve_name(old: str, entry: NameEntry | None) -> Any:
    """Return the object that `entry` names. `old` is the name in the other package.

    Raises:
        ImportError: the name is left out, or unknown.
    """
    if entry is None:
        raise ImportError(f"EWMS has no {old}; `help(ewms.steps)` and docs/steps.md list the names that there are")
    if isinstance(entry, LeftOut):
        raise ImportError(f"EWMS has no {old}. {entry.sentence[0].upper()}{entry.sentence[1:]}.")
    return getattr(import_module(entry.module), entry.attribute)
