"""Registries of classes by their names on the wire or in the database. The definition of a class registers it."""

from typing import NewType, TypeVar

Word = TypeVar("Word", bound=type)

#: The name of a collection in MongoDB.
Collection = NewType("Collection", str)

#: Name of a collection -> the class of its documents.
COLLECTIONS: dict[str, type] = {}


def register_class(registry: dict[str, Word], name: str, defined: Word) -> None:
    """Put `defined` into `registry` under `name`. If Python loads a module again, its class may register again.

    Raises:
        TypeError: another class has that name.
    """
    known = registry.setdefault(name, defined)
    if (known.__module__, known.__qualname__) != (defined.__module__, defined.__qualname__):
        raise TypeError(f"{defined.__qualname__} and {known.__qualname__} are both called {name!r}: rename one")


def register_collection(name: str, documents: type) -> Collection:
    """Register `documents` as the class of the documents in the collection `name`, and return that name.

    Call this in the module that defines the class.

    Raises:
        TypeError: another class has that collection.
    """
    register_class(COLLECTIONS, name, documents)
    return Collection(name)
