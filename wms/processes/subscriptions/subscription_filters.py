"""Parse the parameters of a list of subscriptions: `filter`, `sort` and `range`, as text in a URL. (core)

filter=status,active,product,Node,values.vlan,12     all pairs must hold; several values of one field mean any of them
sort=start_date,desc                                 see `wms.processes.process_filters` for `range`
"""

import re
from collections.abc import Callable, Collection, Mapping
from functools import partial

from schemas.engine.subscriptions import SubscriptionLifecycle
from schemas.errors import Rejected
from wms.processes.process_filters import PageWish, Query, parse_range, read_filter, read_sort

#: A filter by a field of the subscription, or of any of its blocks, begins so.
VALUES = "values."


def parse_subscription_page(*, filters: str | None, sort: str | None, page: str | None) -> PageWish:
    """Return the page that the three parameters of a list describe.

    Raises:
        Rejected: a parameter breaks a rule; the error names the parameter and the field.
    """
    start, n = parse_range(page)
    query = read_filter(filters, _find_maker, what="subscriptions", fields=(*_FILTERED, f"{VALUES}<field>"))
    order = read_sort(sort, _SORTED, what="subscriptions", last=("_id", 1))
    return PageWish(query, order, start, n)


def make_customers_query(customers: Collection[str] | None) -> Query:
    """Return the query that finds the subscriptions of `customers`. If it is None, return the query that finds all."""
    return {} if customers is None else {"customer_id": {"$in": sorted(customers)}}


def _find_text(field: str, _: str, value: str) -> Query:
    return {field: value}


def _find_part(field: str, _: str, value: str) -> Query:
    return {field: {"$regex": re.escape(value), "$options": "i"}}


def _find_status(name: str, value: str) -> Query:
    if value.lower() not in list(SubscriptionLifecycle):
        raise Rejected(f"filter: {value!r} is no {name}", hint=f"one of: {', '.join(SubscriptionLifecycle)}")
    return {"status": value.lower()}


def _find_insync(name: str, value: str) -> Query:
    if value.lower() not in ("true", "false"):
        raise Rejected(f"filter: {name} must be true or false")
    return {"insync": value.lower() == "true"}


def _find_value(name: str, value: str) -> Query:
    """Return the query for a value given as text: `12` finds the number and the text, `true` the boolean and the
    text.
    """
    meant: list[str | int | float | bool] = [value]
    if value in ("true", "false"):
        meant.append(value == "true")
    elif re.fullmatch(r"-?[0-9]{1,18}", value, re.ASCII):
        meant.append(int(value))
    elif re.fullmatch(r"-?[0-9]{1,18}\.[0-9]{1,18}", value, re.ASCII):
        meant.append(float(value))
    return {"fields": {"$elemMatch": {"name": name.removeprefix(VALUES), "value": {"$in": meant}}}}


def _find_maker(name: str) -> Callable[[str, str], Query] | None:
    return _find_value if name.startswith(VALUES) and name != VALUES else _FILTERED.get(name)


_FILTERED: Mapping[str, Callable[[str, str], Query]] = {
    "subscription_id": partial(_find_text, "_id"),
    "subscriptionId": partial(_find_text, "_id"),
    "status": _find_status,
    "insync": _find_insync,
    "customer_id": partial(_find_text, "customer_id"),
    "customerId": partial(_find_text, "customer_id"),
    "description": partial(_find_part, "description"),
    "note": partial(_find_part, "note"),
    "product": partial(_find_text, "product.name"),
    "product_name": partial(_find_text, "product.name"),
    "product_id": partial(_find_text, "product.product_id"),
    "productId": partial(_find_text, "product.product_id"),
    "product_type": partial(_find_text, "product.product_type"),
    "tag": partial(_find_text, "product.tag"),
    "depends_on": partial(_find_text, "depends_on"),
}

_SORTED: Mapping[str, str] = {
    "subscription_id": "_id",
    "status": "status",
    "insync": "insync",
    "customer_id": "customer_id",
    "customerId": "customer_id",
    "description": "description",
    "note": "note",
    "product": "product.name",
    "product_name": "product.name",
    "tag": "product.tag",
    "start_date": "start_date",
    "startDate": "start_date",
    "end_date": "end_date",
    "endDate": "end_date",
    "created_at": "created_at",
    "changed_at": "changed_at",
}
