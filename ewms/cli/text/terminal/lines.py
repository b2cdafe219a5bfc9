"""Read events from the lines of a file or of standard input; an error names the line."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from ewms.cli.text.terminal.streams import describe_file, open_input
from schemas.broker.topology import MAX_EVENT_BYTES
from schemas.errors import Rejected, TooLarge
from schemas.payloads.event_lines import parse_line

_AS_TEXT = "write a text in quotes, or send lines as they are with --text"

#: The longest line, in bytes: an event as JSON with every character spelled `\u00e4`, and some blanks. We never read a
#: longer one into memory.
MAX_LINE_BYTES = 6 * MAX_EVENT_BYTES + 64 * 1024


def read_payloads(
    file: Path, *, text: bool, on_line: Callable[[int], None] = lambda _: None
) -> Iterator[tuple[str, Any]]:
    """Yield a pair for each line of `file`: where the line is, such as "events.jsonl, line 7", and its payload.

    `on_line` gets the number of each line before the line is checked. If `text`, the payload is the line. Otherwise the
    line is JSON, and empty lines are skipped.

    Raises:
        Rejected: the file cannot be read, or a line is not UTF-8, or not JSON.
        TooLarge: a line is too long.
    """
    number = 0
    try:
        with open_input(file) as lines:
            for number, line in enumerate(_bounded_lines(lines, file, on_line), 1):
                where = f"{describe_file(file)}, line {number}"
                try:
                    # Drop the mark (BOM) that some editors put before the first line.
                    content = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                except UnicodeDecodeError as error:
                    raise Rejected(
                        f"{where}: byte {error.start + 1} is not UTF-8; every line must be UTF-8",
                        hint="convert the file, for example: iconv -f latin1 -t utf8 FILE",
                    ) from error
                if text:
                    yield where, content
                elif content.strip():
                    yield where, parse_line(content, where, remedy=_AS_TEXT)
    except OSError as error:
        raise Rejected(
            f"cannot read {describe_file(file)}: {error.strerror}",
            hint="give a file with one event on each line, or - for standard input",
        ) from error


def describe_stop(
    n_published: int, *, workflow: str, alias: str, file: Path, bad_line: int, options: Sequence[str], stays_open: bool
) -> str:
    """Return the text for a `publish` that stops before the end: what is done, what is not, and how to go on.

    `bad_line` is the number of the line that stopped it, or 0 if something else did. `stays_open` is whether the user
    wanted to close the inputs, which did not happen. `options` are the options that the user gave, "--close-inputs"
    included.
    """
    done = f"{n_published} event(s) published to {alias}"
    if stays_open:
        done += f"; the inputs of {workflow} stay open"
    publish = f"ewms queue publish {workflow} {shlex.quote(alias)}"
    if bad_line and str(file) == "-":
        return f"{done}\n  go on from line {bad_line} of the input: {publish} - {shlex.join(options)}".rstrip()
    if bad_line:
        rest = f"tail -n +{bad_line} {shlex.quote(str(file))} | {publish} - {shlex.join(options)}".rstrip()
        return f"{done}\n  mend line {bad_line}, then go on from there: {rest}"
    if stays_open:
        return f"{done}\n  close them when all events are published: ewms workflow close-inputs {workflow}"
    return done


@contextmanager
def name_line_in_errors(where: str) -> Iterator[None]:
    """If an event cannot be sent within the block, add the line (`where`) to the error.

    Raises:
        TooLarge: the event is too large.
        Rejected: the event cannot be written as UTF-8 or JSON.
    """
    try:
        yield
    except TooLarge as error:
        raise TooLarge(f"{where}: {error.reason}", hint=error.hint) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise Rejected(f"{where}: the event cannot be written as UTF-8 or JSON: {error}", hint=_AS_TEXT) from error


def _bounded_lines(lines: BinaryIO, file: Path, on_line: Callable[[int], None]) -> Iterator[bytes]:
    number = 0
    while line := lines.readline(MAX_LINE_BYTES + 1):
        number += 1
        on_line(number)
        if len(line) > MAX_LINE_BYTES:
            raise TooLarge(
                f"{describe_file(file)}, line {number} has more than {MAX_LINE_BYTES} bytes; "
                "the limit of an event is less",
                hint="put the data into a file that tasks can reach, and send its name",
            )
        yield line
