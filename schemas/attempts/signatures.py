"""Make an error's signature: its text without the parts that differ from event to event, and a short id of the rest.

    ContainerRunError('task failed (exit code 1): ValueError: bad energy -3.2 in event 9f8c2e11')
    -> ContainerRunError('task failed (exit code 1): ValueError: bad energy # in event #')      id 5c0e2d1a94

So equal bugs have equal signatures. Ids, numbers, hex, paths, addresses, dates and quoted values become `#`. Exit codes
and signal names stay, because they say how the task ended.
"""

import hashlib
import re

MAX_SIGNATURE = 300

#: Hex digits of a signature's id.
N_ID_DIGITS = 10

_ANY = "#"

#: The parts that a signature keeps unchanged.
_KEPT = re.compile(r"exit code \d+|signal \d+|\bErrno \d+|\b(?:UTF|utf)-?(?:8|16|32)\b|\bHTTP/\d(?:\.\d)?\b")

#: The parts that differ from run to run. Kinds that contain others come first: a path contains ids, a date numbers.
_VARYING = re.compile(
    r"""
      \b[a-z][a-z0-9+.-]*://[^\s'"<>)\]]+                                      # an address
    | (?<![\w.])(?:~|\.{1,2})?/[^\s'"<>:;,()\[\]{}]+                          # a path
    | \b[A-Za-z]:\\[^\s'"<>;,()]+                                              # a path of another system
    | \b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?\b   # a date
    | \b\d{1,2}:\d{2}:\d{2}(?:[.,]\d+)?\b                                      # a time
    | \b(?:WF|TK|TF)-[0-9a-f]+(?:-[0-9a-f]+)*\b                                # an id of ours
    | \b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b           # a UUID
    | \b0[xX][0-9a-fA-F]+\b                                                    # an address in memory
    | \b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b                                     # an IP address
    | \b(?=[0-9a-fA-F]*\d)(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{6,}\b            # hex: digits and letters, 6 or more
    | (?<![A-Za-z0-9_.])[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?!\w)                    # a number
    | (?<=[A-Za-z_])[-_]?\d+(?=\b|_)                                           # a number at a name's end: run_17
    | \b\d+(?=[A-Za-z_])                                                       # a number before its unit: 17ms
    """,
    re.VERBOSE,
)

_QUOTED = re.compile(r"""(?P<q>['"`])[^'"`\s]*#[^'"`\s]*(?P=q)""")
_REPEATED = re.compile(r"#(?:[-+.,:;/ ]*#)+")


def signature_text(error: str) -> str:
    """Return `error` on one line, with `#` for each part that differs from event to event."""
    line = " ".join(error.split())
    parts: list[str] = []
    at = 0
    for kept in _KEPT.finditer(line):
        parts += [_VARYING.sub(_ANY, line[at : kept.start()]), kept[0]]
        at = kept.end()
    parts.append(_VARYING.sub(_ANY, line[at:]))
    text = _REPEATED.sub(_ANY, _QUOTED.sub(_ANY, "".join(parts)))
    return text if len(text) <= MAX_SIGNATURE else f"{text[: MAX_SIGNATURE - 1]}…"


def signature_id(error: str) -> str:
    """Return the id of the signature of `error`. Equal bugs have equal ids."""
    return hashlib.sha256(signature_text(error).encode("utf-8", "replace")).hexdigest()[:N_ID_DIGITS]
