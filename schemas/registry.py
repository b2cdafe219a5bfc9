"""Registries of classes by their names on the wire. The definition of a class puts it into its registry."""

from typing import TypeVar

Word = TypeVar("Word", bound=type)


def register_class(registry: dict[str, Word], name: str, defined: Word) -> None:
    """Put `defined` into `registry` as `name`. If Python loads a module again, its class counts as the same one.

    Raises:
        TypeError: another class has that name.
    """
    known = registry.setdefault(name, defined)
    if (known.__module__, known.__qualname__) != (defined.__module__, defined.__qualname__):
        raise TypeError(f"{defined.__qualname__} and {known.__qualname__} are both called {name!r}: rename one")
