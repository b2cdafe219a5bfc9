"""Parse the JSON text of a request; an error says in plain words what is wrong with the text. (core)"""

import codecs
import json
from collections.abc import Mapping
from typing import Any

from schemas.errors import Rejected
from schemas.payloads.json_text import load_json

_COPY = "docs/examples/words/workflow.json is a request to copy from"

#: The beginning of a message of Python's JSON reader -> what it means, in plain words.
_MEANINGS: Mapping[str, str] = {
    "Expecting value": "a value is missing or not JSON: write texts in double quotes, or true, false, null",
    "Expecting property name": "a field's name must stand in double quotes, and no ',' before the closing '}'",
    "Illegal trailing comma": "no ',' may stand before the closing bracket",
    "Expecting ':'": "a ':' is missing behind a field's name",
    "Expecting ','": "a ',' is missing, or a bracket is not closed",
    "Unterminated string": "a text is not closed with a double quote",
    "Invalid control character": "a text has a line end or another control character; write it as \\n",
    "Invalid \\": "a backslash stands before a character that needs none; write it twice",
    "Extra data": "something follows after the end of the request",
}


def parse_request(content: bytes, name: str) -> Any:
    """Return the JSON value in `content`, the bytes of a file that messages call `name`.

    Raises:
        Rejected: `content` is not JSON in UTF-8, or an object in it has one field twice.
    """
    if not content.strip():
        raise Rejected(f"{name} is empty", hint=_COPY)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Rejected(f"{name} is UTF-16, and a request is UTF-8", hint=_conversion_hint("utf16"))
    try:
        # Drop the mark (BOM) that some editors put first.
        return load_json(content.decode("utf-8-sig"), unique_names=True)
    except UnicodeDecodeError as error:
        raise Rejected(
            f"{name} is not JSON in UTF-8: byte {error.start + 1} is not UTF-8", hint=_conversion_hint("latin1")
        ) from error
    except json.JSONDecodeError as error:
        meaning = next((m for words, m in _MEANINGS.items() if error.msg.startswith(words)), error.msg)
        raise Rejected(
            f"{name} is not JSON at line {error.lineno}, column {error.colno}: {meaning}", hint=_COPY
        ) from error
    except ValueError as error:
        # Python's message about a number of more than 4300 digits names a Python function.
        reason = "it has a number that is too long" if "digits" in str(error) else str(error)
        raise Rejected(f"{name} is not JSON in UTF-8: {reason}", hint=_COPY) from error


def _conversion_hint(encoding: str) -> str:
    return f"convert the file, for example: iconv -f {encoding} -t utf8 FILE"
