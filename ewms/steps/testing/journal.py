"""The journal of a process in a rehearsal: a row for each finished attempt of a step, and for each action of a
person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.engine.processes import StepStatus


@dataclass(frozen=True, kw_only=True)
class JournalRow:
    """One attempt of a step. `changes` are its changes of the state, `error` says why it failed."""

    key: str
    name: str
    attempt: int
    status: StepStatus
    started: datetime
    completed: datetime
    changes: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] = field(default_factory=dict)
    who: str = "SYSTEM"


def draw_journal(rows: Sequence[JournalRow]) -> str:
    """Return `rows` as text: a line for each row, and the traceback of the last failure."""
    lines = []
    for row in rows:
        reason = f"  {row.error.get('class')}: {row.error.get('error')}" if row.error else ""
        lines.append(f"{row.key:>3} {row.status:<18} {row.name}{reason}")
    failed = [row for row in rows if row.error.get("traceback")]
    return "\n".join(lines + ([str(failed[-1].error["traceback"])] if failed else []))
