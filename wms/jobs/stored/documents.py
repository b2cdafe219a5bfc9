"""Turn jobs and their parts into documents of MongoDB, and back. The `_id` is the part's id."""

from typing import TypeVar

from runtime.kernel.decision import Document
from schemas.engine.runs import RunModel

Stored = TypeVar("Stored", bound=RunModel)


def make_stored(model: RunModel) -> Document:
    """Return `model` as MongoDB keeps it."""
    document = model.model_dump(exclude_none=True)
    document["_id"] = document.pop("id")
    return document


def read_stored(kind: type[Stored], document: Document) -> Stored:
    """Return what MongoDB keeps as `document`."""
    return kind.model_validate({**document, "id": document["_id"]})
