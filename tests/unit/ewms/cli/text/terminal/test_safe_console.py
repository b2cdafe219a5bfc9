"""What other people wrote cannot act on the terminal of whoever looks at it."""

import io

from rich.table import Table
from rich.text import Text

from ewms.cli.text.terminal.safe_console import SafeConsole

HOSTILE = "web\x1b]0;owned\x07\x9b2J\u202e1"


def test_controls_in_texts_and_tables_are_spelled_out_and_colours_stay() -> None:
    out = io.StringIO()
    console = SafeConsole(file=out, force_terminal=True, color_system="standard", width=100, highlight=False)
    table = Table("host")
    table.add_row(Text(HOSTILE))
    console.print(Text.assemble(("bold", "bold"), f" {HOSTILE}"))
    console.print(HOSTILE, markup=False)
    console.print(table)
    shown = out.getvalue()
    assert "\x1b[1mbold" in shown
    # The column of the table is as wide as the text was, so it cuts the longer one.
    assert shown.count(r"web\x1b]0;owned\x9b2J\u202e1") == 2
    assert shown.count(r"web\x1b]0;owne") == 3
    assert not {"\x1b]", "\x07", "\x9b", "\u202e"} & {shown[at : at + n] for at in range(len(shown)) for n in (1, 2)}
    assert "│" in shown
