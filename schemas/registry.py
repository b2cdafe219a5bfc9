"""Registries of words on the wire: a class stands in one as soon as it is defined, by the name that it has there."""

from typing import TypeVar

Word = TypeVar("Word", bound=type)


def register_class(registry: dict[str, Word], name: str, defined: Word) -> None:
    """Put `defined` into `registry` as `name`. A class whose module is loaded again is the same class.

    Raises:
        TypeError: another class has that name.
    """
    known = registry.setdefault(name, defined)
    if (known.__module__, known.__qualname__) != (defined.__module__, defined.__qualname__):
        raise TypeError(f"{defined.__qualname__} and {known.__qualname__} are both called {name!r}: rename one")
