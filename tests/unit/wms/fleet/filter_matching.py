"""What MongoDB makes of a filter, for the few operators that the fleet's filters use."""

from collections.abc import Mapping
from typing import Any

_ORDERS = {
    "$lt": lambda value, bound: value < bound,
    "$lte": lambda value, bound: value <= bound,
    "$gt": lambda value, bound: value > bound,
    "$gte": lambda value, bound: value >= bound,
}


def matches(document: Mapping[str, Any], query: Mapping[str, Any]) -> bool:
    """Return whether `query` finds `document`.

    Raises:
        NotImplementedError: the query has an operator that this module does not know.
    """
    return all(_matches_key(document, key, wanted) for key, wanted in query.items())


def _matches_key(document: Mapping[str, Any], key: str, wanted: Any) -> bool:
    match key:
        case "$or":
            return any(matches(document, query) for query in wanted)
        case "$and":
            return all(matches(document, query) for query in wanted)
        case _ if key.startswith("$"):
            raise NotImplementedError(key)
    # A field that is missing is like one that is null.
    value: Any = document
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(wanted, Mapping):
        return all(_meets(value, operator, operand) for operator, operand in wanted.items())
    return bool(value == wanted)


def _meets(value: Any, operator: str, operand: Any) -> bool:
    match operator:
        case "$ne":
            return bool(value != operand)
        case "$in":
            # A list meets it if one of its members does.
            return any(each in operand for each in (value if isinstance(value, list) else [value]))
        case "$nin":
            return value not in operand
        case "$not":
            return not all(_meets(value, inner, bound) for inner, bound in operand.items())
        case "$exists":
            return (value is not None) is operand
        case "$type":
            return operand == "null" and value is None
        case _ if operator in _ORDERS:
            # Values of different types have no order: null is neither before nor after a date.
            return type(value) is type(operand) and bool(_ORDERS[operator](value, operand))
    raise NotImplementedError(operator)
