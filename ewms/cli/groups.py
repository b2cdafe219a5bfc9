"""The groups of commands, such as `ewms queue`. The module of a group is imported when the user names the group.

A group's name is the name of its module in a room of `ewms.cli.commands`, and `app` there is the group.
"""

from collections import UserDict
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

#: Group -> the room of its module. In the order of `ewms --help`.
GROUPS: Mapping[str, str] = {
    "workflow": "fleet",
    "task": "fleet",
    "taskforce": "fleet",
    "queue": "events",
    "dlq": "events",
    "process": "steps",
    "flow": "steps",
    "subscription": "steps",
    "tree": "automation",
    "inventory": "automation",
    "host": "automation",
    "secret": "automation",
    "catalogue": "automation",
    "job": "automation",
    "craton": "automation",
    "pool": "steps",
    "cluster": "system",
    "quota": "system",
    "audit": "system",
    "image": "system",
}


class CommandGroups(TyperGroup):
    """The parser of the whole command. It builds the parser of a group at the group's first use.

    To build all of them takes a sixth of the CPU time of a short command.
    """

    def __init__(self, *, commands: Mapping[str, Any], **options: Any) -> None:
        """`commands` are those without a group. Help shows them first."""
        super().__init__(**options)
        self.commands = _Commands(commands)


class _Commands(UserDict[str, Any]):
    """Commands and groups by name."""

    def __init__(self, commands: Mapping[str, Any]) -> None:
        super().__init__({**commands, **dict.fromkeys(GROUPS)})

    def __getitem__(self, name: str) -> Any:
        if self.data[name] is None:
            self.data[name] = _build_group(name)
        return self.data[name]


def _build_group(name: str) -> Any:
    parent = typer.Typer(rich_markup_mode=None)
    parent.add_typer(import_module(name_module(name)).app, name=name)
    return get_group(parent).commands[name]


def name_module(group: str) -> str:
    """Return the dotted name of the module of `group`."""
    return f"ewms.cli.commands.{GROUPS[group]}.{group}"
