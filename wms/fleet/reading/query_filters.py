"""Turn a user's query into a checked MongoDB filter. (core)

    {"phase": {"$in": ["pre-launch", "condor-submit"]}, "worker_config.n_cores": {"$gt": 1}}

Only the operators listed below and fields that users see reach the database: no JavaScript, no aggregation. This module
refuses queries that are too deep or too long, and values that MongoDB cannot store; the error names the place.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from schemas.errors import Rejected

MAX_DEPTH = 16
MAX_TERMS = 200
MAX_VALUES = 10_000
_MAX_REGEX = 512
_MAX_INT = 2**63 - 1

_COMPARISONS = frozenset({"$eq", "$ne", "$gt", "$gte", "$lt", "$lte"})
_LISTS = frozenset({"$in", "$nin", "$all"})
_JUNCTIONS = frozenset({"$and", "$or", "$nor"})
OPERATORS = _COMPARISONS | _LISTS | _JUNCTIONS | {"$not", "$regex", "$options", "$elemMatch", "$size", "$exists"}

_OPTIONS = re.compile(r"[imsx]{0,4}")

Filter = dict[str, Any]


class BadQuery(Rejected):
    """The query has a part that is not allowed."""


class _QueryChecker:
    """Checks one query, and counts its terms and values."""

    def __init__(self, fields: frozenset[str]) -> None:
        self._fields = fields
        self._n_terms = 0
        self._n_values = 0

    def check_query(self, query: Any, path: str, depth: int, *, relative: bool = False) -> Filter:
        """Return the checked `query`. If `relative`, its names are fields of a list's members, not of a document.

        Raises:
            BadQuery: the query breaks a rule; the error names the place.
        """
        if not isinstance(query, Mapping):
            raise BadQuery(f"'{path}': is not of type 'object'")
        self._check_depth(path, depth)
        checked: Filter = {}
        for name, condition in query.items():
            self._count_term(path)
            here = f"{path}.{_printable_name(name)}"
            if name in _JUNCTIONS:
                if not isinstance(condition, list) or not condition:
                    raise BadQuery(f"'{here}': must be a non-empty array of queries")
                checked[name] = [
                    self.check_query(part, f"{here}.{n}", depth + 1, relative=relative)
                    for n, part in enumerate(condition)
                ]
            elif name.startswith("$"):
                raise BadQuery(f"'{path}': operator {_printable_name(name)} is not allowed here")
            else:
                self._check_field(name, path, relative=relative)
                checked[name] = self._check_condition(condition, here, depth + 1)
        return checked

    def _check_condition(self, condition: Any, path: str, depth: int) -> Any:
        if isinstance(condition, Mapping) and any(name.startswith("$") for name in condition):
            return self._check_operators(condition, path, depth)
        return self._check_value(condition, path, depth)

    def _check_operators(self, condition: Mapping[str, Any], path: str, depth: int) -> Filter:
        self._check_depth(path, depth)
        if not condition:
            raise BadQuery(f"'{path}': must have at least 1 operators")
        checked: Filter = {}
        for name, operand in condition.items():
            self._count_term(path)
            here = f"{path}.{_printable_name(name)}"
            if name not in OPERATORS or name in _JUNCTIONS:
                raise BadQuery(f"'{path}': operator {_printable_name(name)} is not allowed")
            checked[name] = self._check_operand(name, operand, here, depth + 1)
        if "$options" in checked and "$regex" not in checked:
            raise BadQuery(f"'{path}': operator $options needs $regex")
        return checked

    def _check_operand(self, name: str, operand: Any, path: str, depth: int) -> Any:
        if name in _COMPARISONS:
            return self._check_value(operand, path, depth)
        if name in _LISTS:
            if not isinstance(operand, list):
                raise BadQuery(f"'{path}': is not of type 'array'")
            return [self._check_value(value, f"{path}.{n}", depth + 1) for n, value in enumerate(operand)]
        return _OPERANDS[name](self, operand, path, depth)

    def _check_exists(self, operand: Any, path: str, _: int) -> bool:
        if not isinstance(operand, bool):
            raise BadQuery(f"'{path}': is not of type 'boolean'")
        return operand

    def _check_size(self, operand: Any, path: str, _: int) -> int:
        if isinstance(operand, bool) or not isinstance(operand, int) or not 0 <= operand <= _MAX_INT:
            raise BadQuery(f"'{path}': must be an integer of at least 0")
        return operand

    def _check_regex(self, operand: Any, path: str, depth: int) -> str:
        if not isinstance(operand, str) or len(operand) > _MAX_REGEX or "\0" in operand:
            raise BadQuery(f"'{path}': must be a string of at most {_MAX_REGEX} characters")
        pattern: str = self._check_value(operand, path, depth)
        return pattern

    def _check_options(self, operand: Any, path: str, _: int) -> str:
        if not isinstance(operand, str) or not _OPTIONS.fullmatch(operand):
            raise BadQuery(f"'{path}': must be of the letters i, m, s, x")
        return operand

    def _check_not(self, operand: Any, path: str, depth: int) -> Filter:
        if not isinstance(operand, Mapping):
            raise BadQuery(f"'{path}': is not of type 'object'")
        return self._check_operators(operand, path, depth)

    def _check_elem_match(self, operand: Any, path: str, depth: int) -> Filter:
        if not isinstance(operand, Mapping) or not operand:
            raise BadQuery(f"'{path}': must be a non-empty query")
        if any(name.startswith("$") and name not in _JUNCTIONS for name in operand):
            return self._check_operators(operand, path, depth)
        return self.check_query(operand, path, depth, relative=True)

    def _check_value(self, value: Any, path: str, depth: int) -> Any:
        """Return the literal `value`, if MongoDB can store it without a change.

        Raises:
            BadQuery: MongoDB cannot store the value, or there are too many values.
        """
        self._n_values += 1
        if self._n_values > MAX_VALUES:
            raise BadQuery(f"'query': must have at most {MAX_VALUES} values")
        match value:
            case None | bool():
                return value
            case str():
                try:
                    value.encode()
                except UnicodeEncodeError:
                    raise BadQuery(f"'{path}': is not valid text") from None
                return value
            case int():
                if abs(value) > _MAX_INT:
                    raise BadQuery(f"'{path}': must be a 64-bit integer")
                return value
            case float():
                if not math.isfinite(value):
                    raise BadQuery(f"'{path}': must be a finite number")
                return value
            case list():
                self._check_depth(path, depth)
                return [self._check_value(item, f"{path}.{n}", depth + 1) for n, item in enumerate(value)]
            case dict():
                self._check_depth(path, depth)
                for name in value:
                    if name.startswith("$") or "\0" in name:
                        raise BadQuery(f"'{path}': operator {_printable_name(name)} is not allowed here")
                    self._check_value(name, path, depth)
                return {
                    name: self._check_value(item, f"{path}.{_printable_name(name)}", depth + 1)
                    for name, item in value.items()
                }
            case _:
                raise BadQuery(f"'{path}': must match one of the accepted types")

    def _check_field(self, name: str, path: str, *, relative: bool) -> None:
        first, *rest = name.split(".")
        if not relative and first not in self._fields:
            raise BadQuery(f"'{path}': {_printable_name(name)} is not a field to query by")
        if "\0" in name or any(not part or part.startswith("$") for part in (first, *rest)):
            raise BadQuery(f"'{path}': {_printable_name(name)} is not a field name")
        self._check_value(name, path, 0)

    def _count_term(self, path: str) -> None:
        self._n_terms += 1
        if self._n_terms > MAX_TERMS:
            raise BadQuery(f"'{path}': the query must have at most {MAX_TERMS} terms")

    def _check_depth(self, path: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise BadQuery(f"'{path[:100]}': must not be nested deeper than {MAX_DEPTH}")


_OPERANDS: Mapping[str, Callable[[_QueryChecker, Any, str, int], Any]] = {
    "$exists": _QueryChecker._check_exists,
    "$size": _QueryChecker._check_size,
    "$regex": _QueryChecker._check_regex,
    "$options": _QueryChecker._check_options,
    "$not": _QueryChecker._check_not,
    "$elemMatch": _QueryChecker._check_elem_match,
}


def _printable_name(name: str) -> str:
    """Return a name from a user's query in a form for error texts: short and printable."""
    return "".join(c for c in name[:64] if c.isprintable())


