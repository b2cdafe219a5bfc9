"""Keep secrets out of logs: whatever looks like a token or a password is replaced before a line is written.

A second net. The first is that nobody logs a token, an environment or a whole response.
"""

import re
from collections.abc import Mapping
from typing import Any

#: Two dot-joined base64url parts of which the first is a JSON object (`{"` is `eyJ`), the signature if there is one.
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{2,}(?:\.[A-Za-z0-9_-]*){0,3}")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
# Up to the last @ before the path: a password may hold an @ itself.
_USERINFO = re.compile(r"(://[^\s:/@]*):[^\s/]+@")
_ASSIGNED = re.compile(
    r"""(?ix)\b([a-z0-9_.-]*(?:password|passwd|secret|api_?key|auth_?token|access_?token|refresh_?token))
        (["']?\s*[:=]\s*["']?)([^\s"',;&}]+)"""
)
_SECRET_KEY = re.compile(r"(?i)(password|passwd|secret|api_?key|authorization|private_?key|(^|_)tokens?$)")

_DEPTH = 6


def redact_text(text: str) -> str:
    """Return `text` without what looks like a credential."""
    text = _JWT.sub("[token]", text)
    text = _BEARER.sub(r"\1 [token]", text)
    text = _USERINFO.sub(r"\1:[password]@", text)
    return _ASSIGNED.sub(r"\1\2[secret]", text)


def redact(value: Any, depth: int = _DEPTH) -> Any:
    """Return `value` as plain data without credentials, in its keys' values as well as inside of any text."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return redact_text(value)
        case _ if depth == 0:
            return "…"
        case Mapping():
            return {
                redact_text(str(key)): "[secret]"
                if _SECRET_KEY.search(str(key)) and inner
                else redact(inner, depth - 1)
                for key, inner in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [redact(inner, depth - 1) for inner in value]
        case bytes() | bytearray():
            return redact_text(bytes(value).decode(errors="replace"))
        case _:
            return redact_text(repr(value))
