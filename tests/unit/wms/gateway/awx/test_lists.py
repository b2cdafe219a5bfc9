"""The query of a list: filters, order and pages, and what is refused."""

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.errors import EWMSError, NotFound, Rejected
from wms.gateway.awx.lists import Fields, ListField, make_page, read_wish
from wms.gateway.awx.shapes.job_words import STATUS_WORDS, write_definition

FIELDS: Fields = {
    "id": ListField("_id", int),
    "name": ListField("title"),
    "organization": ListField("organization"),
    "status": ListField("status", words=STATUS_WORDS),
    "unified_job_template": ListField("definition", write=write_definition),
    "failed": ListField("failed", bool),
    "created": ListField("created_at", datetime),
}
EIGHT = datetime(2026, 11, 29, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "value", "condition"),
    [
        ("id", "7", {"_id": 7}),
        ("id__in", "1,2", {"_id": {"$in": [1, 2]}}),
        ("id__gte", "3", {"_id": {"$gte": 3}}),
        ("name", "a", {"title": "a"}),
        ("name__icontains", "a.b", {"title": {"$regex": r"a\.b", "$options": "i"}}),
        ("name__startswith", "a", {"title": {"$regex": "^a", "$options": ""}}),
        ("name__iexact", "a", {"title": {"$regex": "^a$", "$options": "i"}}),
        ("not__name", "a", {"$nor": [{"title": "a"}]}),
        ("organization", "None", {"organization": None}),
        ("organization__isnull", "false", {"organization": {"$ne": None}}),
        ("status", "pending", {"status": "created"}),
        ("status", "running", {"status": {"$in": ["running", "waiting", "halted", "stopped"]}}),
        ("status__in", "failed,error", {"status": {"$in": ["failed", "error"]}}),
        ("unified_job_template", "3", {"definition": "template/3"}),
        ("failed", "1", {"failed": True}),
        ("created__gt", "2026-11-29T08:00:00Z", {"created_at": {"$gt": EIGHT}}),
        ("created__gt", "2026-11-29T08:00:00.000000Z", {"created_at": {"$gt": EIGHT}}),
        ("created__lte", "2026-11-29T09:00:00+01:00", {"created_at": {"$lte": EIGHT}}),
        ("created__lt", "2026-11-29T08:00", {"created_at": {"$lt": EIGHT}}),
        ("created", "2026-11-29T08:00:00Z", {"created_at": EIGHT}),
        ("created__isnull", "1", {"created_at": None}),
        ("status__in", "new", {"status": {"$in": []}}),
    ],
)
def test_k3_a_filter_becomes_a_condition(name: str, value: str, condition: dict[str, Any]) -> None:
    assert read_wish([(name, value)], FIELDS).query == {"$and": [condition]}


def test_k3_alternatives_are_joined_and_a_search_looks_into_names() -> None:
    wish = read_wish([("or__id", "1"), ("or__name", "x"), ("search", "y"), ("format", "json")], FIELDS)
    assert wish.query == {
        "$and": [{"$or": [{"_id": 1}, {"title": "x"}]}, {"$or": [{"title": {"$regex": "y", "$options": "i"}}]}]
    }


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("colour", "red", Rejected),
        ("id", "x", Rejected),
        ("id__icontains", "1", Rejected),
        ("status", "odd", Rejected),
        ("unified_job_template", "x", Rejected),
        ("order_by", "colour", Rejected),
        ("created__gt", "yesterday", Rejected),
        ("created", "1", Rejected),
        ("created__icontains", "2026", Rejected),
        ("created__lt", "0001-01-01T00:00:00+14:00", Rejected),
        ("status__gt", "new", Rejected),
        ("status__icontains", "pend", Rejected),
        ("unified_job_template__lt", "3", Rejected),
        ("page_size", "0", Rejected),
        ("page_size", "9" * 5000, Rejected),
        ("page", "0", NotFound),
        ("page", "x", NotFound),
    ],
)
def test_k3_what_a_list_does_not_know_is_refused(name: str, value: str, error: type[EWMSError]) -> None:
    with pytest.raises(error):
        read_wish([(name, value)], FIELDS)


def test_k3_1_k3_2_pages_link_to_their_neighbours_with_the_same_filters() -> None:
    pairs = [("name", "a b"), ("page", "2"), ("page_size", "2"), ("order_by", "-name,id")]
    wish = read_wish(pairs, FIELDS)
    assert (wish.sort, wish.skip, wish.page_size) == ((("title", -1), ("_id", 1)), 2, 2)
    page = make_page("/x/", pairs, wish, [{"id": 3}], 5)
    assert page["next"] == "/x/?name=a+b&page_size=2&order_by=-name%2Cid&page=3"
    assert page["previous"] == "/x/?name=a+b&page_size=2&order_by=-name%2Cid&page=1"
    assert make_page("/x/", pairs, wish, [], 4)["next"] is None
    with pytest.raises(NotFound):
        make_page("/x/", pairs, wish, [], 2)
    assert read_wish([("page_size", "9999")], FIELDS).page_size == 200
