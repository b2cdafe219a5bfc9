"""The tables of 1.4 in the contract of decision trees, cell by cell. Each test bears the letter of its table."""

import itertools

import pytest

from schemas.engine.graph import BranchingProfile, Convergence, EdgeKind
from schemas.engine.runs import NODE_OVER, NodeStatus, RunStatus
from wms.engine.life.branching import Readiness, decide_node, empty_status, is_satisfied, judge_run

TREE, DAG, CHAIN = BranchingProfile.TREE, BranchingProfile.DAG, BranchingProfile.CHAIN
SUCCESS, FAILURE, ALWAYS = EdgeKind.SUCCESS, EdgeKind.FAILURE, EdgeKind.ALWAYS
KINDS = (SUCCESS, FAILURE, ALWAYS)

#: Table (a): what becomes of a child with one parent. R runs, s is passed, w waits.
TABLE_A = {
    (TREE, NodeStatus.SUCCESSFUL): "RsR",
    (TREE, NodeStatus.SKIPPED): "RsR",
    (TREE, NodeStatus.FAILED): "sRR",
    (TREE, NodeStatus.ERROR): "sss",
    (TREE, NodeStatus.CANCELED): "sss",
    (TREE, NodeStatus.PASSED): "sss",
    (DAG, NodeStatus.SUCCESSFUL): "RsR",
    (DAG, NodeStatus.SKIPPED): "RsR",
    (DAG, NodeStatus.FAILED): "sRR",
    (DAG, NodeStatus.ERROR): "sRR",
    (DAG, NodeStatus.CANCELED): "sRR",
    (DAG, NodeStatus.PASSED): "sss",
}
TABLE_A |= {(CHAIN, status): row for (profile, status), row in TABLE_A.items() if profile is TREE}
TABLE_A |= {(p, status): "www" for p in BranchingProfile for status in NodeStatus if status not in NODE_OVER}

LETTER = {Readiness.RUN: "R", Readiness.PASS: "s", Readiness.WAIT: "w"}


def child(profile: BranchingProfile, convergence: Convergence, *parents: tuple[NodeStatus, EdgeKind]) -> str:
    """Return what becomes of a child with these parents."""
    verdicts = [is_satisfied(profile, status, kind) for status, kind in parents]
    decided = [verdict for verdict in verdicts if verdict is not None]
    return LETTER[
        decide_node(convergence, n_edges=len(parents), n_decided=len(decided), n_satisfied=sum(map(bool, decided)))
    ]


def test_table_a_has_every_cell() -> None:
    assert set(TABLE_A) == set(itertools.product(BranchingProfile, NodeStatus))


@pytest.mark.parametrize(("profile", "status"), TABLE_A)
@pytest.mark.parametrize("convergence", Convergence)
def test_1_4_a_one_parent_one_child(profile: BranchingProfile, status: NodeStatus, convergence: Convergence) -> None:
    assert "".join(child(profile, convergence, (status, kind)) for kind in KINDS) == TABLE_A[profile, status]


S, F, E, C, R, D = (
    NodeStatus.SUCCESSFUL,
    NodeStatus.FAILED,
    NodeStatus.ERROR,
    NodeStatus.CANCELED,
    NodeStatus.TAKEN,
    NodeStatus.PASSED,
)
ROWS = (S, F, E, C, R, D)
#: Table (b) for two success edges in a dag: rows and columns S F E C r D; without the defects that it marks.
ANY_SUCCESS = ("RRRRwR", "Rsssws", "Rsssws", "Rsssws", "wwwwww", "Rsssws")
ALL_SUCCESS = ("Rsssws", "ssssss", "ssssss", "ssssss", "wsssws", "ssssss")
PAIRS = list(itertools.product(ROWS, ROWS))


