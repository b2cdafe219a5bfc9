"""Read the annotation of a model's field: whether the field holds a block, a list of blocks, or a plain value.
(core)
"""

from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin


@dataclass(frozen=True)
class FieldShape:
    """What a field holds: a block of one of `kinds`, or a list of such blocks. If `kinds` is empty, a plain value."""

    kinds: tuple[type[Any], ...] = ()
    is_list: bool = False
    is_optional: bool = False
    #: How many blocks a new list gets.
    min_items: int = 0


def read_shape(annotation: Any, family: type[Any], metadata: tuple[Any, ...] = ()) -> FieldShape:
    """Return the shape of a field with `annotation` and `metadata`. Subclasses of `family` are blocks."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return read_shape(arguments[0], family, (*arguments[1:], *metadata))
    if origin in (Union, UnionType):
        shapes = [read_shape(one, family, metadata) for one in arguments if one is not NoneType]
        kinds = tuple(kind for shape in shapes for kind in shape.kinds)
        is_list = any(shape.is_list for shape in shapes)
        return FieldShape(kinds, is_list, NoneType in arguments, max(shape.min_items for shape in shapes))
    if isinstance(annotation, TypeVar):
        return read_shape(annotation.__bound__, family, metadata)
    if isinstance(origin or annotation, type) and issubclass(origin or annotation, list):
        item = arguments[0] if arguments else getattr(annotation, "item_type", Any)
        minimum = getattr(annotation, "min_items", None) or max(
            [_find_least_length(one) for one in metadata], default=0
        )
        return FieldShape(read_shape(item, family).kinds, True, False, minimum)
    if isinstance(annotation, type) and issubclass(annotation, family):
        return FieldShape((annotation,))
    return FieldShape()


def _find_least_length(constraint: Any) -> int:
    return getattr(constraint, "min_length", None) or getattr(constraint, "min_items", None) or 0
