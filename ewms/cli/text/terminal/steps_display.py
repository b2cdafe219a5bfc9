"""Show something that runs in steps: as a live drawing on a terminal, elsewhere as a line for each step that has
ended.
"""

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Self

from ewms.cli.text.terminal.streams import print_to_stderr

if TYPE_CHECKING:
    from rich.text import Text


class StepsDisplay:
    """A display of something that runs in steps: `with StepsDisplay() as display`, then `display.draw(...)`."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._told: set[Hashable] = set()
        self._status = ""

    def __enter__(self) -> Self:
        from rich.live import Live

        from ewms.cli.text.terminal.safe_console import open_console

        console = open_console(stderr=True)
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal and not self._quiet else None
        if self._live is not None:
            self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.__exit__(None, None, None)

    def draw(self, lines: "Iterable[Text]", ended: Iterable[tuple[Hashable, str]], status: str) -> None:
        """Draw `lines` on a terminal. Elsewhere, write the new lines of `ended`, and `status` if it has changed."""
        if self._quiet:
            return
        if self._live is not None:
            from rich.console import Group

            self._live.update(Group(*lines), refresh=True)
            return
        for step, line in ended:
            if step not in self._told:
                self._told.add(step)
                print_to_stderr(line)
        if status != self._status:
            self._status = status
            print_to_stderr(status)
