"""Dead letters as JSON lines and as files: one of each letter's bytes, and an index of what they are."""

import json
import re
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ewms.errors import ServerFailed
from schemas.deadletters import LETTER_ID
from schemas.errors import Rejected

if TYPE_CHECKING:
    from schemas.deadletters import DeadLetter

#: A suffix that programs know, by content type.
_SUFFIXES = {"application/json": ".json", "text/plain": ".txt"}


def json_line(letter: "DeadLetter", body: bytes | None, *, file: str | None = None) -> str:
    """Return a letter as one line of JSON, with the name of its file or its body: as text if it is UTF-8, or base64."""
    plain = letter.model_dump(mode="json", exclude={"body", "excerpt"})
    if file is not None:
        plain["file"] = file
    elif body is not None:
        try:
            plain["body"] = body.decode()
        except UnicodeDecodeError:
            plain["body_base64"] = b64encode(body).decode()
    return json.dumps(plain)


def write_files(directory: Path, letters: "Iterable[tuple[DeadLetter, bytes]]") -> int:
    """Write a file for each letter into `directory`, and index.jsonl with a line for each; return how many.

    Raises:
        Rejected: the directory cannot be written.
    """
    n = 0
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / "index.jsonl").open("w") as index:
            for letter, body in letters:
                if not re.fullmatch(LETTER_ID, letter.letter):
                    # It becomes the name of a file.
                    raise ServerFailed("the server answered with a dead letter of no name")
                name = f"{letter.letter}{_SUFFIXES.get(letter.content_type, '.bin')}"
                (directory / name).write_bytes(body)
                index.write(json_line(letter, None, file=name) + "\n")
                n += 1
    except OSError as error:
        raise Rejected(f"cannot write into {directory}: {error.strerror}") from error
    return n
