"""Show failed attempts and dead letters as tables and lines of the command. (core)"""

import shlex
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime

from rich import box
from rich.table import Table
from rich.text import Text

from ewms.cli.text.terminal.plain import escape_controls
from schemas.api.failures import DeadLetterGroups, DeadLetterSeen
from schemas.attempts.dead_letters import DeadLetter
from schemas.attempts.failed_history import Attempt, ErrorGroup

_MAX_HEADER = 200
_MAX_EXCERPT = 60

#: In these headers the broker counts how often it has delivered a message: a dead letter only to its readers.
_READ_COUNTS = ("x-delivery-count", "x-acquired-count")


def group_table(groups: DeadLetterGroups, *, wide: bool = False) -> Table:
    """Return a table with a row for each task and error: how many letters, since when, and the error."""
    table = Table(box=box.SIMPLE, pad_edge=False, header_style="dim")
    table.add_column("letters", justify="right")
    table.add_column("signature", no_wrap=True)
    for column in ("task", "from (UTC)", "to (UTC)") if wide else ():
        table.add_column(column, no_wrap=True)
    table.add_column("error, # stands for what differs", overflow="fold")
    for group in groups.groups:
        task = group.task_id or "(the broker)"
        error = _safe_text(group.text, style="red")
        more = (_safe_text(task), _format_time(group.first_at), _format_time(group.last_at)) if wide else ()
        shown = error if wide else Text.assemble(error, "\n  ", (f"of {task}", "dim"))
        table.add_row(str(group.n_letters), group.signature, *more, shown)
    return table


def error_table(groups: Sequence[ErrorGroup], *, wide: bool = False) -> Table:
    """Return a table with a row for each task and error: failed attempts, events, machines, and the newest example.

    The counts are of reported attempts that count against their events. There may have been more.
    """
    table = Table(box=box.SIMPLE, pad_edge=False, header_style="dim")
    for column in ("attempts\nat least", "events\nat least", "machines\nat least"):
        table.add_column(column, justify="right")
    table.add_column("signature", no_wrap=True)
    if wide:
        for column in ("task", "event", "first (UTC)", "last (UTC)"):
            table.add_column(column, no_wrap=True)
    table.add_column("the newest such error", overflow="fold")
    for group in groups:
        more = (group.task_id, group.event_id, _format_time(group.first_at), _format_time(group.last_at))
        table.add_row(
            str(group.n_attempts - group.n_uncounted),
            str(group.n_events),
            str(group.n_machines),
            group.signature,
            *(map(_safe_text, more) if wide else ()),
            _safe_text(group.example, style="red"),
        )
    return table


def attempt_table(attempts: Sequence[Attempt], *, wide: bool = False) -> Table:
    """Return a table with a row for each failed attempt: when, at which event, and why.

    A star marks the number of an attempt that does not count; `explain_uncounted` has the words for it.
    """
    table = Table(box=box.SIMPLE, pad_edge=False, header_style="dim")
    table.add_column("failed (UTC)", no_wrap=True)
    table.add_column("try", justify="right")
    if wide:
        for column in ("event", "task", "machine", "worker", "bytes"):
            table.add_column(column, no_wrap=True)
    table.add_column("event, its input, and the error", overflow="fold")
    for attempt in attempts:
        worker = "" if attempt.worker is None else str(attempt.worker)
        more = (attempt.event_id, attempt.task_id, attempt.machine, worker, str(attempt.n_bytes))
        begins = attempt.excerpt[:_MAX_EXCERPT].decode(errors="backslashreplace")
        table.add_row(
            _format_time(attempt.failed_at),
            str(attempt.attempt) if attempt.counts else f"{attempt.attempt}*",
            *(map(_safe_text, more) if wide else ()),
            Text.assemble(
                _safe_text(attempt.key or attempt.event_id or "(no id)"),
                "  ",
                _safe_text(begins, style="dim"),
                "\n",
                _safe_text(attempt.error, style="red"),
            ),
        )
    return table


def explain_uncounted(n_uncounted: int) -> str:
    """Return a sentence on attempts that do not count against their events. Return "" if there are none."""
    if not n_uncounted:
        return ""
    return (
        f"{n_uncounted} failed attempt(s) do not count: the workers gave the events back, because they seemed bad "
        "themselves, or their time was over"
    )


