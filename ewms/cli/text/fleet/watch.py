"""Watch a workflow: in a live view on a terminal, elsewhere as a line of text whenever something has changed."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ewms.cli.text.terminal.streams import check_reader
from ewms.workflows.progress import Observation, Progress, compute_progress

if TYPE_CHECKING:
    from ewms.client import Run

INTERVAL_S = 1.0
LINE_EVERY_S = 3.0
_HISTORY = 600


def tick_regularly(*, forever: bool, interval_s: float = INTERVAL_S) -> Iterator[None]:
    """Yield once at once. If `forever`, then yield every `interval_s` seconds."""
    yield
    while forever:
        time.sleep(interval_s)
        yield


def watch_until_over(run: "Run", *, quiet: bool = False) -> None:
    """Show the progress of `run` until it is over."""
    history: deque[Observation] = deque(maxlen=_HISTORY)
    with LiveDisplay(quiet=quiet) as show:
        for seen in run.observe(again_s=INTERVAL_S):
            history.append(seen)
            show(compute_progress(tuple(history)))


class LiveDisplay:
    """A display of progress: `with LiveDisplay() as show`, then `show(progress)`.

    It draws on a terminal. Elsewhere it writes a line when `is_worth_a_line` says so.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._last: Progress | None = None

    def __enter__(self) -> Callable[[Progress], None]:
        from rich.live import Live

        from ewms.cli.text.terminal.safe_console import open_console

        console = open_console(stderr=True)
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal and not self._quiet else None
        if self._live is not None:
            self._live.__enter__()
        return self._show_progress

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.__exit__(None, None, None)

    def _show_progress(self, now: Progress) -> None:
        from ewms.workflows.view import format_progress, render_progress

        if self._live is not None:
            self._live.update(render_progress(now), refresh=True)
        elif not self._quiet:
            check_reader(sys.stderr)
            if self._last is None or is_worth_a_line(self._last, now):
                sys.stderr.write(format_progress(now, self._last) + "\n")
                self._last = now
                sys.stderr.flush()


def is_worth_a_line(told: Progress, now: Progress) -> bool:
    """Return whether to write a line about `now`. `told` is the progress of the last line.

    Another phase or a new problem gets a line at once; other changes get one after `LINE_EVERY_S` seconds.
    """
    from ewms.workflows.view import describe_progress

    if (told.phase, told.facts.state.phases) != (now.phase, now.facts.state.phases):
        return True
    if len(now.problems) > len(told.problems):
        return True
    if describe_progress(told) == describe_progress(now):
        return False
    if now.facts.at_s - told.facts.at_s < LINE_EVERY_S:
        return False
    before, after = told.facts, now.facts
    return (before.state.workers, before.depths, before.n_received) != (
        after.state.workers,
        after.depths,
        after.n_received,
    )
