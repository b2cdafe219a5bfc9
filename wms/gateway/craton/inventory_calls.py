"""Read requests about inventories: who sends them, which object the path names, and which page they ask for."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from runtime.web.route import Call
from schemas.errors import NotFound, Rejected
from schemas.ids import HostId, InventoryId
from wms.inventory.inventory_parts import Inventories
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Principal
from wms.trees.object_ids import read_object_id

NUMBER: Mapping[str, Any] = {"type": "integer", "minimum": 1}
NAME: Mapping[str, Any] = {"type": "string", "pattern": r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", "maxLength": 253}
PAGE = 100
MAX_PAGE = 1000
PAGED: Mapping[str, Mapping[str, Any]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": PAGE},
    "marker": {"type": "integer", "minimum": 0, "default": 0},
}
#: The parameter of a DELETE that must not overwrite what others have changed.
REVISION: Mapping[str, Any] = {"type": "integer", "minimum": 0}

Row = TypeVar("Row")


class InventoryCalls:
    """What the routes of inventories, groups and hosts share."""

    def __init__(self, organizations: Organizations, inventories: Inventories) -> None:
        self._organizations = organizations
        self.inventories = inventories.service
        self.hosts = inventories.hosts

    async def find_principal(self, call: Call) -> Principal:
        """Return who sends the request."""
        return await self._organizations.find_principal(call.caller)


def read_inventory_id(call: Call) -> InventoryId:
    """Return the inventory's id in the path.

    Raises:
        NotFound: no inventory can have it.
    """
    return InventoryId(_read_id(call, "inventory"))


def read_host_id(call: Call) -> HostId:
    """Return the host's id in the path.

    Raises:
        NotFound: no host can have it.
    """
    return HostId(_read_id(call, "host"))


def _read_id(call: Call, name: str) -> int:
    text = call.read_path(name)
    number = read_object_id(text)
    if number is None:
        raise NotFound(f"no {name} found with id: {text}")
    return number


def read_inventory_query(call: Call) -> InventoryId | None:
    """Return the inventory's id in the query; None: the query has none.

    Raises:
        Rejected: it is no id.
    """
    text = call.read_query("inventory")
    if text is None:
        return None
    number = read_object_id(text)
    if number is None:
        raise Rejected("'inventory': must be the id of an inventory, a whole number")
    return InventoryId(number)


def read_revision(call: Call) -> int | None:
    """Return the revision in the query; None: the query has none.

    Raises:
        Rejected: it is no whole number.
    """
    return None if call.read_query("rev") is None else call.read_number("rev", 0)


def read_page(call: Call) -> tuple[int, int]:
    """Return after which id a page begins, and how many objects it has.

    Raises:
        Rejected: a number is none, or out of range.
    """
    return call.read_number("marker", 0), call.read_number("limit", PAGE, minimum=1, maximum=MAX_PAGE)


def cut_page(rows: Sequence[Row], limit: int, ids: Sequence[int]) -> tuple[Sequence[Row], int | None]:
    """Return the first `limit` of the rows, and the marker of the next page; None: there is none.

    `ids` has the id of each row. The caller has asked for one row more than the page has.
    """
    return rows[:limit], ids[limit - 1] if len(rows) > limit else None
