"""Read the query of a list, and answer with a page: filters, order, pages. (core)

name=x  name__icontains=x  id__in=1,2  or__id=1&or__name=x  not__status=failed  search=x  order_by=-id  page_size=25

Several filters by one relation each stand for themselves, so `chain__` before a filter changes nothing.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from schemas.errors import NotFound, Rejected

PAGE_SIZE = 25
MAX_PAGE_SIZE = 200
_PREFIXES = frozenset({"or", "not", "chain"})
_PLAIN = frozenset({"page", "page_size", "order_by", "search", "format", "no_truncate", "role_field"})
OPERATORS = frozenset(
    {"exact", "iexact", "contains", "icontains", "startswith", "in", "gt", "gte", "lt", "lte", "isnull"}
)


@dataclass(frozen=True, slots=True)
class ListField:
    """A field by which a list is filtered and sorted: its path in the documents, and its type."""

    path: str
    kind: type = str
    #: The words of the dialect -> the stored words, where these differ.
    words: Mapping[str, Sequence[str]] | None = None
    #: Makes the stored value from the text of the query.
    write: Callable[[str], Any] | None = None
    #: The kind of the objects whose ids stand here, as `Kind.path`: filters may be about their fields.
    relates: str = ""
    #: Field of such an object by which this list can be ordered -> its path in the documents.
    orders: Mapping[str, str] = field(default_factory=dict)


Fields = Mapping[str, ListField]
#: The query of a request.
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ListWish:
    """What a caller asks for."""

    query: Mapping[str, Any]
    sort: tuple[tuple[str, int], ...]
    page: int
    page_size: int

    @property
    def skip(self) -> int:
        """Return how many objects stand before the page."""
        return (self.page - 1) * self.page_size

    def narrow(self, conditions: Sequence[Mapping[str, Any]]) -> "ListWish":
        """Return the same, for objects that also fulfil `conditions`."""
        return replace(self, query={"$and": [self.query, *conditions]})


def split_prefixes(name: str) -> tuple[frozenset[str], str]:
    """Return the prefixes of a filter's name, of `or__not__id` these are `or` and `not`, and the rest."""
    found = set()
    while (first := name.partition("__")[0]) in _PREFIXES and name != first:
        found.add(first)
        name = name.removeprefix(f"{first}__")
    return frozenset(found), name


def read_wish(pairs: Pairs, fields: Fields, *, searched: Sequence[str] = ("name",)) -> ListWish:
    """Return what the query of a request asks for.

    Raises:
        Rejected: a field or an operator is unknown, or a value does not fit its field.
    """
    plain = {name: value for name, value in pairs if name in _PLAIN}
    wanted: list[dict[str, Any]] = []
    any_of: list[dict[str, Any]] = []
    for name, value in pairs:
        if name in _PLAIN:
            continue
        prefixes, bare = split_prefixes(name)
        condition = _read_condition(bare, value, fields)
        if "not" in prefixes:
            condition = {"$nor": [condition]}
        (any_of if "or" in prefixes else wanted).append(condition)
    if any_of:
        wanted.append({"$or": any_of})
    if search := plain.get("search", ""):
        places = [fields[each].path for each in searched if each in fields]
        if not places:
            raise Rejected("search: this list has no names to search in")
        wanted.append({"$or": [{path: _match_part(search)} for path in places]})
    return ListWish(
        query={"$and": wanted} if wanted else {},
        sort=_read_order(plain.get("order_by", "id"), fields),
        page=_read_number(plain.get("page", "1"), "page", 1_000_000),
        page_size=min(_read_number(plain.get("page_size", str(PAGE_SIZE)), "page_size", 1_000_000), MAX_PAGE_SIZE),
    )


def _read_number(text: str, name: str, most: int) -> int:
    if not text.isdecimal() or len(text) > 15 or not 1 <= int(text) <= most:
        raise NotFound("Invalid page.") if name == "page" else Rejected(f"{name} must be a whole number, at least 1")
    return int(text)


