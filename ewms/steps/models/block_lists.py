"""Lists of blocks with bounds, in the older notation. The newer notation is `Annotated[list[Block], Len(1, 8)]`."""

from typing import Any, ClassVar, TypeVar, get_args

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from ewms.steps.models.blocks import ProductBlockModel

#: The block in a list that is written for any block: `Annotated[list[SI], Len(1, 8)]`.
SI = TypeVar("SI", bound=ProductBlockModel)


class SubscriptionInstanceList(list[SI]):
    """A list of blocks that holds at least `min_items` and at most `max_items`.

    class PortPair(SubscriptionInstanceList[SI]):
        min_items = 2
        max_items = 2

    class LinkInactive(SubscriptionModel, is_base=True):
        ports: PortPair[PortBlockInactive]
    """

    min_items: ClassVar[int | None] = None
    max_items: ClassVar[int | None] = None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        items = get_args(source)
        item = handler.generate_schema(items[0]) if items else core_schema.any_schema()
        return core_schema.list_schema(item, min_length=cls.min_items, max_length=cls.max_items)
