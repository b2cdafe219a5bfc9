"""(core) What the crash campaign of decision trees strikes, what trees it launches, and what is wrong with their ends.

    release   build ──► inner, a tree of its own ──► sign (all) ──► deploy, which fails ──failure──► rollback
                   └──► test ───────────────────────┘
    leave     a fleet workflow that nothing ends, and a process that takes long; canceled at some moment

Points are those of the engine's campaign, as far as trees meet them for certain, and those of notifications and turns.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import NODE_OPEN, RUN_OVER, NodeStatus
from schemas.ids import RunId
from tests.campaigns.engine_plan import CHOOSY, LEAF, Point, Victim, find_points, read_point_names

_ROOT = Path(__file__).parents[2]
#: Stimuli that every run of the campaign brings.
_STIMULI = ("Begin", "NodeEnded", "ChildStarted", "ChildEnded", "WaitAnswered", "Wish")
_SOURCES = ("wms/notifications", "wms/trees")
#: A process that cannot start, because its form refuses; and one that takes long.
_BREAKS, _LONG = CHOOSY, "leave"

#: The job templates: name -> the process that does the work.
PROCESSES: Mapping[str, str] = {
    "build": LEAF,
    "test": LEAF,
    "deploy": _BREAKS,
    "rollback": LEAF,
    "inner job": LEAF,
    "long": _LONG,
}
FLEET = "fleet"
INNER = [{"identifier": "only", "template": "inner job"}]
RELEASE: list[dict[str, Any]] = [
    {"identifier": "build", "template": "build", "success": ["inner", "test"]},
    {"identifier": "inner", "template": "inner", "success": ["sign"]},
    {"identifier": "test", "template": "test", "success": ["sign"]},
    {"identifier": "sign", "approval": {"name": "sign"}, "all_parents_must_converge": True, "success": ["deploy"]},
    {"identifier": "deploy", "template": "deploy", "failure": ["rollback"]},
    {"identifier": "rollback", "template": "rollback"},
]
LEAVE = [{"identifier": "fleet", "template": FLEET}, {"identifier": "long", "template": "long"}]
#: How the nodes of the release must end, in their order.
_RELEASE_ENDS = ("successful", "successful", "successful", "successful", "error", "successful")


def find_tree_points(root: Path = _ROOT) -> list[Point]:
    """Return the points at which the campaign of trees strikes, in the order of the source."""
    of_engine = [
        point
        for point in find_points(root)
        if "/" not in point.name or point.name.rpartition("/")[2] in _STIMULI
        if point.name != "engine.input_kept"
    ]
    names = [name for source in _SOURCES for name in read_point_names(root / source)]
    return [*of_engine, *(Point(Victim.WMS, name) for name in names)]


def judge_trees(
    trees: Mapping[str, RunDocument],
    runs: Mapping[RunId, RunDocument],
    *,
    workflows: Sequence[Mapping[str, Any]],
    told: Collection[str],
    template: int,
) -> list[str]:
    """Return what is wrong. `trees` are the launched ones by name and seed, `runs` all runs by id, `workflows` the
    documents of the fleet's workflows, `told` the ids of notifications that came to the receiver, by the notification
    template's id.
    """
    faults: list[str] = []
    for key, tree in trees.items():
        ends = tuple(str(state.status) for state in tree.nodes)
        if _is_release(key):
            if (str(tree.status), ends) != ("successful", _RELEASE_ENDS):
                faults.append(f"{key} ended as {tree.status}, its nodes as {ends}: {tree.explanation}")
        elif str(tree.status) != "canceled":
            faults.append(f"{key} ended as {tree.status}, not canceled")
    for run in runs.values():
        if run.status not in RUN_OVER:
            faults.append(f"run {run.id} ({run.definition}) is {run.status} below trees that are over")
        if any(state.status in NODE_OPEN for state in run.nodes) and run.status in RUN_OVER:
            faults.append(f"run {run.id} is over, and a node of it is not")
    children = Counter((run.parent.run, run.parent.node) for run in runs.values() if run.parent is not None)
    faults += [f"node {number} of run {parent} has {n} jobs" for (parent, number), n in children.items() if n > 1]
    for tree in trees.values():
        for number, state in enumerate(tree.nodes):
            n_jobs = children[tree.id, number]
            # A node that was canceled may have had no time to start its job.
            if state.status is not NodeStatus.CANCELED and (n_jobs > 0) == (state.status is NodeStatus.PASSED):
                faults.append(f"node {state.key} of {tree.title} is {state.status}, and has {n_jobs} jobs")
    if len(workflows) > (n_nodes := sum(not _is_release(key) for key in trees)):
        faults.append(f"{n_nodes} nodes have {len(workflows)} fleet workflows")
    faults += [f"the fleet workflow {each['_id']} is an orphan" for each in workflows if not each.get("deactivated")]
    if told != (wanted := list_news(trees, template)):
        faults.append(f"the receiver was told {sorted(told)}, not {sorted(wanted)}")
    return faults


def list_news(trees: Mapping[str, RunDocument], template: int) -> set[str]:
    """Return the ids of all notifications by this notification template about trees that are over."""
    told = set()
    for key, tree in trees.items():
        end = "success" if _is_release(key) else "error"
        # A tree that was canceled before its turn came has never started.
        words = ("started", end) if tree.started_at else (end,)
        told |= {f"{tree.id}-{word}-{template}" for word in words}
    return told


def _is_release(key: str) -> bool:
    return key.startswith("release ")
