"""Filters, orders and pages of a list of processes: pairs with commas, bounded pages, errors that name the field."""

import pytest

from schemas.engine.processes import ProcessStatus
from schemas.errors import Rejected
from wms.processes.process_filters import DEFAULT_PAGE, MAX_PAGE, parse_filter, parse_page, parse_range, parse_sort
from wms.processes.process_status import make_status_query


def test_pairs_are_a_filter_and_all_of_them_hold() -> None:
    found = parse_filter("workflow_name,create_node,last_status,failed")
    assert found == {"$and": [{"definition": "create_node"}, make_status_query(ProcessStatus.FAILED)]}


def test_several_values_of_one_field_mean_any_of_them() -> None:
    assert parse_filter("parent,7") == {"$and": [{"parent.run": 7}]}
    assert parse_filter("created_by,ada,created_by,bob") == {"$and": [{"$or": [{"owner": "ada"}, {"owner": "bob"}]}]}


def test_no_filter_finds_all() -> None:
    assert parse_filter(None) == parse_filter("") == {}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("workflow_name,create_node,last_status", "'last_status' has no value"),
        ("colour,red", "'colour'"),
        ("last_status,happy", "'happy' is no last_status"),
        ("is_task,perhaps", "is_task must be true or false"),
        ("run,x", "run must be a number"),
        ("parent,x", "parent must be a number"),
        ("created_by,a" + ",created_by,a" * 20, "at most 20 pairs"),
        ("created_by," + "x" * 600, "at most 512 characters"),
        ("created_by,\0", "no NUL"),
    ],
)
def test_a_filter_that_does_not_fit_names_what_is_wrong(text: str, named: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse_filter(text)
    assert named in refused.value.reason
    assert refused.value.reason.startswith("filter: ")


def test_tasks_and_others_are_told_apart_by_their_target() -> None:
    tasks, others = parse_filter("is_task,true"), parse_filter("is_task,False")
    assert tasks == {"$and": [{"state.workflow_target": {"$in": ["RECONCILE", "SYSTEM", "VALIDATE"]}}]}
    assert others == {"$and": [{"state.workflow_target": {"$nin": ["RECONCILE", "SYSTEM", "VALIDATE"]}}]}


@pytest.mark.parametrize(
    ("text", "order"),
    [
        (None, (("_id", -1),)),
        ("started_at,asc", (("started_at", 1), ("_id", -1))),
        ("workflow_name,asc,run,desc", (("definition", 1), ("_id", -1))),
        ("run,asc", (("_id", 1),)),
    ],
)
def test_the_order_is_total(text: str | None, order: tuple[tuple[str, int], ...]) -> None:
    assert parse_sort(text) == order


@pytest.mark.parametrize(("text", "named"), [("started_at", "no value"), ("x,asc", "'x'"), ("run,up", "'run'")])
def test_an_order_that_does_not_fit_names_what_is_wrong(text: str, named: str) -> None:
    with pytest.raises(Rejected, match=r"^sort: ") as refused:
        parse_sort(text)
    assert named in refused.value.reason


@pytest.mark.parametrize(
    ("text", "found"),
    [(None, (0, DEFAULT_PAGE)), ("0,24", (0, 25)), ("10,10", (10, 1)), ("0,999999", (0, MAX_PAGE))],
)
def test_a_page_is_bounded(text: str | None, found: tuple[int, int]) -> None:
    assert parse_range(text) == found


@pytest.mark.parametrize("text", ["1", "a,b", "5,4", "0,1,2", "-1,4", "100001,100002", "0,9999999999"])
def test_a_page_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match=r"^range: "):
        parse_range(text)


def test_the_three_together() -> None:
    page = parse_page(filters="run,7", sort="run,asc", page="0,9")
    assert (page.query, page.sort, page.start, page.n) == ({"$and": [{"_id": 7}]}, (("_id", 1),), 0, 10)