def letter_table(letters: Sequence[DeadLetter], *, wide: bool = False) -> Table:
    """Return a table with a row for each dead letter."""
    table = Table(box=box.SIMPLE, pad_edge=False, header_style="dim")
    table.add_column("letter", no_wrap=True)
    table.add_column("dead (UTC)", no_wrap=True)
    if wide:
        for column in ("event", "task", "attempts", "replays", "bytes", "worker"):
            table.add_column(column, no_wrap=True)
    table.add_column("event and error", overflow="fold")
    for letter in letters:
        more = (
            letter.event_id,
            letter.task_id,
            "" if letter.attempts is None else str(letter.attempts),
            str(letter.n_replays),
            str(letter.n_bytes),
            letter.worker,
        )
        name = letter.key or letter.event_id
        table.add_row(
            letter.letter,
            _format_time(letter.dead_at),
            *(map(_safe_text, more) if wide else ()),
            Text.assemble(_safe_text(name), " " if name else "", _safe_text(letter.error, style="red")),
        )
    return table


def letter_lines(seen: DeadLetterSeen) -> Iterator[Text]:
    """Yield the lines that show a dead letter: its names and reason, its input, its headers, and every attempt at
    it.
    """
    letter = seen.dead_letter
    yield _labelled_line("letter", letter.letter)
    yield _labelled_line("event", f"{letter.event_id or '(no id)'}{f', key {letter.key}' if letter.key else ''}")
    yield _labelled_line("queue", letter.queue)
    yield _labelled_line("task", letter.task_id or "(the broker gave it up)")
    yield _labelled_line("dead", f"{_format_time(letter.dead_at)} UTC, {letter.reason}{_describe_replays(letter)}")
    yield _labelled_line("error", letter.error, style="red")
    yield _labelled_line("input", f"{letter.n_bytes} bytes{f', {letter.content_type}' if letter.content_type else ''}")
    yield _safe_text(f"  {letter.excerpt.decode(errors='backslashreplace')}{' ...' if _is_cut(letter) else ''}")
    for name, value in sorted((letter.headers or {}).items()):
        meaning = "  (how often EWMS has read this letter before; no attempts)" if name in _READ_COUNTS else ""
        yield _labelled_line("header", f"{name}: {str(value)[:_MAX_HEADER]}{meaning}", style="dim")
    if not seen.attempts:
        yield Text("the pilots reported no attempt: they were too busy, or it is too long ago", style="dim")
    for alike in fold_attempts(list(reversed(seen.attempts))):
        yield from attempt_lines(*alike)
    if seen.attempts and (missing := find_unreported(seen)):
        numbers = ", ".join(map(str, missing))
        yield Text(f"no pilot has reported attempt(s) {numbers}: {_WHY_UNREPORTED}", style="dim")


_WHY_UNREPORTED = "the worker was killed or lost the broker with the event in hand, or had reported too many failures"

#: A dead letter is shown with at most so many attempts, the newest.
_MOST_SHOWN = 50


def find_unreported(seen: DeadLetterSeen) -> list[int]:
    """Return the numbers of the attempts since the letter's last replay that no pilot has reported. Return [] if that
    is unknown.
    """
    letter = seen.dead_letter
    if letter.attempts is None or len(seen.attempts) >= _MOST_SHOWN:
        return []
    told = {attempt.attempt for attempt in seen.attempts if attempt.counts and attempt.n_replays == letter.n_replays}
    return [number for number in range(1, min(letter.attempts, _MOST_SHOWN) + 1) if number not in told]


def next_command(workflow: str, letter: DeadLetter, *, is_over: bool, alias: str = "") -> str:
    """Return a sentence and a command: what to do next with `letter` and with other dead letters of the same error.

    `alias` is that of the letter's queue of origin; "" if it is unknown.
    """
    same = f" --signature {letter.signature}" if letter.signature else ""
    if is_over:
        place = shlex.quote(alias) if alias else "ALIAS"
        return (
            "the workflow has ended and takes no replay; publish the events to a new one, NEW: "
            f"ewms dlq export {workflow}{same} --bodies | ewms queue publish NEW {place} -"
        )
    if letter.signature:
        return f"send all with this error back to their queues: ewms dlq replay {workflow}{same}"
    return f"send it back to its queue: ewms dlq replay {workflow} {letter.letter}"


