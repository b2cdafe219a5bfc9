"""Types of fields that several bodies of REST routes share: names, lists without repeats, optional keys of answers."""

import json
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, StringConstraints
from pydantic_core import to_jsonable_python

Item = TypeVar("Item")
Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]


def _canonical_text(item: Any) -> str:
    return json.dumps(to_jsonable_python(item), sort_keys=True)


def _check_unique(items: list[Item]) -> list[Item]:
    # Compare texts in a set: comparing a thousand tasks pair by pair would keep the gateway busy for seconds.
    if len({_canonical_text(item) for item in items}) < len(items):
        raise ValueError("has non-unique elements")
    return items


Unique = AfterValidator(_check_unique)
UNIQUE = {"uniqueItems": True}


def make_optional(*names: str) -> Callable[[dict[str, Any]], None]:
    """Return a function that makes the keys `names` optional in the JSON schema of an answer."""

    def change(schema: dict[str, Any]) -> None:
        schema["required"] = [name for name in schema.get("required", []) if name not in names]

    return change
