"""Lists of subscriptions: filter, sort and range as queries, and each mistake by its name."""

import pytest

from schemas.errors import Rejected
from wms.processes.subscriptions.subscription_filters import make_customers_query, parse_subscription_page


def parse(filters: str | None = None, sort: str | None = None, page: str | None = None) -> object:
    return parse_subscription_page(filters=filters, sort=sort, page=page)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("status,ACTIVE", {"status": "active"}),
        ("insync,true", {"insync": True}),
        ("product,Node", {"product.name": "Node"}),
        ("description,a.b", {"description": {"$regex": r"a\.b", "$options": "i"}}),
        ("values.vlan,12", {"fields": {"$elemMatch": {"name": "vlan", "value": {"$in": ["12", 12]}}}}),
        ("values.off,false", {"fields": {"$elemMatch": {"name": "off", "value": {"$in": ["false", False]}}}}),
        ("values.x,1.5", {"fields": {"$elemMatch": {"name": "x", "value": {"$in": ["1.5", 1.5]}}}}),
        ("values.x,$gt", {"fields": {"$elemMatch": {"name": "x", "value": {"$in": ["$gt"]}}}}),
    ],
)
def test_a_pair_becomes_a_query(text: str, query: object) -> None:
    assert parse(text).query == {"$and": [query]}  # type: ignore[attr-defined]  # a PageWish


def test_values_of_one_field_mean_any_and_fields_mean_all() -> None:
    query = parse("status,active,status,initial,insync,false").query  # type: ignore[attr-defined]  # a PageWish
    assert query == {"$and": [{"$or": [{"status": "active"}, {"status": "initial"}]}, {"insync": False}]}


def test_the_order_ends_with_the_id_so_that_pages_do_not_overlap() -> None:
    wish = parse(sort="start_date,desc,product,asc", page="10,19")
    assert wish.sort == (("start_date", -1), ("product.name", 1), ("_id", 1))  # type: ignore[attr-defined]  # a PageWish
    assert (wish.start, wish.n) == (10, 10)  # type: ignore[attr-defined]  # a PageWish


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("bogus,1", "not filtered by 'bogus'"),
        ("values.,1", "values."),
        ("status,x", "'x' is no status"),
        ("insync,1", "insync"),
    ],
)
def test_a_filter_that_does_not_fit_is_refused_by_name(text: str, part: str) -> None:
    with pytest.raises(Rejected, match=part):
        parse(text)


def test_customers_are_a_set_or_all() -> None:
    assert make_customers_query(None) == {}
    assert make_customers_query({"b", "a"}) == {"customer_id": {"$in": ["a", "b"]}}
    assert make_customers_query(()) == {"customer_id": {"$in": []}}
