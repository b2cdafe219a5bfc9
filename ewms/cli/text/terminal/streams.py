"""Use standard input, output and error, which a shell may have closed, and which may be full, endless or not UTF-8."""

import codecs
import errno
import json
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from schemas.errors import Rejected

#: The longest request, or other small document, that we read. A path such as /dev/zero has no end.
MAX_DOCUMENT_BYTES = 16 * 1024 * 1024

_SPELLED_OUT = {"→": "->", "…": "...", "·": ".", "─": "-"}


def describe_file(file: Path) -> str:
    """Return the name of `file` for a message. For `-`, return "standard input"."""
    return "standard input" if str(file) == "-" else str(file)


def prepare_streams() -> None:
    """Make stdout and stderr usable. Both exist afterwards, and spell out characters that their encoding does not have.

    Raises:
        Rejected: standard output is closed, so no result could be shown.
    """
    codecs.register_error("ewms-spell-out", _spell_out)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - it lives as long as the process
    if sys.stdout is None:
        raise Rejected("standard output is closed", hint="send it to /dev/null if you want no output")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="ewms-spell-out")


def print_to_stderr(text: str) -> None:
    """Write `text` to stderr. Ignore an error: the command should not fail because stderr cannot be written."""
    with suppress(OSError):
        sys.stderr.write(text + "\n")
    flush_stderr()


def flush_stderr() -> None:
    """Flush stderr. If it cannot be written, drop its text: Python would try again at its end, and exit with 120
    instead of the command's status.
    """
    try:
        sys.stderr.flush()
    except OSError:
        abandon_output(sys.stderr)


def check_reader(stream: TextIO) -> None:
    """Check that somebody can read `stream`: a command that follows something may have nothing to write for hours.

    Raises:
        BrokenPipeError: `stream` is a pipe or a socket, and its reader has ended.
    """
    poll = select.poll()
    try:
        poll.register(stream.fileno(), 0)
    except (OSError, ValueError):
        # The stream is closed, or has no file descriptor.
        return
    if any(found & (select.POLLERR | select.POLLHUP) for _, found in poll.poll(0)):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def abandon_output(stream: TextIO | None = None) -> None:
    """Drop what `stream` has not written yet, so that the end of the process does not write it. Default: stdout."""
    with suppress(OSError, ValueError):
        void = os.open(os.devnull, os.O_WRONLY)
        os.dup2(void, (stream or sys.stdout).fileno())
        os.close(void)


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Return `value` as JSON that fits the encoding of standard output and that every JSON reader can read."""
    return spell_json(value, is_utf8=(sys.stdout.encoding or "").lower().replace("-", "") == "utf8", indent=indent)


def spell_json(value: Any, *, is_utf8: bool, indent: int | None = None) -> str:
    """Return `value` as JSON: as UTF-8 if `is_utf8`, else as ASCII. With half of a surrogate pair it is always
    ASCII.
    """
    text = json.dumps(value, ensure_ascii=not is_utf8, default=str, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, default=str, indent=indent)
    return text


@contextmanager
def open_input(file: Path) -> Iterator[BinaryIO]:
    """Open `file` for reading bytes during the block; `-` is standard input.

    Raises:
        Rejected: `file` is standard input, which is closed.
        OSError: the file cannot be opened.
    """
    if str(file) != "-":
        with file.open("rb") as opened:
            yield opened
    elif sys.stdin is None:
        raise Rejected("standard input is closed", hint="give a file, or pipe the data into the command")
    else:
        yield sys.stdin.buffer


def read_document(file: Path) -> bytes:
    """Return the bytes of `file`; `-` is standard input.

    Raises:
        Rejected: the file has more than 16 MiB, or is standard input, which is closed.
        OSError: the file cannot be read.
    """
    with open_input(file) as opened:
        content = opened.read(MAX_DOCUMENT_BYTES + 1)
    if len(content) > MAX_DOCUMENT_BYTES:
        raise Rejected(f"{describe_file(file)} has more than {MAX_DOCUMENT_BYTES} bytes", hint="is it the right file?")
    return content


def _spell_out(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    spelled = "".join(_SPELLED_OUT.get(c) or c.encode("ascii", "backslashreplace").decode() for c in characters)
    return spelled, error.end
