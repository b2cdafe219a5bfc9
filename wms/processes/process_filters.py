"""Parse the parameters of a list of processes: `filter`, `sort` and `range`, as text in a URL. (core)

filter=workflow_name,create_node,last_status,failed     pairs of a field and a value; all of them must hold
sort=started_at,desc                                    pairs of a field and a direction
range=0,24                                              the first and the last place, from 0
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.engine.processes import ProcessStatus, Target
from schemas.errors import Rejected
from wms.processes.process_status import make_status_query

#: The most processes of one page, and how many a page has by default.
MAX_PAGE = 250
DEFAULT_PAGE = 100
#: The furthest place at which a page may begin. The database counts through all processes before that place.
MAX_START = 100_000
_MAX_PAIRS = 20
_MAX_TEXT = 512
_PLACE = re.compile(r"[0-9]{1,9}", re.ASCII)

Query = dict[str, Any]

_TASKS = sorted(target.value for target in Target if target.is_task)


@dataclass(frozen=True, slots=True)
class PageWish:
    """The wanted page of a list: the filter, the order, and where the page begins."""

    query: Query
    sort: tuple[tuple[str, int], ...]
    start: int
    n: int


def parse_page(*, filters: str | None, sort: str | None, page: str | None) -> PageWish:
    """Return the page that the three parameters of a list describe.

    Raises:
        Rejected: a parameter breaks a rule; the error names the parameter and the field.
    """
    start, n = parse_range(page)
    return PageWish(parse_filter(filters), parse_sort(sort), start, n)


def parse_range(text: str | None) -> tuple[int, int]:
    """Parse `first,last`. Return the position of the first entry of the page, and the number of entries.

    Raises:
        Rejected: `text` breaks a rule.
    """
    if not text:
        return 0, DEFAULT_PAGE
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(_PLACE.fullmatch(part) for part in parts):
        raise Rejected("range: must be two numbers, the first and the last place, such as 0,24")
    first, last = int(parts[0]), int(parts[1])
    if last < first:
        raise Rejected("range: the last place must not be before the first")
    if first > MAX_START:
        raise Rejected(f"range: must begin at {MAX_START} at most", hint="narrow the list by a filter")
    return first, min(last - first + 1, MAX_PAGE)


def parse_sort(text: str | None) -> tuple[tuple[str, int], ...]:
    """Parse the sort order in `text`. Return pairs of a database field and 1 or -1.

    Without `text`, the newest process comes first.

    Raises:
        Rejected: `text` breaks a rule.
    """
    return read_sort(text, _SORTED, what="processes", last=("_id", -1))


def read_sort(
    text: str | None, fields: Mapping[str, str], *, what: str, last: tuple[str, int]
) -> tuple[tuple[str, int], ...]:
    """Parse the sort order in `text`. Return pairs of a database field and 1 or -1.

    `fields` gives the database field by name. `last` orders entries that are otherwise equal. `what` names the entries
    in errors.

    Raises:
        Rejected: `text` breaks a rule.
    """
    order: list[tuple[str, int]] = []
    for name, direction in _list_pairs("sort", text):
        if name not in fields:
            raise Rejected(f"sort: {what} are not sorted by {name!r}", hint=f"one of: {', '.join(sorted(fields))}")
        if direction not in ("asc", "desc"):
            raise Rejected(f"sort: the direction of {name!r} must be asc or desc")
        order.append((fields[name], 1 if direction == "asc" else -1))
    return tuple(order) if last[0] in dict(order) else (*order, last)


def parse_filter(text: str | None) -> Query:
    """Return the query for `text`. If a field has several values, any of them matches.

    Raises:
        Rejected: `text` breaks a rule.
    """
    return read_filter(text, _FILTERED.get, what="processes", fields=_FILTERED)


def read_filter(
    text: str | None,
    find_maker: Callable[[str], Callable[[str, str], Query] | None],
    *,
    what: str,
    fields: Iterable[str],
) -> Query:
    """Return the query for `text`. `find_maker` returns for a field the function that makes its query, or None.

    `what` names the listed things in an error, and `fields` are the fields that the error offers.

    Raises:
        Rejected: `text` breaks a rule.
    """
    wanted: dict[str, list[Query]] = {}
    for name, value in _list_pairs("filter", text):
        make = find_maker(name)
        if make is None:
            listed = ", ".join(sorted(fields))
            raise Rejected(f"filter: {what} are not filtered by {name!r}", hint=f"one of: {listed}")
        wanted.setdefault(name, []).append(make(name, value))
    each = [queries[0] if len(queries) == 1 else {"$or": queries} for queries in wanted.values()]
    return {"$and": each} if each else {}


def _list_pairs(parameter: str, text: str | None) -> Iterator[tuple[str, str]]:
    if not text:
        return
    parts = [part.strip() for part in text.split(",")]
    if len(parts) % 2:
        raise Rejected(
            f"{parameter}: {parts[-1][:_MAX_TEXT]!r} has no value: it must be pairs, separated by commas",
            hint=f"for example: {parameter}={_EXAMPLES[parameter]}",
        )
    if len(parts) > 2 * _MAX_PAIRS:
        raise Rejected(f"{parameter}: must have at most {_MAX_PAIRS} pairs")
    if any(len(part) > _MAX_TEXT or "\0" in part for part in parts):
        raise Rejected(f"{parameter}: each part must have at most {_MAX_TEXT} characters, and no NUL")
    yield from zip(parts[::2], parts[1::2], strict=True)


_EXAMPLES = {"filter": "workflow_name,create_node,last_status,failed", "sort": "started_at,desc"}


def _find_text(field: str) -> Callable[[str, str], Query]:
    return lambda _, value: {field: value}


def _find_status(name: str, value: str) -> Query:
    status = ProcessStatus(value.lower())
    if not status.is_known:
        listed = ", ".join(ProcessStatus)
        raise Rejected(f"filter: {value!r} is no {name}", hint=f"one of: {listed}")
    return make_status_query(status)


def _find_tasks(name: str, value: str) -> Query:
    word = value.lower()
    if word not in ("true", "false"):
        raise Rejected(f"filter: {name} must be true or false")
    return make_task_query() if word == "true" else {"state.workflow_target": {"$nin": _TASKS}}


def _find_target(_: str, value: str) -> Query:
    return {"state.workflow_target": value.upper()}


def _find_subscription(_: str, value: str) -> Query:
    return {"$or": [{"subscriptions": value}, {"state.subscription_id": value}]}


def _find_number(field: str) -> Callable[[str, str], Query]:
    def find(name: str, value: str) -> Query:
        if not _PLACE.fullmatch(value):
            raise Rejected(f"filter: {name} must be a number")
        return {field: int(value)}

    return find


def make_task_query() -> Query:
    """Return the query that finds the runs that are tasks."""
    return {"state.workflow_target": {"$in": _TASKS}}


def join_queries(*queries: Mapping[str, Any]) -> Query:
    """Return the query that finds the documents that match all of `queries`."""
    each = [dict(query) for query in queries if query]
    if len(each) <= 1:
        return each[0] if each else {}
    return {"$and": each}


_FILTERED: Mapping[str, Callable[[str, str], Query]] = {
    "process_id": _find_text("uuid"),
    "processId": _find_text("uuid"),
    "run": _find_number("_id"),
    "parent": _find_number("parent.run"),
    "workflow_name": _find_text("definition"),
    "workflowName": _find_text("definition"),
    "workflow": _find_text("definition"),
    "status": _find_status,
    "last_status": _find_status,
    "lastStatus": _find_status,
    "is_task": _find_tasks,
    "isTask": _find_tasks,
    "target": _find_target,
    "workflow_target": _find_target,
    "created_by": _find_text("owner"),
    "creator": _find_text("owner"),
    "organization": _find_text("organization"),
    "customer_id": _find_text("state.customer_id"),
    "product_id": _find_text("state.product"),
    "subscription": _find_subscription,
    "subscription_id": _find_subscription,
}

_SORTED: Mapping[str, str] = {
    "run": "_id",
    "started": "started_at",
    "started_at": "started_at",
    "startedAt": "started_at",
    "created_at": "created_at",
    "ended_at": "ended_at",
    "workflow_name": "definition",
    "workflow": "definition",
    "created_by": "owner",
    "creator": "owner",
}

#: The fields by which a list is filtered, and sorted.
FILTER_FIELDS: Sequence[str] = tuple(sorted(_FILTERED))
SORT_FIELDS: Sequence[str] = tuple(sorted(_SORTED))
