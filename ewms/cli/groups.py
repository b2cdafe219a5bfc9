"""The groups of commands, such as `ewms queue`. The module of a group is imported when the user names the group.

A group's name is the name of its module in a room of `ewms.cli.commands`, and `app` there has its commands.
`ewms --help` imports no group: to import all of them and to build their parsers takes longer than all else it does.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_group


class CommandGroup(NamedTuple):
    """A group of commands."""

    #: The room of its module in `ewms.cli.commands`.
    room: str
    #: What its commands are for.
    help: str


#: By name, in the order of `ewms --help`.
GROUPS: Mapping[str, CommandGroup] = {
    "workflow": CommandGroup("fleet", "Submit, follow and end workflows."),
    "task": CommandGroup("fleet", "See tasks and their errors, add workers, read what workers wrote."),
    "taskforce": CommandGroup("fleet", "See the state of taskforces, and read what workers wrote."),
    "queue": CommandGroup("events", "Publish, consume, look into queues, and see how full they are."),
    "dlq": CommandGroup("events", "List, show, replay, discard and export dead letters: the events that EWMS gave up."),
    "process": CommandGroup("steps", "Run step lists on subscriptions, and see every step."),
    "flow": CommandGroup("steps", "Run flows of nodes with success and failure edges, and see every node."),
    "subscription": CommandGroup("steps", "See subscriptions, and what can be run on them."),
    "tree": CommandGroup("automation", "Launch decision trees, and see every node."),
    "inventory": CommandGroup("automation", "Keep the hosts on which tasks run: groups, labels, variables."),
    "host": CommandGroup("automation", "The hosts of inventories."),
    "secret": CommandGroup("automation", "The secrets that jobs give to their tasks, as files."),
    "catalogue": CommandGroup("automation", "Register tasks from git, approve them, and follow their builds."),
    "job": CommandGroup("automation", "Run tasks of the catalogue on hosts of an inventory."),
    "craton": CommandGroup("automation", "Commands in Craton's words."),
    "pool": CommandGroup("steps", "See which step workers are there, and what they offer."),
    "cluster": CommandGroup("system", "See where tasks can run; operators drain these places."),
    "quota": CommandGroup("system", "How many workflows users and organizations may have. For operators."),
    "audit": CommandGroup("system", "See who changed what and when."),
    "image": CommandGroup("system", "Make images for tasks."),
}


class CommandGroups(TyperGroup):
    """The parser of the whole command."""

    def __init__(self, *, commands: Mapping[str, Any], **options: Any) -> None:
        """`commands` are those without a group. Help shows them first."""
        super().__init__(**options)
        self.commands = {**commands, **{name: _make_parser(name) for name in GROUPS}}


def _make_parser(name: str) -> TyperGroup:
    """Return the parser of a group. It reads its commands at their first use."""
    parser = TyperGroup(name=name, help=GROUPS[name].help, no_args_is_help=True, rich_markup_mode=None)
    parser.commands = _GroupCommands(name)  # type: ignore[assignment]  # the parser reads them only
    return parser


class _GroupCommands(Mapping[str, Any]):
    """The commands of a group by name."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._built: Mapping[str, Any] | None = None

    def _build(self) -> Mapping[str, Any]:
        if self._built is None:
            parent = typer.Typer(rich_markup_mode=None)
            parent.add_typer(import_module(name_module(self._group)).app, name=self._group)
            built: Any = get_group(parent).commands[self._group]
            self._built = built.commands
        return self._built

    def __getitem__(self, name: str) -> Any:
        return self._build()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._build())

    def __len__(self) -> int:
        return len(self._build())


def name_module(group: str) -> str:
    """Return the dotted name of the module of `group`."""
    return f"ewms.cli.commands.{GROUPS[group].room}.{group}"
