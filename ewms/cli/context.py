"""The common parts of all commands: the global options, the output of results and messages, and the client."""

import os
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ewms.cli.text.terminal.streams import json_text, print_to_stderr

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ewms.client import Client
    from ewms.flows.service import WorkflowService

#: The width (characters) of a table that goes to no terminal.
_PLAIN_WIDTH = 160

#: The width (characters) of a wide table: so large that only the terminal cuts a line.
_WIDE = 2000


class OutputFormat(StrEnum):
    """The formats of results."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """The global options, as the user gave them."""

    output: OutputFormat = OutputFormat.TABLE
    quiet: bool = False
    server: str | None = None
    token_file: str | None = None
    timeout: str = "30s"

    @property
    def is_wide(self) -> bool:
        """Whether the user wants tables with all columns, however wide."""
        return self.output is OutputFormat.WIDE

    @property
    def is_data(self) -> bool:
        """Whether a program reads the results: they are JSON, YAML or names."""
        return self.output in (OutputFormat.JSON, OutputFormat.YAML, OutputFormat.NAME)

    def write_result(self, value: Any, names: Iterable[str] = ()) -> bool:
        """If the user wants data, write the result as data: `value` as JSON or YAML, or `names`, one on each line.

        Return whether something was written. If not, the command shows a table.
        """
        match self.output:
            case OutputFormat.JSON:
                write_json(value)
            case OutputFormat.YAML:
                from ewms.cli.text.terminal.yaml_text import yaml_text

                sys.stdout.write(yaml_text(value))
                sys.stdout.flush()
            case OutputFormat.NAME:
                sys.stdout.write("".join(f"{name}\n" for name in names))
                sys.stdout.flush()
            case _:
                return False
        return True

    def make_console(self) -> "Console":
        """Make the console for results. It uses colours on a terminal, unless NO_COLOR is set."""
        from ewms.cli.text.terminal.safe_console import open_console

        if self.is_wide:
            return open_console(width=_WIDE)
        return open_console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH)

    def print_list(self, table: "Table", none: str) -> None:
        """Print `table` as a result. If it has no rows, tell the user `none` instead."""
        if table.row_count:
            self.make_console().print(table)
        else:
            self.tell_user(none)

    def make_client(self) -> "Client":
        """Make a client for the server that the options, the environment or the endpoints file name."""
        from ewms.client import Client

        return Client(self.server, token_file=self.token_file, timeout=self._parse_timeout())

    def make_flow_service(self) -> "WorkflowService":
        """Make a client of flows for the same server."""
        from ewms.flows.service import WorkflowService

        return WorkflowService(self.server, token_file=self.token_file, timeout=self._parse_timeout())

    def _parse_timeout(self) -> float:
        from schemas.errors import Rejected

        if not (timeout_s := parse_option("--timeout", self.timeout)):
            raise Rejected("--timeout: must be above 0", hint="the default is 30s")
        return timeout_s

    @property
    def default_clusters(self) -> tuple[str, ...]:
        """Return the location for tasks that name none, if EWMS_CLUSTER is set. This asks no server."""
        chosen = os.environ.get("EWMS_CLUSTER")
        return (chosen,) if chosen else ()

    def tell_user(self, text: str) -> None:
        """Write a message to stderr, because it is no result. With `-q`, write nothing."""
        if not self.quiet:
            print_to_stderr(text)


def parse_option(option: str, written: str | None) -> float | None:
    """Return in seconds the duration `written`, which is the value of `option`. Return None if the option was not
    given.

    Raises:
        Rejected: `written` is not a duration.
    """
    from ewms.durations import parse_seconds
    from schemas.errors import Rejected

    try:
        return None if written is None else parse_seconds(written)
    except ValueError as error:
        raise Rejected(f"{option}: {error}") from error


def parse_settings(
    words: Iterable[str], option: str = "--set", name: str = "PATH", *, texts: Collection[str] = ()
) -> dict[str, Any]:
    """Return path -> value for `words` such as `PATH=VALUE`. A value that is not JSON is text. So is each value whose
    path is in `texts`: there `1.10` stays what the user has typed.

    `option` and `name` are the words for the error.

    Raises:
        Rejected: a word has no path, or no `=`.
    """
    import json

    from schemas.errors import Rejected

    settings: dict[str, Any] = {}
    for word in words:
        path, equals, text = word.partition("=")
        if not equals or not path:
            raise Rejected(f"{option} {word}: write it as {name}=VALUE")
        try:
            settings[path] = json.loads(text)
        except ValueError:
            settings[path] = text
        if path in texts and not isinstance(settings[path], str):
            settings[path] = text
    return settings


def parse_secrets(words: Iterable[str]) -> list[dict[str, Any]]:
    """Return the secrets that `words` such as `NAME`, `NAME=FILE` and `NAME=FILE:7,8` name, as a request has them.

    Raises:
        Rejected: what follows the colon is not the ids of tasks.
    """
    return [_parse_secret(word) for word in words]


def _parse_secret(word: str) -> dict[str, Any]:
    from schemas.errors import Rejected

    secret, colon, tasks = word.partition(":")
    name, _, file = secret.partition("=")
    # An older WMS refuses fields that it does not know.
    if not colon:
        return {"name": name, "file": file or name}
    ids = tasks.split(",")
    if not all(each.isascii() and each.isdecimal() for each in ids):
        raise Rejected(
            f"--secret: {tasks!r} after the colon is not the ids of tasks",
            hint="--secret db-password:7,8, without blanks",
        )
    return {"name": name, "file": file or name, "tasks": [int(each) for each in ids]}


def write_json(value: Any) -> None:
    """Write `value` to stdout as one JSON document: indented on a terminal, otherwise on one line."""
    sys.stdout.write(json_text(value, indent=2 if sys.stdout.isatty() else None) + "\n")
    sys.stdout.flush()


def can_ask() -> bool:
    """Return whether a person can answer a question: there is a terminal, and CI is not set."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not os.environ.get("CI")
