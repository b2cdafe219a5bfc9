"""The console of rich, with text that cannot act on a terminal: names, reasons and notes come from other people."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from ewms.cli.text.terminal.plain import escape_controls


class SafeConsole(Console):
    """A console that spells out every unprintable character of what it shows. Its own colours and moves stay."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of `renderable`, with the controls in their text spelled out."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(escape_controls(segment.text), segment.style)


def open_console(*, width: int | None = None, stderr: bool = False) -> SafeConsole:
    """Return a console on stdout, or on stderr; by default as wide as the terminal."""
    return SafeConsole(width=width, stderr=stderr, highlight=False)
