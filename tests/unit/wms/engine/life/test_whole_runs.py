"""Whole runs of random trees and dags: the engine against a model that knows only the tables of the contract.

The model knows no statuses on the way, no counts and no order: it looks from each node at its parents. The engine gets
the ends of the jobs one by one in a random order, and perhaps a cancel in between.
"""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from schemas.engine.graph import BranchingProfile, Convergence, EdgeKind
from schemas.engine.runs import RUN_OVER, Outcome
from tests.unit.wms.engine.graphs import make_graph
from tests.unit.wms.engine.walking import Walk

TREE, DAG = BranchingProfile.TREE, BranchingProfile.DAG
BAD = ("failed", "error", "canceled")
ENDS = ("successful", *BAD)
#: Table (a) of 1.4: the kinds of the edges that lead on from a node that ended so. Other rows lead nowhere.
LEADS_ON = {
    TREE: {"successful": {"success", "always"}, "failed": {"failure", "always"}},
    DAG: {"successful": {"success", "always"}, **{ended: {"failure", "always"} for ended in BAD}},
}


@dataclass(frozen=True)
class Story:
    """A graph, how the job of each node ends if it runs, and in which order jobs that run at once end."""

    profile: BranchingProfile
    #: Of each node: its parents, with the kind of the edge.
    parents: tuple[tuple[tuple[int, str], ...], ...]
    wants_all: tuple[bool, ...]
    #: Nodes without a template.
    empty: tuple[bool, ...]
    ends: tuple[str, ...]
    order: tuple[int, ...]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    profile = draw(st.sampled_from([TREE, DAG]))
    n_nodes = draw(st.integers(1, 14))
    parents: list[tuple[tuple[int, str], ...]] = []
    # A24: the children of a node of a tree are always-only, or any mix of success and failure.
    always_only = draw(st.lists(st.booleans(), min_size=n_nodes, max_size=n_nodes))
    for number in range(n_nodes):
        most = min(number, 1 if profile is TREE else 4)
        found = draw(st.sets(st.integers(0, number - 1), max_size=most)) if number else set()
        edges = []
        for parent in sorted(found):
            mixed = ["success", "failure"] if profile is TREE else ["success", "failure", "always"]
            kinds = ["always"] if profile is TREE and always_only[parent] else mixed
            edges.append((parent, draw(st.sampled_from(kinds))))
        parents.append(tuple(edges))
    flags = st.lists(st.booleans(), min_size=n_nodes, max_size=n_nodes)
    rarely = st.lists(st.sampled_from([False] * 7 + [True]), min_size=n_nodes, max_size=n_nodes)
    return Story(
        profile=profile,
        parents=tuple(parents),
        wants_all=tuple(draw(flags)),
        empty=tuple(draw(rarely)),
        ends=tuple(draw(st.lists(st.sampled_from(ENDS), min_size=n_nodes, max_size=n_nodes))),
        order=tuple(draw(st.permutations(range(n_nodes)))),
    )


def foretell_nodes(story: Story) -> list[str]:
    """Return how each node of a run that nobody cancels ends; `passed` is a node that never runs."""
    found: list[str] = []
    for number, edges in enumerate(story.parents):
        leading = [kind in LEADS_ON[story.profile].get(found[parent], set()) for parent, kind in edges]
        runs = not edges or (all(leading) if story.wants_all[number] else any(leading))
        # A node without a template is an error of a dag (1.4 a), and the end of a branch of a tree.
        without = "error" if story.profile is DAG else "passed"
        found.append("passed" if not runs else without if story.empty[number] else story.ends[number])
    return found


def foretell_run(story: Story, nodes: list[str]) -> str:
    """Return how a run ends whose nodes ended so, as D3 rules."""
    for number, ended in enumerate(nodes):
        kinds = {kind for edges in story.parents for parent, kind in edges if parent == number}
        is_handled = not kinds.isdisjoint({"failure", "always"})
        if ended in BAD and (not is_handled or (story.profile is TREE and ended != "failed")):
            return "failed"
    return "successful"


def begin(story: Story) -> Walk:
    edges = [(parent, EdgeKind(kind), number) for number, found in enumerate(story.parents) for parent, kind in found]
    fields = {
        number: {
            "kind": "empty" if story.empty[number] else "run",
            "function": "",
            "definition": "" if story.empty[number] else "template/1",
            "convergence": Convergence.ALL if wants_all else Convergence.ANY,
        }
        for number, wants_all in enumerate(story.wants_all)
    }
    return Walk(make_graph(story.profile, len(story.parents), *edges, fields=fields)).begin()


def end_next(walk: Walk, story: Story) -> int:
    """End the job that the story lets end next, and return the number of its node."""
    going = [number for number, state in enumerate(walk.run.nodes) if state.status in ("due", "waiting")]
    number = min(going, key=story.order.index)
    if walk.run.nodes[number].status == "due":
        walk.start_child(f"n{number}", 100 + number)
    walk.end_child(f"n{number}", Outcome(story.ends[number]))
    return number


def list_ends(walk: Walk) -> list[str]:
    return [str(state.status) for state in walk.run.nodes]


@given(stories())
def test_a5_a6_a27_a30_a31_1_4_every_run_ends_as_the_tables_say_in_whichever_order_its_jobs_end(story: Story) -> None:
    walk, final = begin(story), dict[int, str]()
    for _ in range(len(story.parents) + 1):
        over = {n: ended for n, ended in enumerate(list_ends(walk)) if ended in (*ENDS, "passed")}
        assert final.items() <= over.items(), "what has ended, or will never run, stays so"
        final = over
        if walk.status in RUN_OVER:
            break
        end_next(walk, story)
    foretold = foretell_nodes(story)
    assert list_ends(walk) == foretold
    assert walk.status == foretell_run(story, foretold)
    ran = [f"n{n}" for n, ended in enumerate(foretold) if ended != "passed" and not story.empty[n]]
    assert sorted(walk.started) == sorted(ran), "each node that runs has one job, and no other has one"


@given(stories(), st.integers(0, 14))
def test_a32_after_a_cancel_no_job_begins_and_the_run_ends_with_the_last_that_runs(story: Story, n_before: int) -> None:
    walk = begin(story)
    for _ in range(n_before):
        if walk.status in RUN_OVER:
            return
        end_next(walk, story)
    if walk.status in RUN_OVER:
        return
    before, started = list_ends(walk), list(walk.started)
    walk.cancel()
    while walk.status not in RUN_OVER:
        assert any(ended in ("due", "waiting") for ended in list_ends(walk)), "it would wait for ever"
        end_next(walk, story)
    assert walk.status == "canceled"
    assert walk.started == started, "no job begins after a cancel"
    for was, ended, own in zip(before, list_ends(walk), story.ends, strict=True):
        match was:
            case "pending":
                assert ended == "passed"
            case "due" | "waiting":
                assert ended in (own, "canceled")
            case _:
                assert ended == was
