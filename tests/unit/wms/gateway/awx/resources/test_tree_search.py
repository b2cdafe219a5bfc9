"""Which trees the list of all nodes loads, and which of their nodes are on a page."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.ids import RunId
from wms.gateway.awx.lists import read_wish
from wms.gateway.awx.resources.tree_search import is_about_trees_alone, narrow_trees, slice_nodes
from wms.gateway.awx.shapes.job_words import NODE_FIELDS


@pytest.mark.parametrize(
    ("pairs", "narrowed"),
    [
        ([], {}),
        ([("workflow_job", "7")], {"_id": {"$in": [7]}}),
        ([("workflow_job__in", "7,8")], {"_id": {"$in": [7, 8]}}),
        ([("id", "140003")], {"_id": {"$in": [7]}}),
        ([("identifier", "b")], {"graph.nodes.key": {"$in": ["b"]}}),
        ([("job", "9")], {"nodes.child_run": {"$in": [9]}}),
        ([("unified_job_template", "3")], {"graph.nodes.definition": {"$in": ["template/3"]}}),
        ([("job__isnull", "1")], {}),
        ([("identifier__icontains", "b")], {}),
        ([("not__workflow_job", "7")], {}),
    ],
)
def test_trees_that_cannot_have_such_nodes_are_not_loaded(
    pairs: list[tuple[str, str]], narrowed: dict[str, Any]
) -> None:
    query = narrow_trees(read_wish(pairs, NODE_FIELDS, searched=("identifier",)).query)
    assert query == ({"$and": [narrowed]} if narrowed else {})


@pytest.mark.parametrize(
    ("pairs", "is_alone"),
    [
        ([("page", "2")], True),
        ([("workflow_job", "7"), ("order_by", "id")], True),
        ([("order_by", "-id")], False),
        ([("identifier", "b")], False),
        ([("not__workflow_job", "7")], False),
    ],
)
def test_a_list_of_whole_trees_needs_no_look_at_the_nodes(pairs: list[tuple[str, str]], is_alone: bool) -> None:
    assert is_about_trees_alone(read_wish(pairs, NODE_FIELDS)) is is_alone


@given(st.lists(st.integers(0, 5), max_size=8), st.integers(0, 30), st.integers(1, 9))
def test_a_page_has_the_nodes_that_a_list_of_all_would_have_there(sizes: list[int], skip: int, limit: int) -> None:
    numbered = {RunId(number): n for number, n in enumerate(sizes)}
    everything = [(run_id, place) for run_id, n in numbered.items() for place in range(n)]
    page = slice_nodes(numbered, skip, limit)
    assert [(run_id, place) for run_id, places in page.items() for place in places] == everything[skip : skip + limit]
