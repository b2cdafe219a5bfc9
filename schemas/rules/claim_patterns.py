"""Read the claims of a token, and check the patterns that rules use for claims."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator


def _check_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is not a valid regular expression: {error}") from error
    return text


#: A regular expression that must match a claim from its first character to its last.
Pattern = Annotated[str, AfterValidator(_check_pattern)]


def list_texts(value: Any) -> list[str]:
    """Return the texts in a claim. The claim may be a text or a list; other values have no texts."""
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
