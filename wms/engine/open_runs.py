"""Keep in memory the runs that this process has used lately.

A run in memory may be older than its document, if another process has changed it. Then the compare-and-set of the next
write fails, and the engine loads the run again.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from schemas.engine.run_documents import LogRow
from schemas.ids import RunId
from wms.engine.life.open_run import OpenRun

#: The most nodes that all runs in memory may have together. A node takes about 1 kB.
_MAX_NODES = 200_000


@dataclass(slots=True)
class HeldRun:
    """A run in memory, with the log rows that are still in its document."""

    run: OpenRun
    rows: list[LogRow] = field(default_factory=list)
    #: Whether the run comes straight from the database. Only then a refusal needs no look at the document.
    is_fresh: bool = True


class OpenRuns:
    """Runs by id. If they have too many nodes in all, the runs that were used longest ago are dropped."""

    def __init__(self, max_nodes: int = _MAX_NODES) -> None:
        self._max_nodes = max_nodes
        self._runs: OrderedDict[RunId, HeldRun] = OrderedDict()
        self._n_nodes = 0

    def find_run(self, run_id: RunId) -> HeldRun | None:
        """Return the run. Return None if it is not in memory."""
        held = self._runs.get(run_id)
        if held is not None:
            self._runs.move_to_end(run_id)
            held.is_fresh = False
        return held

    def hold_run(self, held: HeldRun) -> None:
        """Keep a run in memory."""
        self.drop_run(held.run.facts.id)
        self._runs[held.run.facts.id] = held
        self._n_nodes += len(held.run.nodes)
        while self._n_nodes > self._max_nodes and len(self._runs) > 1:
            self.drop_run(next(iter(self._runs)))

    def drop_run(self, run_id: RunId) -> None:
        """Drop a run from memory, because it is over, or its document may have changed."""
        held = self._runs.pop(run_id, None)
        if held is not None:
            self._n_nodes -= len(held.run.nodes)
