"""What a failing container said last, as one line for people and one text for those who look closer. (core)

The line becomes a key of `top_task_errors`, so it is short, printable and without what differs from run to run.
"""

import re

MAX_LINE = 300
MAX_TRACEBACK = 3000
MAX_LAST_LINES = 30
NOTHING = "<no stderr logs>"

_HEAD = "Traceback (most recent call last):"
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
#: The container runtime's own lines. Source: apptainer's sylog, `LEVEL: text` padded to nine columns, or, where it
#: debugs, `LEVEL   [U=0,P=1]   function()   text`. A task's own `ERROR: text` is padded to nothing.
_RUNTIME = re.compile(r"(DEBUG:   |VERBOSE: |INFO:    |WARNING: |ERROR:   |FATAL:   |[A-Z]{4,7}\s+\[U=.*?\]\s+)\S")
_RUNTIME_FAILED = re.compile(r"(ERROR|FATAL)\b")


def last_words(stderr: str) -> tuple[str, str]:
    """Return the line that says best why a container failed, and its traceback (empty if it left none).

    The last traceback's last line; else the last line that is not the container runtime's; else the runtime's own
    complaint; else `<no stderr logs>`.
    """
    lines = [_printable(line) for line in stderr.splitlines()]
    if traceback := _last_traceback(lines):
        return _short(traceback[-1]), _tail("\n".join(traceback))
    spoken = [line.strip() for line in lines if line.strip()]
    for line in reversed(spoken):
        if not _RUNTIME.match(line):
            return _short(line), ""
    for line in reversed(spoken):
        if _RUNTIME_FAILED.match(line):
            return _short(line), ""
    return NOTHING, ""


def last_lines(output: str) -> str:
    """Return the last lines of what a task wrote, printable, without the empty ones at the end."""
    lines = [_printable(line) for line in output.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines[-MAX_LAST_LINES:])


def one_line(text: str) -> tuple[str, str]:
    """Return what a program said of a failure as one line, and the traceback in it (empty if it has none)."""
    lines = [_printable(line) for line in text.splitlines()]
    if traceback := _last_traceback(lines):
        return _short(traceback[-1]), _tail("\n".join(traceback))
    return _short(" ".join(" ".join(lines).split())) or "<no text>", ""


def _last_traceback(lines: list[str]) -> list[str]:
    """Return the lines of the last whole traceback: its head, indented frames, and the exception's line."""
    for start in range(len(lines) - 1, -1, -1):
        indent = lines[start].find(_HEAD)
        if indent < 0 or lines[start].strip() != _HEAD:
            continue
        for end in range(start + 1, len(lines)):
            text = lines[end][indent:] if not lines[end][:indent].strip() else lines[end]
            if text and not text[0].isspace():
                return lines[start : end + 1]
    return []


def _printable(line: str) -> str:
    return _UNPRINTABLE.sub(" ", _ANSI.sub("", line)).rstrip()


def _short(line: str) -> str:
    line = line.strip()
    return line if len(line) <= MAX_LINE else line[: MAX_LINE - 1] + "…"


def _tail(text: str) -> str:
    return text if len(text) <= MAX_TRACEBACK else "…" + text[1 - MAX_TRACEBACK :]
