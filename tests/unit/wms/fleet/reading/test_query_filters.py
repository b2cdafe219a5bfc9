"""Queries: what passes, what does not, and that nothing else ever does."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Rejected
from schemas.fleet.documents import TASKFORCES
from wms.fleet.reading.query_filters import (
    MAX_DEPTH,
    MAX_TERMS,
    OPERATORS,
    BadQuery,
    make_filter,
    make_projection,
    restrict_filter,
)
from wms.fleet.repository import PUBLIC

FIELDS = PUBLIC[TASKFORCES]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"workflow_id": "WF-1"},
        {"phase": {"$in": ["pre-launch", "condor-submit"]}, "cluster_id": {"$ne": None}},
        {"worker_config.n_cores": {"$gt": 1, "$lte": 8}},
        {"worker_config": {"n_cores": 1}},
        {"submit_dict": {}},
        {"$or": [{"phase": "pre-launch"}, {"$and": [{"n_workers": {"$exists": True}}]}]},
        {"$nor": [{"priority": {"$lt": 3.5}}]},
        {"taskforce_uuid": {"$regex": "^TF-6b", "$options": "i"}},
        {"taskforce_uuid": {"$not": {"$regex": "^TF-6b"}}},
        {"phase_change_log": {"$elemMatch": {"target_phase": "condor-submit", "was_successful": False}}},
        {"phase_change_log": {"$size": 3}},
        {"pilot_config.input_files": {"$all": ["/a", "/b"]}},
        {"pilot_config.input_files": {"$elemMatch": {"$regex": "^/a"}}},
        {"phase_change_log.0.context": ""},
        {"n_workers": {"$nin": [1, 2]}, "priority": {"$eq": 50}},
    ],
)
def test_what_is_allowed_reaches_the_database_as_it_is(query: dict[str, Any]) -> None:
    assert make_filter(query, FIELDS) == query


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"$where": "sleep(1000)"}, "operator $where is not allowed here"),
        ({"$expr": {"$function": {}}}, "operator $expr is not allowed"),
        ({"phase": {"$where": "1"}}, "operator $where is not allowed"),
        ({"phase": {"$eq": {"$gt": ""}}}, "operator $gt is not allowed here"),
        ({"phase": {"$not": {"$where": "1"}}}, "operator $where is not allowed"),
        ({"phase_change_log": {"$elemMatch": {"$where": "1"}}}, "operator $where is not allowed"),
        ({"phase_change_log": {"$elemMatch": {"a": {"$expr": 1}}}}, "operator $expr is not allowed"),
        ({"worker_config": {"n_cores": {"$gt": 1}}}, "operator $gt is not allowed here"),
        ({"phase": {"$gt": 1, "x": 2}}, "operator x is not allowed"),
        ({"phase": {"$jsonSchema": {}}}, "$jsonSchema is not allowed"),
        ({"phase": {"$or": [{}]}}, "operator $or is not allowed"),
        ({"owner": "ada"}, "owner is not a field to query by"),
        ({"cursor": {"$gt": ""}}, "cursor is not a field to query by"),
        ({"_id": "x"}, "_id is not a field"),
        ({"status_seq": 1}, "status_seq is not a field"),
        ({"worker_config.$where": 1}, "is not a field name"),
        ({"worker_config..n": 1}, "is not a field name"),
        ({"$or": []}, "must be a non-empty array"),
        ({"$and": {"phase": "x"}}, "must be a non-empty array"),
        ({"$or": ["x"]}, "is not of type 'object'"),
        ({"phase": {"$in": "x"}}, "is not of type 'array'"),
        ({"phase": {"$regex": 5}}, "must be a string"),
        ({"phase": {"$regex": "a" * 600}}, "at most 512"),
        ({"phase": {"$regex": "a", "$options": "g"}}, "letters i, m, s, x"),
        ({"phase": {"$options": "i"}}, "needs $regex"),
        ({"phase": {"$exists": 1}}, "is not of type 'boolean'"),
        ({"phase_change_log": {"$size": -1}}, "at least 0"),
        ({"phase_change_log": {"$size": True}}, "at least 0"),
        ({"phase_change_log": {"$elemMatch": {}}}, "non-empty query"),
        ({"priority": 2**70}, "64-bit"),
        ({"priority": float("inf")}, "finite"),
        ({"task_id": "\ud800"}, "not valid text"),
        ({"submit_dict": {"\ud800": 1}}, "not valid text"),
        ({"submit_dict.\0": 1}, "is not a field name"),
    ],
)
def test_what_is_not_allowed_is_refused_by_name(query: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadQuery) as caught:
        make_filter(query, FIELDS)
    assert reason in caught.value.reason
    assert caught.value.code == 400


def test_a_query_has_bounded_depth_terms_and_values() -> None:
    deep: dict[str, Any] = {"phase": "x"}
    for _ in range(MAX_DEPTH + 1):
        deep = {"$or": [deep]}
    value: Any = 1
    for _ in range(MAX_DEPTH + 1):
        value = [value]
    for query in (
        deep,
        {"submit_dict": value},
        {"$or": [{"phase": str(n)} for n in range(MAX_TERMS)]},
        {"phase": {"$in": list(range(20_000))}},
    ):
        with pytest.raises(BadQuery):
            make_filter(query, FIELDS)


_names = st.sampled_from([*FIELDS, "owner", "_id", "$where", "$expr", "$or", "$not", "$gt", "$in", "$elemMatch", "x.y"])
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names | st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


def _operators(query: Any) -> set[str]:
    if isinstance(query, dict):
        return {name for name in query if name.startswith("$")}.union(*map(_operators, query.values()))
    if isinstance(query, list):
        return set().union(*map(_operators, query))
    return set()


@given(st.dictionaries(_names | st.text(max_size=4), _json, max_size=4))
def test_whatever_is_sent_only_listed_operators_and_fields_pass(query: dict[str, Any]) -> None:
    try:
        passed = make_filter(query, FIELDS)
    except Rejected:
        return
    assert passed == query
    assert _operators(passed) <= OPERATORS
    assert {name.split(".")[0] for name in passed if not name.startswith("$")} <= set(FIELDS)


def test_the_owner_clause_and_the_cursor_are_added_where_no_query_can_undo_them() -> None:
    query = {"$or": [{"phase": "x"}, {"phase": "y"}]}
    clause = {"$or": [{"owner": "ada"}]}
    assert restrict_filter(query, clause, after="0" * 24) == {"$and": [clause, query, {"cursor": {"$gt": "0" * 24}}]}
    assert restrict_filter({}, {}, after=None) == {}


@pytest.mark.parametrize(
    ("names", "fetched"),
    [
        (["phase"], {"phase"}),
        (["phase", "_id"], {"phase"}),
        (["worker_config.n_cores", "phase"], {"worker_config.n_cores", "phase"}),
        (["worker_config", "worker_config.n_cores"], {"worker_config"}),
        (["no_such", "owner", "status_seq", "rev"], set()),
        (["worker_config.$x", "phase\0", "worker_config."], set()),
        (["_id"], set(FIELDS)),
        (None, set(FIELDS)),
    ],
)
def test_a_projection_fetches_public_fields_only(names: list[str] | None, fetched: set[str]) -> None:
    wanted = make_projection(names, FIELDS)
    assert wanted.pop("_id") == 0
    assert wanted.pop("cursor") == 1
    assert set(wanted) == fetched
