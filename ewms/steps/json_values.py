"""The state of a process is JSON. Turn Python values into JSON values, merge them, and limit their size. (core)

Between two steps the state always goes through `to_plain`, in tests too. So a step never gets an object that another
step has made, and a step list that works in a test also works after a restart.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_jsonable_python

from schemas.engine.runs import MAX_STATE_BYTES

Plain = Any


@runtime_checkable
class HasPlainForm(Protocol):
    """A value that can convert itself to its form in the state."""

    def as_plain(self) -> Plain:
        """Return the value as dictionaries, lists, texts, numbers, booleans and None."""
        ...


class NotPlain(TypeError):
    """A value cannot be written as JSON. The text names the key of the value."""


class StateTooLarge(ValueError):
    """The state is larger than 1 MiB as JSON. The text names the largest key."""


def to_plain(value: object, path: str = "") -> Plain:
    """Return `value` as plain JSON: UUIDs, times, addresses and enums as text, models as objects, sets as lists.

    Raises:
        NotPlain: a value has no form in JSON; the error names the value's path below `path`.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return to_plain(value.value, path)
    if isinstance(value, str | int):
        return str(value) if isinstance(value, str) else int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotPlain(f"{path or 'the value'} is {value}, which JSON cannot hold")
        return float(value)
    if isinstance(value, HasPlainForm):
        return value.as_plain()
    if isinstance(value, BaseModel):
        return to_plain(value.model_dump(mode="json"), path)
    if isinstance(value, Mapping):
        return {
            _plain_key(key, path): to_plain(item, f"{path}.{key}" if path else str(key)) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [to_plain(item, f"{path}.{n}") for n, item in enumerate(value)]
    if isinstance(value, set | frozenset):
        return sorted((to_plain(item, path) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name), f"{path}.{field.name}") for field in fields(value)}
    try:
        return to_jsonable_python(value)
    except (PydanticSerializationError, UnicodeDecodeError):
        raise NotPlain(f"{path or 'the value'} is a {type(value).__name__}, which JSON cannot hold") from None


def _plain_key(key: object, path: str) -> str:
    plain = to_plain(key, path)
    if isinstance(plain, str):
        return plain
    if isinstance(plain, int) and not isinstance(plain, bool):
        return str(plain)
    raise NotPlain(f"{path or 'the value'} has the key {key!r}, and JSON's keys are text")


def merge_deeply(base: Mapping[str, Plain], changes: Mapping[str, Plain]) -> dict[str, Plain]:
    """Return `base` with `changes`. Objects are merged key by key; lists and all other values are replaced."""
    merged = dict(base)
    for key, value in changes.items():
        before = merged.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[key] = merge_deeply(before, value) if both and before is not None else value
    return merged


def check_size(state: Mapping[str, Plain]) -> None:
    """Raise StateTooLarge if `state` is larger than `MAX_STATE_BYTES` as JSON."""
    sizes = {key: len(json.dumps(value, ensure_ascii=False).encode()) for key, value in state.items()}
    if (total := sum(sizes.values())) > MAX_STATE_BYTES:
        largest = max(sizes, key=lambda key: sizes[key])
        raise StateTooLarge(
            f"the state has {total} bytes, and at most {MAX_STATE_BYTES} are allowed; the largest key is {largest!r} "
            f"with {sizes[largest]}. Keep large data in a file or a service, and its name in the state."
        )
