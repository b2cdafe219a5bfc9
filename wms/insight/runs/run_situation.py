"""The facts from which a run is explained, and how commands name a run. (core)"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from schemas.engine.graph import DefinitionKind
from schemas.engine.run_documents import EngineSettings, RunDocument, StepWorkerDocument
from schemas.ids import NodeKey, RunId

#: In `RunSituation.refusals`, the key of a run's form, which is no node.
FORM = NodeKey("")
_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSituation:
    """A run, the runs below it, and what is known about them."""

    run: RunDocument
    #: Its status in the words of the dialect, and why it has that status as other answers say it.
    standing: str
    why: str = ""
    #: The runs that its nodes have started and that are open or failed, and those below them, as far as they were read.
    below: Mapping[RunId, RunDocument] = field(default_factory=dict)
    lock: EngineSettings = field(default_factory=EngineSettings)
    #: The step workers that have reported lately.
    workers: Sequence[StepWorkerDocument] = ()
    #: (run, node) -> why no step worker can run this node now.
    refusals: Mapping[tuple[RunId, NodeKey], str] = field(default_factory=dict)
    #: The job for whose end the run waits, because its template allows one at a time.
    busy: RunId | None = None
    #: Workflow -> why it is stalled.
    stalls: Mapping[str, str] = field(default_factory=dict)


def name_in_commands(run: RunDocument) -> dict[str, Any]:
    """Return how commands name a run: the noun of their group, and the id. A job of a tree has the number of its
    tree.
    """
    if run.kind is DefinitionKind.TEMPLATE:
        return {"noun": "tree", "id": run.parent.run if run.graph.is_leaf and run.parent is not None else run.id}
    if run.kind is DefinitionKind.CATALOGUE:
        return {"noun": "job", "id": run.id}
    return {"noun": "process", "id": run.uuid}


def format_time(at: datetime | None) -> str:
    """Return a time in UTC, to the second."""
    return "an unknown time" if at is None else f"{at.astimezone(UTC):%F %T} UTC"


def shorten_reason(why: str) -> str:
    """Return a reason, which may come from user code, in at most 500 characters of one line."""
    line = " ".join(why.split())
    return line if len(line) <= _LONGEST_REASON else line[:_LONGEST_REASON] + "…"


def append_reason(why: str) -> str:
    """Return a reason for the end of a sentence: `: why`, or "" without one."""
    return f": {shorten_reason(why)}" if why else ""
