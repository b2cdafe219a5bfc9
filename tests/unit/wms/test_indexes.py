"""The indexes of WMS: several modules may name indexes of one collection."""

from importlib import import_module
from pathlib import Path

from runtime.kernel.store import Index
from wms.indexes import list_indexes, merge_indexes

ROOT = Path(__file__).parents[3]


def test_indexes_of_one_collection_add_up_and_none_stands_twice() -> None:
    first, second, third = Index(("a",)), Index(("b",), unique=True), Index(("c",))
    merged = merge_indexes([{"X": (first,), "Y": (third,)}, {"X": (second, first)}])
    assert merged == {"X": (first, second), "Y": (third,)}


def test_every_module_that_names_indexes_is_asked() -> None:
    """Each index that a module of WMS names is made, whichever module it is."""
    named = [
        (module.__name__, collection, index)
        for module in map(import_module, _list_modules())
        for collection, indexes in getattr(module, "INDEXES", {}).items()
        for index in indexes
    ]
    made = list_indexes()
    assert len({name for name, _, _ in named}) > 10
    assert [each for each in named if each[2] not in made.get(each[1], ())] == []


def _list_modules() -> list[str]:
    """Return the names of the modules of WMS whose text has indexes."""
    files = [path for path in (ROOT / "wms").rglob("*.py") if "\nINDEXES" in path.read_text()]
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files]
