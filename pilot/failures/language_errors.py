"""Find the line in which a program in another language than Python reports why it ended. (core)

Java, C#, JavaScript   the last `Caused by:` of a chain, or the line before the frames
R                      `Error in f(x) : ...` before `Execution halted`
Rust                   the two lines of a panic; the causes of an error as one line
Go                     `panic: ...` before `goroutine 1 [running]:`
C++, Fortran, Julia    `what():`, `Fortran runtime error:`, `ERROR:` before a stack trace
apptainer              everything from `FATAL:` on: apptainer ends with it
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple


class ReportFound(NamedTuple):
    """A report's message as one line, and the lines of the report: from `first` to before `end`."""

    said: str
    first: int
    end: int


#: The container runtime's own lines. Source: apptainer's sylog: `LEVEL: text` padded to nine columns, or with debugging
#: `LEVEL   [U=0,P=1]   function()   text`. A task's own `ERROR: text` has no such padding.
RUNTIME_LINE = re.compile(r"(DEBUG:   |VERBOSE: |INFO:    |WARNING: |ERROR:   |FATAL:   |[A-Z]{4,7}\s+\[U=.*?\]\s+)\S")
RUNTIME_FAILED = re.compile(r"(ERROR|FATAL)\b")
_RUNTIME_FATAL = re.compile(r"FATAL(:   |\s+\[U=.*?\]\s+)\S")

#: A closing line explains nothing, so every other line explains a failure better.
TRAILER = re.compile(
    r"[\W_]*$|Aborted( \(core dumped\))?$|Execution halted$|Node\.js v[\d.]+$|: ?exit status \d+$|exit status \d+$"
    r"|note: .*RUST_BACKTRACE|make(\[\d+\])?: \*\*\* "
)

_FRAME = re.compile(
    r"\s+at \S|\s*\.\.\. \d+ (more|common frames omitted)$|\s+--- End of .*---$|\s+from \S+:\d+:in |\s+Suppressed: "
)
_CAUSE = "Caused by: "
_THROWN = re.compile(
    r"(Caused by: |Exception in thread \S+ |Unhandled exception\. )?[\w.$]+(Exception|Error|Throwable)\b"
)
_RUST_PANIC = re.compile(r"thread '(?P<name>.*?)'( \(\d+\))? panicked at (?P<where>.*?)(?P<colon>:?)$")
_GO_PANIC = re.compile(r"\s*(panic: |fatal error: )\S")
_GO_ROUTINE = re.compile(r"goroutine \d+ ")
_CPP = re.compile(r"terminate called after throwing an instance of '(.*)'$")


def find_fatal(lines: Sequence[str]) -> ReportFound | None:
    """Return the container runtime's fatal message with all lines that follow. Return None if there is none."""
    for start, line in enumerate(lines):
        if _RUNTIME_FATAL.match(line):
            more = (each.strip() for each in lines[start + 1 :] if each.strip() and not _is_chatter(each))
            return ReportFound(" ".join((line.strip(), *more)), start, len(lines))
    return None


def _is_chatter(line: str) -> bool:
    return bool(RUNTIME_LINE.match(line)) and not RUNTIME_FAILED.match(line)


def find_report(lines: Sequence[str]) -> ReportFound | None:
    """Return the last report of a program in one of the languages above. Return None if there is no report."""
    found = [report for find in _DIALECTS if (report := find(lines)) is not None]
    return max(found, key=lambda report: report.end, default=None)


def _find_frames(lines: Sequence[str]) -> ReportFound | None:
    """Find a report of Java, Scala, C#, JavaScript or Ruby: a head line with frames below.

    In a chain the last head is the cause.
    """
    last = _last_index(lines, _FRAME.match)
    if last is None:
        return None
    head = _find_head(lines, last)
    if head is None:
        return None
    first = head
    while lines[first].startswith(_CAUSE) and first > 0 and (above := _find_head(lines, first - 1)) is not None:
        first = above
    return ReportFound(lines[head].strip(), first, last + 1)


