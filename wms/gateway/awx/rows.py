"""Select rows that are in memory as MongoDB would select documents: by the query of a `ListWish`. (core)"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wms.gateway.awx.lists import ListWish

Row = Mapping[str, Any]


def select_rows(rows: Iterable[Row], wish: ListWish) -> list[dict[str, Any]]:
    """Return the rows that `wish` asks for, in its order, on all pages."""
    found = [dict(row) for row in rows if _is_match(row, wish.query)]
    for path, direction in reversed(wish.sort):
        found.sort(key=lambda row, path=path: _make_key(_find_value(row, path)), reverse=direction < 0)  # type: ignore[misc]  # mypy knows no default of a lambda
    return found


def _make_key(value: Any) -> tuple[bool, Any]:
    return (value is not None, value)


def _find_value(row: Row, path: str) -> Any:
    found: Any = row
    for part in ("id" if path == "_id" else path).split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _is_match(row: Row, query: Mapping[str, Any]) -> bool:
    return all(_holds_condition(row, key, condition) for key, condition in query.items())


def _holds_condition(row: Row, key: str, condition: Any) -> bool:
    match key:
        case "$and":
            return all(_is_match(row, each) for each in condition)
        case "$or":
            return any(_is_match(row, each) for each in condition)
        case "$nor":
            return not any(_is_match(row, each) for each in condition)
    value = _find_value(row, key)
    if not isinstance(condition, Mapping):
        return bool(value == condition)
    if "$regex" in condition:
        flags = re.IGNORECASE if "i" in condition.get("$options", "") else 0
        return isinstance(value, str) and re.search(condition["$regex"], value, flags) is not None
    return all(_compare_values(value, operator, wanted) for operator, wanted in condition.items())


def _compare_values(value: Any, operator: str, wanted: Any) -> bool:
    if operator == "$in":
        return value in wanted
    if operator == "$ne":
        return bool(value != wanted)
    if value is None:
        return False
    order: Sequence[bool] = (value < wanted, value == wanted, value > wanted)
    return {"$lt": order[0], "$lte": order[0] or order[1], "$gt": order[2], "$gte": order[2] or order[1]}[operator]