def make_filter(query: Mapping[str, Any], fields: Iterable[str]) -> Filter:
    """Return `query` as a filter over documents whose public fields are `fields`.

    Raises:
        BadQuery: the query has a part that is not allowed.
    """
    return _QueryChecker(frozenset(fields)).check_query(query, "query", 0)


def restrict_filter(query: Filter, clause: Filter, *, after: str | None) -> Filter:
    """Return `query`, restricted to the objects that match `clause` and come after the cursor `after`."""
    parts = [part for part in (clause, query, {"cursor": {"$gt": after}} if after else {}) if part]
    return {"$and": parts} if parts else {}


def make_projection(names: Iterable[str] | None, fields: Iterable[str]) -> dict[str, int]:
    """Return the MongoDB projection for the fields `names`: only public fields, always the cursor, never the `_id`.

    Unknown names are ignored. Without names, or with only `_id`, select all public fields.
    """
    known = set(fields)
    wished = [name for name in (names or ()) if name != "_id"]
    if not wished:
        return {"_id": 0, "cursor": 1, **dict.fromkeys(known, 1)}
    wanted = {
        name
        for name in wished
        if name.split(".")[0] in known and all(part and not part.startswith("$") for part in name.split("."))
        if "\0" not in name
    }
    # MongoDB refuses a field together with a part of it. The field includes the part, so the field is enough.
    outer = {name for name in wanted if not any(name.startswith(f"{other}.") for other in wanted)}
    return {"_id": 0, "cursor": 1, **dict.fromkeys(sorted(outer), 1)}
