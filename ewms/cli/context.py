"""What all commands share: the global options, the output of results and messages, and the client."""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ewms.cli.text.streams import json_text, print_to_stderr

if TYPE_CHECKING:
    from rich.console import Console

    from ewms.client import Client

#: The width (characters) of a table that goes to no terminal.
_PLAIN_WIDTH = 160

#: The width (characters) of a wide table: so large that only the terminal cuts a line.
_WIDE = 2000


class OutputFormat(StrEnum):
    """How results are written."""

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
        """Whether results go to a program: JSON, YAML or names."""
        return self.output in (OutputFormat.JSON, OutputFormat.YAML, OutputFormat.NAME)

    def write_result(self, value: Any, names: Iterable[str] = ()) -> bool:
        """Write a result as data, if the user wants data: `value` as JSON or YAML, or `names`, one a line.

        Otherwise write nothing and return False: the command then shows a table.
        """
        match self.output:
            case OutputFormat.JSON:
                write_json(value)
            case OutputFormat.YAML:
                from ewms.cli.text.yaml_text import yaml_text

                sys.stdout.write(yaml_text(value))
                sys.stdout.flush()
            case OutputFormat.NAME:
                sys.stdout.write("".join(f"{name}\n" for name in names))
                sys.stdout.flush()
            case _:
                return False
        return True

    def make_console(self) -> "Console":
        """Return the console for results. It uses colours on a terminal, unless NO_COLOR is set."""
        from rich.console import Console

        if self.is_wide:
            return Console(width=_WIDE, highlight=False)
        return Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH, highlight=False)

    def make_client(self) -> "Client":
        """Return a client for the server that the options, the environment or the endpoints file name."""
        from ewms.client import Client
        from schemas.errors import Rejected

        if not (timeout_s := parse_option("--timeout", self.timeout)):
            raise Rejected("--timeout: must be above 0", hint="the default is 30s")
        return Client(self.server, token_file=self.token_file, timeout=timeout_s)

    @property
    def default_clusters(self) -> tuple[str, ...]:
        """Return the place for tasks that name none, if EWMS_CLUSTER is set: this needs no server."""
        chosen = os.environ.get("EWMS_CLUSTER")
        return (chosen,) if chosen else ()

    def tell_user(self, text: str) -> None:
        """Write a message to stderr, because it is not a result; with `-q` write nothing."""
        if not self.quiet:
            print_to_stderr(text)


def parse_option(option: str, written: str | None) -> float | None:
    """Return the seconds that the value `written` of `option` means; None if the option was not given.

    Raises:
        Rejected: `written` is not a duration.
    """
    from ewms.durations import parse_seconds
    from schemas.errors import Rejected

    try:
        return None if written is None else parse_seconds(written)
    except ValueError as error:
        raise Rejected(f"{option}: {error}") from error


def write_json(value: Any) -> None:
    """Write `value` to stdout as one JSON document: indented on a terminal, otherwise on one line."""
    sys.stdout.write(json_text(value, indent=2 if sys.stdout.isatty() else None) + "\n")
    sys.stdout.flush()


def can_ask() -> bool:
    """Return whether a person can answer a question: there is a terminal, and CI is not set."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not os.environ.get("CI")
