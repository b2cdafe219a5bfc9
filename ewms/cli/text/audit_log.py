"""Show the rows of the audit log for people. (core)"""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from ewms.cli.text.fleet.tables import make_table
from schemas.api.audit import AuditRowSeen

_N_SIDES = 2


def audit_table(rows: Sequence[AuditRowSeen]) -> Table:
    """Return a table with a row for each change."""
    table = make_table("at (UTC)", "who", "did", "to")
    table.add_column("change", overflow="fold")
    for row in rows:
        about = f"{row.kind.replace('_', ' ')} {row.name or row.object_id}"
        table.add_row(
            f"{row.at:%Y-%m-%d %H:%M:%S}",
            Text(row.who or "EWMS"),
            Text(row.operation),
            Text(about),
            Text(describe_changes(row.changes)),
        )
    return table


def describe_changes(changes: Mapping[str, Any]) -> str:
    """Return the changed fields, such as `name: a -> b; act: resume`."""
    return "; ".join(f"{field.replace('_', ' ')}: {_write_change(value)}" for field, value in changes.items())


def _write_change(value: Any) -> str:
    if isinstance(value, list) and len(value) == _N_SIDES:
        return " -> ".join(map(_write_value, value))
    return _write_value(value)


def _write_value(value: Any) -> str:
    return "nothing" if value in (None, "") else str(value)
