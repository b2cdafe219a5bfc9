"""The runs that this process has in memory, the latest used last. A run that is not here is loaded.

A run in memory may be older than its document, if another process has changed it. The compare-and-set finds that out
before anything is written.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from schemas.ids import RunId
from schemas.run_documents import LogRow
from wms.engine.life.open_run import OpenRun

#: How many nodes the runs in memory have in all, at most. A node takes about 1 kB.
_MAX_NODES = 200_000


@dataclass(slots=True)
class HeldRun:
    """A run in memory, with the log rows that are still in its document."""

    run: OpenRun
    rows: list[LogRow] = field(default_factory=list)
    #: Whether a decision may be made about it that refuses: nothing was loaded before it was held.
    is_fresh: bool = True


class OpenRuns:
    """Runs by id, the ones used longest ago left out first."""

    def __init__(self, max_nodes: int = _MAX_NODES) -> None:
        self._max_nodes = max_nodes
        self._runs: OrderedDict[RunId, HeldRun] = OrderedDict()
        self._n_nodes = 0

    def find_run(self, run_id: RunId) -> HeldRun | None:
        """Return the run, if it is in memory."""
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
        """Forget a run: it is over, or its document may have moved on."""
        held = self._runs.pop(run_id, None)
        if held is not None:
            self._n_nodes -= len(held.run.nodes)
