"""(core) Judge the runs of one seed of the engine's crash campaign, by what is stored and by their diary."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas.engine.run_documents import LogRow, RunDocument
from schemas.engine.runs import NODE_OPEN, NodeStatus, RunStatus
from schemas.ids import RunId
from tests.campaigns.engine_plan import CHOOSY, LEAF, LEAF_COUNT, WALK_COUNT

#: So long after the end of a node a worker may still begin to call its step, in seconds. The clocks of two processes
#: are read one after the other. If the node was canceled, WMS's order may be on its way or in the queue.
_CLEARED_S = 0.05
_LATEST_S = {NodeStatus.CANCELED: 10.0}


@dataclass(slots=True)
class Judgement:
    """What is wrong with one seed: nothing, if there are no faults. `n_calls` counts calls of steps, if it is known."""

    faults: list[str] = field(default_factory=list)
    n_calls: int | None = None
    taken_s: float = 0.0

    def __str__(self) -> str:
        """Return the calls and the faults in one line."""
        calls = "" if self.n_calls is None else f"{self.n_calls} calls  "
        return calls + (f"BAD {'; '.join(self.faults)}" if self.faults else "good")


def judge(
    runs: dict[str, RunDocument], logs: dict[RunId, list[LogRow]], diary: Sequence[str], *, n_seeds: int = 1
) -> Judgement:
    """Return what is wrong with the runs of `n_seeds` seeds. All are over; a launched run's name ends with its seed."""
    judgement, n_calls = Judgement(), 0
    calls: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
    for line in diary:
        what, at, process, node = line.split(" ", 3)
        if what == "begin":
            calls[process].append((float(at), node))
    for name, run in runs.items():
        wanted = {"leave": "canceled", CHOOSY: "error"}.get(run.definition, "successful")
        if str(run.status) != wanted and not (run.definition == "leave" and run.status is RunStatus.SUCCESSFUL):
            judgement.faults.append(f"{name} ended as {run.status}, not {wanted}: {run.explanation}")
        # A child begins at 0, the leaf whose state was put at 1.
        right = {"walk": WALK_COUNT, "leaf": LEAF_COUNT + name.startswith("leaf ")}.get(run.definition)
        if run.status is RunStatus.SUCCESSFUL and right and run.state.get("n") != right:
            judgement.faults.append(f"{name} counts {run.state.get('n')}, not {right}")
        if any(state.status in NODE_OPEN for state in run.nodes):
            judgement.faults.append(f"{name} is over, and a node of it is not")
        rows = logs[run.id]
        if [row.number for row in rows] != list(range(1, run.n_rows + 1)):
            judgement.faults.append(f"{name} has {run.n_rows} rows of its log, and kept {[row.number for row in rows]}")
        cleared = Counter(
            str(row.node) for row in rows if row.act == "ended" and row.node and row.status == "successful"
        )
        judgement.faults += [f"{name}: node {node} cleared {n} times" for node, n in cleared.items() if n > 1]
        latest: dict[str, float] = {
            state.key: state.ended_at.timestamp() + _LATEST_S.get(state.status, _CLEARED_S)
            for state in run.nodes
            if state.ended_at is not None
        }
        for at, node in calls[run.uuid]:
            n_calls += 1
            if node in latest and at > latest[node]:
                judgement.faults.append(f"{name}: node {node} was called {at - latest[node]:.2f} s after it had ended")
    judgement.n_calls = n_calls
    children = Counter(run.definition for name, run in runs.items() if name.startswith("child "))
    if children != {LEAF: 2 * n_seeds, CHOOSY: n_seeds}:
        judgement.faults.append(f"there are these children: {dict(children)}")
    return judgement
