"""Show inventories, their groups and hosts as tables, and where a host's variables come from. (core)"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

_MAX_VALUE = 60


def inventory_table(found: Iterable[Mapping[str, Any]]) -> Table:
    """Return a table with a row for each inventory."""
    table = _make_table("id", "name", "organization", "hosts", "groups", "revision", "description")
    for each in found:
        numbers = [str(each[name]) for name in ("n_hosts", "n_groups", "rev")]
        table.add_row(str(each["id"]), Text(each["name"]), each["organization"], *numbers, Text(each["description"]))
    return table


def group_table(inventory: Mapping[str, Any]) -> Table:
    """Return a table with a row for each group of an inventory."""
    table = _make_table("group", "groups in it", "variables")
    for each in inventory["groups"]:
        table.add_row(each["name"], ", ".join(each["children"]), Text(_write_variables(each["variables"])))
    return table


def host_table(found: Iterable[Mapping[str, Any]]) -> Table:
    """Return a table with a row for each host."""
    table = _make_table("id", "host", "groups", "labels", "variables")
    for each in found:
        names = [", ".join(each[name]) for name in ("groups", "labels")]
        table.add_row(str(each["id"]), each["name"], *names, Text(_write_variables(each["variables"])))
    return table


def blame_lines(seen: Mapping[str, Any], names: Iterable[str] = ()) -> Iterator[Text]:
    """Yield for each variable of a host, or for those of these `names`, its value, and the levels that give it one."""
    wanted = set(names)
    for name in sorted(seen["blame"]):
        if wanted and name not in wanted:
            continue
        *overridden, winner = seen["blame"][name]
        yield Text.assemble((name, "bold"), f" = {_write_value(winner['value'])}  from {_name_level(winner)}")
        for source in reversed(overridden):
            yield Text(f"    over {_write_value(source['value'])}  from {_name_level(source)}", style="dim")


def _name_level(source: Mapping[str, Any]) -> str:
    return f"{source['level']} {source['name']}" if source["name"] else "the inventory"


def _write_variables(variables: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_write_value(value)}" for name, value in variables.items())


def _write_value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 1]}…"


def _make_table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
