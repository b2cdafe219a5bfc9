"""The stream of a tree: all of it once, then the changes, from which a client makes the tree as it is."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ewms.trees.async_trees import apply_change
from wms.gateway.awx.shapes.tree_news import TreeNews, find_changes

EDGES = [{"source": 1, "kind": "success", "target": 2}]


def make_tree(statuses: tuple[str, ...] = ("pending", "pending"), **fields: Any) -> dict[str, Any]:
    nodes = [{"id": number, "status": status, "why": ""} for number, status in enumerate(statuses, 1)]
    known = {"id": 7, "name": "release", "status": "running", "elapsed": 0.0, "job_explanation": ""}
    return {**known, **fields, "graph": {"nodes": nodes, "edges": EDGES}}


STATUSES = st.tuples(*[st.sampled_from(["pending", "waiting", "failed"])] * 4)
TREES = st.builds(make_tree, STATUSES, status=st.sampled_from(["running", "failed"]), elapsed=st.floats(0, 9))


@given(st.lists(TREES, min_size=1, max_size=6))
def test_a_client_knows_the_tree_after_each_event(trees: list[dict[str, Any]]) -> None:
    news, job, n_whole = TreeNews(), dict[str, Any](), 0
    for tree in trees:
        for name, data in news.update_client(tree, is_over=False):
            n_whole += name == "tree"
            job = dict(data) if name == "tree" else apply_change(job, data)
        assert {**job, "elapsed": 0} == {**tree, "elapsed": 0}
    assert n_whole == 1


def test_a_change_has_what_has_changed_and_nothing_else() -> None:
    before, after = make_tree(), make_tree(("waiting", "pending"), elapsed=2.0)
    assert find_changes(before, after) == {
        "elapsed": 2.0,
        "graph": {"nodes": [{"id": 1, "status": "waiting", "why": ""}]},
    }
    assert find_changes(before, make_tree(elapsed=3.0)) == {}, "time alone is no change"
    assert find_changes(before, make_tree(job_explanation="it halts")) == {"job_explanation": "it halts"}


def test_a_client_that_comes_back_gets_the_whole_tree_and_then_only_changes() -> None:
    # Its explanation went while the client was away, and its revision is the same.
    tree, news = make_tree(), TreeNews()
    assert news.update_client(tree, is_over=False) == [("tree", tree)]
    assert news.update_client(tree, is_over=False) == []
    over = TreeNews().update_client(make_tree(status="failed"), is_over=True)
    assert [name for name, _ in over] == ["tree", "end"]
