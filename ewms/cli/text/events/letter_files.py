"""Export dead letters: as JSON lines, as their events alone, or as files with an index."""

import json
import re
import shutil
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING

from ewms.errors import ServerFailed
from schemas.attempts.dead_letters import LETTER_ID
from schemas.errors import Rejected
from schemas.payloads.json_text import load_json

if TYPE_CHECKING:
    from schemas.attempts.dead_letters import DeadLetter

#: Content type -> the usual suffix of a file.
_SUFFIXES = {"application/json": ".json", "text/plain": ".txt"}

#: How many bytes of events we hold in memory; more go to a temporary file.
_MAX_IN_MEMORY = 16 * 1024 * 1024


def json_line(letter: "DeadLetter", body: bytes | None, *, file: str | None = None) -> str:
    """Return a dead letter as one line of JSON, with the name of its `file`, or with its `body`.

    A body that is UTF-8 is text in the field `body`; any other body is in `body_base64`.
    """
    plain = letter.model_dump(mode="json", exclude={"body", "excerpt"})
    if file is not None:
        plain["file"] = file
    elif body is not None:
        try:
            plain["body"] = body.decode()
        except UnicodeDecodeError:
            plain["body_base64"] = b64encode(body).decode()
    return json.dumps(plain)


def write_bodies(output: IO[bytes], letters: "Iterable[tuple[DeadLetter, bytes]]") -> int:
    """Write the events of `letters`, one on each line, and return their number. If an event cannot be written, write
    nothing.

    Raises:
        Rejected: an event is not JSON, or the letters come from several queues.
    """
    n = 0
    queue = None
    # A reader such as `queue publish` takes each line at once, so we write none before we have checked all.
    with SpooledTemporaryFile(max_size=_MAX_IN_MEMORY) as lines:
        for letter, body in letters:
            queue = letter.queue if queue is None else queue
            if letter.queue != queue:
                raise Rejected(
                    f"--bodies: the dead letters come from several queues, {queue} and {letter.queue}",
                    hint="choose those of one: --task, --signature or --event; or write files: --to DIRECTORY",
                )
            lines.write(_body_line(letter, body) + b"\n")
            n += 1
        lines.seek(0)
        shutil.copyfileobj(lines, output)
    return n


def _body_line(letter: "DeadLetter", body: bytes) -> bytes:
    """Return the event of `letter` as one line of JSON.

    Raises:
        Rejected: the event is not JSON.
    """
    try:
        if letter.content_type != "application/json":
            raise ValueError(f"its content type is {letter.content_type!r}")
        load_json(body)
    except ValueError as error:
        raise Rejected(
            f"--bodies: the event of dead letter {letter.letter} is not JSON: {error}",
            hint="write the events as files: --to DIRECTORY",
        ) from error
    # In JSON, line ends stand between tokens only, and a blank there means the same.
    return body.replace(b"\r", b" ").replace(b"\n", b" ")


def write_files(directory: Path, letters: "Iterable[tuple[DeadLetter, bytes]]") -> int:
    """Write a file for each letter into `directory`, and a line for each into index.jsonl. Return how many letters
    there were.

    Raises:
        Rejected: the directory cannot be written.
        ServerFailed: the server answered with a letter whose id cannot be the name of a file.
    """
    n = 0
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / "index.jsonl").open("w") as index:
            for letter, body in letters:
                if not re.fullmatch(LETTER_ID, letter.letter):
                    # The name becomes the name of a file, so we accept no other form.
                    raise ServerFailed("the server answered with a dead letter without a name")
                name = f"{letter.letter}{_SUFFIXES.get(letter.content_type, '.bin')}"
                (directory / name).write_bytes(body)
                index.write(json_line(letter, None, file=name) + "\n")
                n += 1
    except OSError as error:
        raise Rejected(f"cannot write into {directory}: {error.strerror}") from error
    return n
