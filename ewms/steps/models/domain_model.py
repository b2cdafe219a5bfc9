"""The common base of subscriptions and blocks: plain fields, blocks below, and a class for each lifecycle. (core)"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, ClassVar, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from ewms.steps.models.annotations import FieldShape, read_shape
from ewms.steps.models.lifecycles import ClassFamily
from schemas.engine.subscriptions import SubscriptionLifecycle


class DomainModel(BaseModel):
    """A model whose fields are plain values, blocks, or lists of blocks."""

    model_config = ConfigDict(validate_assignment=True, extra="forbid", arbitrary_types_allowed=True)

    class_family: ClassVar[ClassFamily | None] = None
    #: The fields that every model of the kind has.
    header_fields: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def join_family(cls, is_base: bool, lifecycle: Sequence[SubscriptionLifecycle] | None) -> None:
        """If `is_base`, begin a new family with this class. If `lifecycle` is given, add this class to its family, for
        it.

        A family is a base class and the classes for its lifecycles.

        Raises:
            TypeError: `lifecycle` is given, and neither this class nor a class above it is a base.
        """
        if is_base:
            cls.class_family = ClassFamily(cls)
        if lifecycle is not None:
            if cls.class_family is None:
                raise TypeError(f"{cls.__name__} has a lifecycle and no base to stand beside")
            cls.class_family.add_member(cls, lifecycle)

    @classmethod
    def own_shapes(cls) -> dict[str, FieldShape]:
        """Return the shape of each field that is not a header field."""
        return _shapes_of(cls)

    @classmethod
    def new(cls, subscription_id: UUID, **fields: Any) -> Self:
        """Make a new block of this class in the subscription, and return it. Only block classes have this method."""
        raise NotImplementedError(f"{cls.__name__} is no block")

    @classmethod
    def fill_blocks(cls, subscription_id: UUID, given: dict[str, Any]) -> dict[str, Any]:
        """Return `given` with a new block for each required field that holds blocks and is not in `given`."""
        filled = dict(given)
        for name, shape in cls.own_shapes().items():
            if name in given or not shape.kinds or not cls.model_fields[name].is_required():
                continue
            kind: type[DomainModel] = shape.kinds[0]
            if shape.is_list:
                filled[name] = [kind.new(subscription_id) for _ in range(shape.min_items)]
            else:
                filled[name] = None if shape.is_optional else kind.new(subscription_id)
        return filled

    def iterate_blocks(self) -> Iterator["DomainModel"]:
        """Yield the blocks directly below this one."""
        for name, shape in self.own_shapes().items():
            if shape.kinds:
                value = getattr(self, name)
                yield from (one for one in (value if isinstance(value, list) else [value]) if one is not None)

    def as_plain(self) -> dict[str, Any]:
        """Return the model as plain JSON: every field, also the blocks of other owners, and the computed fields."""
        blocks = {name for name, shape in self.own_shapes().items() if shape.kinds}
        plain_fields = {*type(self).model_fields, *type(self).model_computed_fields} - blocks
        plain: dict[str, Any] = self.model_dump(mode="json", include=plain_fields)
        for name in blocks:
            value = getattr(self, name)
            if isinstance(value, list):
                plain[name] = [one.as_plain() for one in value]
            else:
                plain[name] = None if value is None else value.as_plain()
        return plain


@cache
def _shapes_of(model: type[DomainModel]) -> dict[str, FieldShape]:
    return {
        name: read_shape(field.annotation, DomainModel, tuple(field.metadata))
        for name, field in model.model_fields.items()
        if name not in model.header_fields
    }