def _find_head(lines: Sequence[str], frame: int) -> int | None:
    """Return the index of the head line above the frames that end at index `frame`: the line with the exception's type.

    Return None if there is no head. A message may have several lines between the type and the frames.
    """
    at = frame
    while at >= 0 and _FRAME.match(lines[at]):
        at -= 1
    if at < 0 or not lines[at].strip():
        return None
    for n in range(at, max(-1, at - 20), -1):
        if _FRAME.match(lines[n]) or not lines[n].strip():
            break
        if _THROWN.match(lines[n]):
            return n
    return at


def _find_r(lines: Sequence[str]) -> ReportFound | None:
    if _last_index(lines, re.compile("Execution halted$").match) is None:
        return None
    at = _last_index(lines, re.compile(r"Error( in .*|: .*|: *$)").match)
    return None if at is None else ReportFound(_with_next(lines, at), at, len(lines))


def _find_rust(lines: Sequence[str]) -> ReportFound | None:
    at = _last_index(lines, _RUST_PANIC.match)
    if at is not None and (panic := _RUST_PANIC.match(lines[at])) is not None:
        head = f"thread '{panic['name']}' panicked at {panic['where']}"
        more = lines[at + 1].strip() if panic["colon"] and at + 1 < len(lines) else ""
        return ReportFound(f"{head}: {more}" if more else head, at, len(lines))
    return _find_causes(lines)


def _find_causes(lines: Sequence[str]) -> ReportFound | None:
    """Find a report of Rust: `Error: top`, an empty line, `Caused by:`, and below, indented, the causes."""
    caused = _last_index(lines, re.compile(r"Caused by:$").match)
    head = None if caused is None else _last_index(lines[:caused], re.compile(r"Error: \S").match)
    if caused is None or head is None or caused - head > 5:
        return None
    causes = []
    for line in lines[caused + 1 :]:
        if not line[:1].isspace():
            break
        causes.append(re.sub(r"^\d+: ", "", line.strip()))
    return ReportFound(": ".join([lines[head].strip(), *causes]), head, caused + 1 + len(causes))


def _find_go(lines: Sequence[str]) -> ReportFound | None:
    first = next((n for n, line in enumerate(lines) if _GO_ROUTINE.match(line)), None)
    at = None if first is None else _last_index(lines[:first], _GO_PANIC.match)
    return None if at is None else ReportFound(lines[at].strip(), at, len(lines))


def _find_cpp(lines: Sequence[str]) -> ReportFound | None:
    at = _last_index(lines, _CPP.match)
    if at is None:
        return None
    what = lines[at + 1].strip() if at + 1 < len(lines) and lines[at + 1].strip().startswith("what():") else ""
    return ReportFound(f"{lines[at].strip()}, {what}" if what else lines[at].strip(), at, len(lines))


def _find_traced(lines: Sequence[str]) -> ReportFound | None:
    """Find a report of Fortran or Julia: a line of a fixed form, with a stack below that explains less."""
    at = _last_index(lines, re.compile(r"Fortran runtime error: ").match)
    if at is None:
        stack = _last_index(lines, re.compile(r"Stacktrace:$").match)
        at = None if stack is None else _last_index(lines[:stack], re.compile(r"ERROR: \S").match)
    return None if at is None else ReportFound(lines[at].strip(), at, len(lines))


_DIALECTS: tuple[Callable[[Sequence[str]], ReportFound | None], ...] = (
    _find_frames,
    _find_r,
    _find_rust,
    _find_go,
    _find_cpp,
    _find_traced,
)


def _with_next(lines: Sequence[str], at: int) -> str:
    """Return the line at index `at`. If it ends with a colon, append the next line."""
    line = lines[at].strip()
    if line.endswith(":") and at + 1 < len(lines):
        return f"{line} {lines[at + 1].strip()}"
    return line


def _last_index(lines: Sequence[str], matches: Callable[[str], object]) -> int | None:
    return next((n for n in range(len(lines) - 1, -1, -1) if matches(lines[n])), None)