def _read_order(text: str, fields: Fields) -> tuple[tuple[str, int], ...]:
    order = []
    for part in filter(None, text.split(",")):
        name = part.removeprefix("-")
        base, _, rest = name.rpartition("__")
        if name in fields:
            path = fields[name].path
        elif base in fields and rest in fields[base].orders:
            path = fields[base].orders[rest]
        else:
            raise Rejected(f"order_by: there is no field {name!r}", hint=f"fields: {', '.join(list_orders(fields))}")
        order.append((path, -1 if part.startswith("-") else 1))
    if all(path != "_id" for path, _ in order):
        order.append(("_id", 1))
    return tuple(order)


def list_orders(fields: Fields) -> list[str]:
    """Return the names by which a list can be ordered."""
    related = [f"{name}__{rest}" for name, each in fields.items() for rest in each.orders]
    return sorted([*fields, *related])


def _read_condition(name: str, text: str, fields: Fields) -> dict[str, Any]:
    parts = name.split("__")
    operator = parts.pop() if len(parts) > 1 and parts[-1] in OPERATORS else "exact"
    field = fields.get("__".join(parts))
    if field is None:
        raise Rejected(
            f"there is no field {'__'.join(parts)!r} to filter by", hint=f"fields: {', '.join(sorted(fields))}"
        )
    path = field.path
    if operator == "isnull":
        return {path: None} if text.lower() in ("1", "true", "yes") else {path: {"$ne": None}}
    if text in ("None", "null") and operator == "exact":
        return {path: None}
    if (field.words is not None or field.write is not None) and operator not in ("exact", "in"):
        raise Rejected(
            f"{name}: this field has no order and no parts", hint="filter by its words, with __in by several"
        )
    if operator == "in":
        values = [each for part in filter(None, text.split(",")) for each in _read_values(field, part, name)]
        return {path: {"$in": values}}
    if operator in ("exact", "gt", "gte", "lt", "lte"):
        values = _read_values(field, text, name)
        if operator == "exact":
            return {path: values[0] if len(values) == 1 else {"$in": values}}
        return {path: {f"${operator}": values[0]}}
    if field.kind is not str:
        raise Rejected(f"{name}: this field is no text")
    escaped = re.escape(text)
    pattern = {"contains": escaped, "icontains": escaped, "startswith": f"^{escaped}", "iexact": f"^{escaped}$"}
    return {path: {"$regex": pattern[operator], "$options": "i" if operator in ("icontains", "iexact") else ""}}


def _match_part(text: str) -> dict[str, str]:
    return {"$regex": re.escape(text), "$options": "i"}


def _read_values(field: ListField, text: str, name: str) -> list[Any]:
    if field.write is not None:
        return [field.write(text)]
    if field.words is not None:
        if text not in field.words:
            raise Rejected(f"{name}: {text!r} is none of {', '.join(field.words)}")
        return list(field.words[text])
    if field.kind is int:
        if not re.fullmatch(r"-?[0-9]{1,15}", text):
            raise Rejected(f"{name}: {text!r} is no whole number")
        return [int(text)]
    if field.kind is datetime:
        return [_read_time(text, name)]
    if field.kind is bool:
        return [text.lower() in ("1", "true", "yes")]
    return [text]


def _read_time(text: str, name: str) -> datetime:
    """Return a time; without a time zone it is in UTC, as the dialect shows times."""
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Rejected(f"{name}: {text!r} is no time", hint="write it as 2026-11-29T08:00:00Z") from error


def make_page(path: str, pairs: Pairs, wish: ListWish, results: list[dict[str, Any]], count: int) -> dict[str, Any]:
    """Return the body of a page. Links to its neighbours keep the filters.

    Raises:
        NotFound: the page is beyond the end.
    """
    if wish.page > 1 and wish.skip >= count:
        raise NotFound("Invalid page.")

    def link(page: int) -> str:
        kept = [(name, value) for name, value in pairs if name != "page"]
        return f"{path}?{urlencode([*kept, ('page', str(page))])}"

    has_next = wish.skip + wish.page_size < count
    return {
        "count": count,
        "next": link(wish.page + 1) if has_next else None,
        "previous": link(wish.page - 1) if wish.page > 1 else None,
        "results": results,
    }
