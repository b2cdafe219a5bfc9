"""Show the progress of downloads and unpacking: bars on a terminal, elsewhere a line for each step."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

_REFRESH_S = 0.2


class Bar:
    """The display of one step: its current work, and how far it has come."""

    def __init__(self, steps: "Steps", task: TaskID, name: str) -> None:
        self._steps = steps
        self._task = task
        self._name = name

    def begin_stage(self, what: str, total: float | None = None) -> None:
        """Show that a new part of this step begins, with the text `what`. The part has `total` units; None: that is
        unknown.
        """
        self._steps.write_note(self._name, what)
        self._steps.progress.reset(self._task, total=total, description=f"{self._name}: {what}")

    def count_units(self, units: float = 1) -> None:
        """Count `units` as done."""
        self._steps.progress.advance(self._task, units)

    def finish_step(self, what: str) -> None:
        """Show this step as complete, with the text `what`."""
        self._steps.write_note(self._name, what)
        self._steps.progress.update(self._task, description=f"{self._name}: {what}", total=1, completed=1)

    @contextlib.contextmanager
    def follow_directory(self, directory: Path) -> Iterator[None]:
        """During the block, show as progress how many bytes were added below `directory`."""
        over = threading.Event()
        before = _bytes_below(directory)

        def follow_growth() -> None:
            while not over.wait(_REFRESH_S):
                self._steps.progress.update(self._task, completed=_bytes_below(directory) - before)

        follower = threading.Thread(target=follow_growth, daemon=True, name="follow-download")
        follower.start()
        try:
            yield
        finally:
            over.set()
            follower.join()


class Steps:
    """A display of steps that run side by side."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> "Steps":
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def add_step(self, name: str) -> Bar:
        """Add a step to the display, and return its bar."""
        return Bar(self, self.progress.add_task(name, total=None), name)

    def write_note(self, name: str, what: str) -> None:
        """Print the line "`name`: `what`". On a terminal print nothing, because the bars show it."""
        if not self._console.is_terminal:
            self._console.print(f"{name}: {what}", highlight=False, markup=False)


def _bytes_below(directory: Path) -> int:
    total = 0
    for file in directory.rglob("*"):
        # Another program may rename a file out of `partial` between the listing and the look.
        with contextlib.suppress(OSError):
            total += file.stat().st_size
    return total
