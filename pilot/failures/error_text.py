"""Make one line, and a longer text with details, of a failed container's output. (core)

The line says why the program failed, for programs of many languages. It is short and printable. `without_names` removes
all parts that differ from run to run. So the same failure of a thousand events is one key of `top_task_errors`.
"""

import re

from pilot.failures.language_errors import RUNTIME_FAILED, RUNTIME_LINE, TRAILER, find_fatal, find_report
from pilot.failures.tracebacks import find_traceback

MAX_LINE = 300
MAX_TRACEBACK = 12_000
MAX_LAST_LINES = 30
NOTHING = "<no stderr logs>"

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
#: Patterns of texts that differ from run to run: names of a run's files, ids of events, addresses in memory.
_NAMES = (
    (re.compile(r"\b(infile|outfile)-[0-9a-f]{32}\b"), r"\1"),
    (re.compile(r"\b[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\b0x[0-9a-f]{5,16}\b", re.IGNORECASE), "0x..."),
)
#: The exit status by which apptainer, and docker and podman, say that they themselves have failed.
_APPTAINERS_OWN, _ENGINES_OWN = 255, 125


def last_words(stderr: str) -> tuple[str, str]:
    """Return the line of `stderr` that best explains why a container failed, and the traceback; empty without one.

    The line is the first of these that exists: the exception of the last Python traceback; the container runtime's
    fatal message; the report of another language; the last line that the program itself printed; the runtime's last
    error; `<no stderr logs>`.
    """
    lines = [_strip_unprintable(line) for line in stderr.splitlines()]
    if (traceback := find_traceback(lines)) is not None:
        said, own = traceback
        return _shorten_line(said), shorten_middle("\n".join(own), MAX_TRACEBACK)
    spoken = [(n, line.strip()) for n, line in enumerate(lines) if line.strip()]
    theirs = [(n, line) for n, line in spoken if not RUNTIME_LINE.match(line)]
    report = find_fatal(lines) or find_report(lines)
    # If the program printed more after a report, it has survived that error.
    if report is not None and not any(n >= report.end and not TRAILER.match(line) for n, line in theirs):
        own = [line for line in lines[report.first : report.end] if line.strip()]
        return _shorten_line(report.said), shorten_middle("\n".join(own), MAX_TRACEBACK) if len(own) > 1 else ""
    for _, line in reversed(theirs):
        if not TRAILER.match(line):
            return _shorten_line(line), ""
    for _, line in reversed(spoken):
        if RUNTIME_FAILED.match(line):
            return _shorten_line(line), ""
    return (_shorten_line(theirs[-1][1]) if theirs else NOTHING), ""


def is_runtimes_own(exit_code: int, stderr: str) -> bool:
    """Return whether the container runtime itself failed, and not the task in the container.

    Apptainer then prints a fatal message and exits with 255. Docker and podman exit with 125. Source: their manuals.
    """
    lines = [_strip_unprintable(line) for line in stderr.splitlines()]
    report = find_fatal(lines)
    says_so = report is not None and not any(line.strip() for line in lines[report.end :])
    return exit_code == _ENGINES_OWN or (exit_code == _APPTAINERS_OWN and says_so)


def last_lines(output: str) -> str:
    """Return the last lines of a task's output: printable, and without empty lines at the end of the text."""
    lines = [_strip_unprintable(line) for line in output.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines[-MAX_LAST_LINES:])


def one_line(text: str) -> tuple[str, str]:
    """Return a program's own text about a failure as one line, and the traceback in that text; empty without one."""
    lines = [_strip_unprintable(line) for line in text.splitlines()]
    if (traceback := find_traceback(lines)) is not None:
        said, own = traceback
        return _shorten_line(said), shorten_middle("\n".join(own), MAX_TRACEBACK)
    return _shorten_line(" ".join(" ".join(lines).split())) or "<no text>", ""


def without_names(text: str) -> str:
    """Return `text` without what differs between equal failures: ids, names of a run's files, addresses in memory."""
    for pattern, instead in _NAMES:
        text = pattern.sub(instead, text)
    return text


def shorten_middle(text: str, limit: int) -> str:
    """Return `text` in at most `limit` characters. If it is longer, cut out the middle.

    The part after the cut is twice as long as the part before.
    """
    if len(text) <= limit:
        return text
    n_first = (limit - 1) // 3
    return f"{text[:n_first]}…{text[len(text) - (limit - 1 - n_first) :]}"


def _strip_unprintable(line: str) -> str:
    return _UNPRINTABLE.sub(" ", _ANSI.sub("", line)).rstrip()


def _shorten_line(line: str) -> str:
    return shorten_middle(line.strip(), MAX_LINE)
