"""What all commands share: the global options, the two consoles, and a client made from them."""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ewms.cli.text.streams import json_text, tell

if TYPE_CHECKING:
    from rich.console import Console

    from ewms.client import Client

#: The width of a table that no terminal limits.
_PLAIN_WIDTH = 160

#: The width of a wide table: a line is cut by nothing but the terminal.
_WIDE = 2000


class Output(StrEnum):
    """How results are written."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Options:
    """The global options."""

    output: Output = Output.TABLE
    quiet: bool = False
    server: str | None = None
    token_file: str | None = None
    timeout: str = "30s"

    @property
    def is_wide(self) -> bool:
        """Whether tables have all columns, however wide."""
        return self.output is Output.WIDE

    @property
    def is_data(self) -> bool:
        """Whether results are for a program."""
        return self.output in (Output.JSON, Output.YAML, Output.NAME)

    def write(self, value: Any, names: Iterable[str] = ()) -> bool:
        """Write a result as data, if data is wanted: `value` as JSON or YAML, or `names` one a line.

        Return False where a person wants to see it, and nothing is written.
        """
        match self.output:
            case Output.JSON:
                write_json(value)
            case Output.YAML:
                from ewms.cli.text.yaml_text import yaml_text

                sys.stdout.write(yaml_text(value))
                sys.stdout.flush()
            case Output.NAME:
                sys.stdout.write("".join(f"{name}\n" for name in names))
                sys.stdout.flush()
            case _:
                return False
        return True

    def console(self) -> "Console":
        """Return the console for results. NO_COLOR, and not being a terminal, take the colours away."""
        from rich.console import Console

        if self.is_wide:
            return Console(width=_WIDE, highlight=False)
        return Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH, highlight=False)

    def client(self) -> "Client":
        """Return a client for the server that the options, the environment or the endpoints file name."""
        from ewms.client import Client
        from schemas.errors import Rejected

        if not (timeout_s := duration("--timeout", self.timeout)):
            raise Rejected("--timeout: no call is answered in no time", hint="the default is 30s")
        return Client(self.server, token_file=self.token_file, timeout=timeout_s)

    @property
    def clusters(self) -> tuple[str, ...]:
        """Return where tasks run that name no cluster, as far as that is known without a server."""
        chosen = os.environ.get("EWMS_CLUSTER")
        return (chosen,) if chosen else ()

    def say(self, text: str) -> None:
        """Tell the user something that is no result; to stderr, and not if `-q` was given."""
        if not self.quiet:
            tell(text)


def duration(option: str, written: str | None) -> float | None:
    """Return the seconds that `option` was given; None if it was not.

    Raises:
        Rejected: it is no duration.
    """
    from ewms.durations import seconds
    from schemas.errors import Rejected

    try:
        return None if written is None else seconds(written)
    except ValueError as error:
        raise Rejected(f"{option}: {error}") from error


def write_json(value: Any) -> None:
    """Write `value` as one JSON document: indented for a person, on one line for a program."""
    sys.stdout.write(json_text(value, indent=2 if sys.stdout.isatty() else None) + "\n")
    sys.stdout.flush()


def may_ask() -> bool:
    """Say whether somebody is there to answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not os.environ.get("CI")