def fold_attempts(attempts: Sequence[Attempt]) -> list[list[Attempt]]:
    """Split `attempts` (the oldest first) into groups of neighbours that ended with the same error, last lines and exit
    code.
    """
    runs: list[list[Attempt]] = []
    for attempt in attempts:
        if runs and _ending_of(runs[-1][0]) == _ending_of(attempt):
            runs[-1].append(attempt)
        else:
            runs.append([attempt])
    return runs


def attempt_lines(first: Attempt, *others: Attempt) -> Iterator[Text]:
    """Yield the lines that show a failed attempt, or several that ended in the same way: when, where, how, last
    output.
    """
    if not others:
        yield _safe_text(_attempt_heading(first), style="bold")
    else:
        last = others[-1]
        numbers = f"attempts {first.attempt}-{last.attempt}{_mark_uncounted(first)}{_describe_replay(first)}"
        times = f"{_format_time(first.failed_at)} to {_format_time(last.failed_at)} UTC"
        places = ", ".join(dict.fromkeys(_describe_place(one) for one in (first, *others)))
        yield _safe_text(f"{numbers}: {times}, at {places}{describe_exit(first.exit_code)}: same error", style="bold")
    yield _safe_text(f"  {first.error}", style="red")
    for line in first.last_lines.splitlines():
        yield _safe_text(f"  | {line}")


def _attempt_heading(attempt: Attempt) -> str:
    worker = "" if attempt.worker is None else f", worker {attempt.worker} of {attempt.taskforce_uuid}"
    number = f"attempt {attempt.attempt}{_mark_uncounted(attempt)}{_describe_replay(attempt)}"
    return (
        f"{number}: {_format_time(attempt.failed_at)} UTC, "
        f"{attempt.took_s:.1f} s, at {_describe_place(attempt)}{worker}{describe_exit(attempt.exit_code)}"
    )


def _describe_place(attempt: Attempt) -> str:
    return " ".join(word for word in (attempt.site, attempt.slot or attempt.machine) if word) or "somewhere"


def _mark_uncounted(attempt: Attempt) -> str:
    return "" if attempt.counts else " (not counted: the worker gave the event back)"


def _describe_replay(attempt: Attempt) -> str:
    return f" after replay {attempt.n_replays}" if attempt.n_replays else ""


def _ending_of(attempt: Attempt) -> tuple[object, ...]:
    """Return the facts that are equal for attempts that are shown together."""
    return attempt.error, attempt.last_lines, attempt.exit_code, attempt.n_replays, attempt.counts


def describe_exit(exit_code: int | None) -> str:
    """Return a task's exit code in words, with the signal's name if it is above 128: ", exit code 137 (SIGKILL)"."""
    if exit_code is None:
        return ""
    with suppress(ValueError):
        if exit_code > 128:
            return f", exit code {exit_code} ({signal.Signals(exit_code - 128).name})"
    return f", exit code {exit_code}"


def _describe_replays(letter: DeadLetter) -> str:
    attempts = "" if letter.attempts is None else f" after {letter.attempts} attempt(s)"
    return f"{attempts}, replayed {letter.n_replays} time(s)" if letter.n_replays else attempts


def _is_cut(letter: DeadLetter) -> bool:
    return letter.n_bytes > len(letter.excerpt)


def _labelled_line(name: str, value: str, *, style: str = "") -> Text:
    return Text.assemble((f"{name:<8}", "dim"), _safe_text(value, style=style))


def _safe_text(text: str, *, style: str = "") -> Text:
    """Return text from user code in a form that is safe for a terminal: escape sequences and line ends are spelled
    out.
    """
    return Text(escape_controls(text).replace("\n", "\\n"), style=style)


def _format_time(at: datetime | None) -> str:
    return "" if at is None else f"{at:%m-%d %H:%M:%S}"
