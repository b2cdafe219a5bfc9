"""Find Python's tracebacks in a text: chains, exception groups, and tracebacks that did not end the program. (core)

    Traceback (most recent call last):            + Exception Group Traceback (most recent call last):
      File "reco.py", line 3, in <module>         |   File "reco.py", line 9, in <module>
    ValueError: bad pixel                         | ExceptionGroup: unhandled errors (1 sub-exception)
                                                  +-+---------------- 1 ----------------
    During handling of the above exception, ...     | Traceback (most recent call last):
                                                    |   File "reco.py", line 3, in main
    Traceback (most recent call last):              | ValueError: bad pixel
      ...                                           +------------------------------------

The last exception of a chain ended the program. The last exception of a group explains the failure best.
Source: CPython, `traceback.TracebackException.format`.
"""

import re
from collections.abc import Sequence

from pilot.failures.language_errors import RUNTIME_LINE

_HEAD = "Traceback (most recent call last):"
_GROUP_HEAD = f"+ Exception Group {_HEAD}"
#: Python prints one of these lines between two exceptions of a chain.
_CHAINED = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
#: Python prints one of these before a traceback that did not end the program. Source: `sys.unraisablehook`; asyncio.
_ASIDE = ("Exception ignored", "Task exception was never retrieved", "Future exception was never retrieved")
#: A line of a group's tree, and a line that begins or ends a branch of the tree.
_BRANCH = re.compile(r"\s*[|+]")
_RULE = re.compile(r"\s*\+(-\+)?-{10,}( (\d+|\.\.\.) )?-*$")
#: The most further lines of an exception's own text that the traceback keeps.
_MAX_MORE = 20


def find_traceback(lines: Sequence[str]) -> tuple[str, list[str]] | None:
    """Return the exception's line of the last traceback in `lines`, and all lines of that traceback's chain.

    A traceback that did not end the program counts only if there is no other. Return None if there is no traceback.
    """
    heads = [n for n, line in enumerate(lines) if _is_head(line)]
    ending = [n for n in heads if not _is_aside(lines, n)]
    for head in reversed(ending or heads):
        group = lines[head].strip() == _GROUP_HEAD
        end, said = _find_group_end(lines, head) if group else _find_end(lines, head)
        if said:
            return said, list(lines[_find_beginning(lines, heads, head) : end])
    return None


def _is_aside(lines: Sequence[str], head: int) -> bool:
    return any(line.strip().startswith(_ASIDE) for line in lines[max(0, head - 2) : head])


def _find_beginning(lines: Sequence[str], heads: Sequence[int], head: int) -> int:
    """Return the index at which the chain begins that ends with the traceback at index `head`."""
    beginning = head
    for before in reversed(heads[: heads.index(head)]):
        between = [line.strip() for line in lines[before:beginning] if line.strip()]
        if between[-1] not in _CHAINED:
            break
        beginning = before
    return beginning


def _find_end(lines: Sequence[str], head: int) -> tuple[int, str]:
    """Return the index after the traceback at index `head`, and its exception's line: the first line without indent."""
    indent = lines[head].find(_HEAD)
    for n in range(head + 1, len(lines)):
        text = _without_margin(lines[n], indent)
        if text and not text[0].isspace():
            return _join_text(lines, n, indent)
    return len(lines), ""


def _join_text(lines: Sequence[str], n: int, indent: int) -> tuple[int, str]:
    """Return the index after the text of the exception whose line is at index `n`, and that line.

    An exception's text may have many lines. Nothing marks its end, so what the program printed next counts as text.
    If the exception's line ends with a colon, append the next line that is not empty.
    """
    said = _without_margin(lines[n], indent)
    end = n + 1
    while end < len(lines) and end - n <= _MAX_MORE and not _is_head(lines[end]) and not RUNTIME_LINE.match(lines[end]):
        end += 1
    while not lines[end - 1].strip():
        end -= 1
    more = next((line.strip() for line in lines[n + 1 : end] if line.strip()), "")
    return end, f"{said} {more}".strip() if said.endswith(":") else said


def _is_head(line: str) -> bool:
    return line.strip() in (_HEAD, _GROUP_HEAD)


def _find_group_end(lines: Sequence[str], head: int) -> tuple[int, str]:
    """Return the index after the group's tree at index `head`, and the line of the tree's last exception."""
    end = head + 1
    while end < len(lines) and _BRANCH.match(lines[end]):
        end += 1
    said = ""
    texts: list[str] = []
    # Take the last branch that holds an exception of its own. A branch `... and 5 more exceptions` holds none.
    for line in (*lines[head:end], "+----------"):
        if not _RULE.fullmatch(line):
            texts.append(line.replace("+ Exception", "| Exception", 1).partition("|")[2].removeprefix(" "))
            continue
        said = _find_exception(texts) or said
        texts = []
    return end, said


def _find_exception(texts: Sequence[str]) -> str:
    """Return the exception's line in the texts of one branch of a tree; empty if the branch has no exception.

    An exception that was never raised has no traceback.
    """
    heads = [n for n, text in enumerate(texts) if text.strip().endswith(_HEAD)]
    for text in texts[heads[-1] + 1 :] if heads else texts:
        if text.strip() and not text[0].isspace() and not text.startswith("and ") and "more exception" not in text:
            return text.strip()
    return ""


def _without_margin(line: str, indent: int) -> str:
    return line[indent:] if not line[:indent].strip() else line