@pytest.mark.parametrize(("row", "column"), list(itertools.product(range(6), range(6))))
def test_1_4_b_two_parents_on_success_edges(row: int, column: int) -> None:
    parents = ((ROWS[row], SUCCESS), (ROWS[column], SUCCESS))
    assert child(DAG, Convergence.ANY, *parents) == ANY_SUCCESS[row][column]
    assert child(DAG, Convergence.ALL, *parents) == ALL_SUCCESS[row][column]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_1_4_b_two_parents_on_always_edges(one: NodeStatus, other: NodeStatus) -> None:
    statuses = {one, other}
    any_of = "w" if R in statuses else ("s" if statuses == {D} else "R")
    all_of = "s" if D in statuses else ("w" if R in statuses else "R")
    assert child(DAG, Convergence.ANY, (one, ALWAYS), (other, ALWAYS)) == any_of
    assert child(DAG, Convergence.ALL, (one, ALWAYS), (other, ALWAYS)) == all_of


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_1_4_b_two_parents_on_failure_edges(one: NodeStatus, other: NodeStatus) -> None:
    bad, statuses = {F, E, C}, {one, other}
    any_of = "w" if R in statuses else ("R" if statuses & bad else "s")
    all_of = "s" if statuses & {S, D} else ("w" if R in statuses else "R")
    assert child(DAG, Convergence.ANY, (one, FAILURE), (other, FAILURE)) == any_of
    assert child(DAG, Convergence.ALL, (one, FAILURE), (other, FAILURE)) == all_of


def test_1_4_b_the_known_defects_are_not_here() -> None:
    assert child(DAG, Convergence.ALL, (E, SUCCESS), (S, SUCCESS)) == "s"
    assert child(DAG, Convergence.ALL, (E, SUCCESS), (C, SUCCESS)) == "s"
    assert child(DAG, Convergence.ALL, (E, SUCCESS)) == "s"
    assert child(DAG, Convergence.ALL, (empty_status(DAG), SUCCESS), (S, SUCCESS)) == "s"


@pytest.mark.parametrize("convergence", Convergence)
def test_a_root_runs(convergence: Convergence) -> None:
    assert decide_node(convergence, n_edges=0, n_decided=0, n_satisfied=0) is Readiness.RUN


def test_1_4_a_a_node_without_a_template_is_an_error_in_a_dag_and_ends_its_branch_in_a_tree() -> None:
    assert TABLE_A[DAG, empty_status(DAG)] == "sRR"
    assert TABLE_A[TREE, empty_status(TREE)] == "sss"
    assert judge(TREE, (empty_status(TREE), SUCCESS)) is RunStatus.SUCCESSFUL
    assert judge(DAG, (empty_status(DAG), SUCCESS)) is RunStatus.FAILED
    assert judge(DAG, (empty_status(DAG), ALWAYS)) is RunStatus.SUCCESSFUL


def judge(profile: BranchingProfile, *nodes: tuple[NodeStatus, EdgeKind | None], strict: bool = False) -> RunStatus:
    """Return how a run ends with nodes of these statuses, each with one edge of this kind."""
    listed = [(str(n), status, [] if kind is None else [kind]) for n, (status, kind) in enumerate(nodes)]
    return judge_run(profile, listed, any_failure_fails=strict)[0]


@pytest.mark.parametrize("profile", BranchingProfile)
@pytest.mark.parametrize("status", sorted(NODE_OVER))
@pytest.mark.parametrize("kind", [None, *KINDS])
def test_d3_how_a_run_ends(profile: BranchingProfile, status: NodeStatus, kind: EdgeKind | None) -> None:
    handled = kind in (FAILURE, ALWAYS)
    match status:
        case NodeStatus.FAILED:
            fails = not handled
        case NodeStatus.ERROR | NodeStatus.CANCELED:
            fails = profile is not DAG or not handled
        case _:
            fails = False
    others = ((S, SUCCESS), (D, None))
    assert judge(profile, (status, kind), *others) is (RunStatus.FAILED if fails else RunStatus.SUCCESSFUL)
    strict = judge(profile, (status, kind), *others, strict=True)
    assert strict is (RunStatus.FAILED if status in (F, E, C) else RunStatus.SUCCESSFUL)


@pytest.mark.parametrize(
    ("statuses", "end"),
    [
        ((S, D), RunStatus.SUCCESSFUL),
        ((S, F), RunStatus.FAILED),
        ((F, E, S), RunStatus.ERROR),
        ((E, F), RunStatus.ERROR),
        ((C,), RunStatus.FAILED),
    ],
)
def test_a_run_that_ends_as_its_worst_node_ignores_edges(statuses: tuple[NodeStatus, ...], end: RunStatus) -> None:
    nodes = [(str(n), status, [ALWAYS]) for n, status in enumerate(statuses)]
    assert judge_run(DAG, nodes, any_failure_fails=False, ends_as_worst_node=True)[0] is end


def test_the_reason_names_some_of_the_nodes() -> None:
    status, why = judge_run(DAG, [(f"n{n}", F, []) for n in range(12)], any_failure_fails=False)
    assert status is RunStatus.FAILED
    assert "n0 failed, n1 failed" in why
    assert why.endswith("and 2 more")
