"""Keep secrets out of logs: before a line is written, replace all that looks like a token or a password.

This is the second safeguard. The first safeguard is a rule: code logs no token, no environment and no whole response.
"""

import re
from collections.abc import Mapping
from typing import Any

#: Two base64url parts joined by a dot, the first a JSON object (`{"` is `eyJ`); then a signature, if there is one.
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{2,}(?:\.[A-Za-z0-9_-]*){0,3}")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
# Match up to the last @ before the path: a password may contain an @.
_USERINFO = re.compile(r"(://[^\s:/@]*):[^\s/]+@")
_ASSIGNED = re.compile(
    r"""(?ix)\b([a-z0-9_.-]*(?:password|passwd|secret|api_?key|auth_?token|access_?token|refresh_?token))
        (["']?\s*[:=]\s*["']?)([^\s"',;&}]+)"""
)
_SECRET_KEY = re.compile(r"(?i)(password|passwd|secret|api_?key|authorization|private_?key|(^|_)tokens?$)")

_DEPTH = 6


def redact_text(text: str) -> str:
    """Return `text` without the parts that look like credentials."""
    text = _JWT.sub("[token]", text)
    text = _BEARER.sub(r"\1 [token]", text)
    text = _USERINFO.sub(r"\1:[password]@", text)
    return _ASSIGNED.sub(r"\1\2[secret]", text)


def redact(value: Any, depth: int = _DEPTH) -> Any:
    """Return `value` as plain data without credentials: no values of keys like `password`, no credentials in texts.

    Parts that are nested deeper than `depth` become an ellipsis.
    """
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
