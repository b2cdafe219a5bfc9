"""Search an inventory's hosts by name, label, group, merged variables and limit, all at once. (core)"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.errors import Rejected
from schemas.ids import InventoryId
from wms.inventory.content.content_edits import get_group
from wms.inventory.content.inventory_content import Host, InventoryContent
from wms.inventory.content.merging import VariableMerger
from wms.inventory.limits.host_selection import match_limit


@dataclass(frozen=True, slots=True, kw_only=True)
class HostWish:
    """What the hosts shall have. What is empty does not count."""

    inventory: InventoryId | None = None
    organization: str = ""
    name: str = ""
    labels: tuple[str, ...] = ()
    group: str = ""
    #: Merged variable -> its value as a text.
    variables: Mapping[str, str] = field(default_factory=dict)
    limit: str = ""

    @property
    def needs_content(self) -> str:
        """Return the name of the first part that needs all of one inventory; empty: none does."""
        parts = {"match": self.limit, "group": self.group, "vars": self.variables}
        return next((name for name, part in parts.items() if part), "")


def read_wanted_variables(text: str) -> dict[str, str]:
    """Return the variables in a text such as `os:ubuntu,rack:7`.

    Raises:
        Rejected: a part has no colon.
    """
    wanted: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        name, colon, value = part.partition(":")
        if not colon or not name:
            raise Rejected("'vars': write it as vars=NAME:VALUE,NAME:VALUE")
        wanted[name] = value
    return wanted


def find_hosts(content: InventoryContent, wish: HostWish) -> list[Host]:
    """Return the hosts of a whole inventory that fulfil a wish, in their order.

    Raises:
        NotFound: there is no such group.
        LimitRefused: the limit cannot be read, or names what the inventory does not have.
    """
    merger = VariableMerger(content)
    if wish.group:
        get_group(content, wish.group)
    return [host for host in match_limit(content, wish.limit, merger) if _fulfils(host, wish, merger)]


def _fulfils(host: Host, wish: HostWish, merger: VariableMerger) -> bool:
    if wish.name and host.name != wish.name:
        return False
    if not set(wish.labels) <= set(host.labels):
        return False
    if wish.group and wish.group not in merger.list_groups(host):
        return False
    if not wish.variables:
        return True
    merged = merger.merge_variables(host)
    return all(name in merged and _is_written(merged[name], text) for name, text in wish.variables.items())


def _is_written(value: Any, text: str) -> bool:
    """Return whether a text means a value: the text itself, or the value's JSON."""
    return text == (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
