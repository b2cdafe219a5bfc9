"""Lists that are in memory take the same queries as those in MongoDB, and refuse the same."""

from typing import Any

import pytest

from schemas.errors import Rejected
from wms.gateway.awx.lists import read_wish
from wms.gateway.awx.rows import select_rows
from wms.gateway.awx.shapes.job_words import NODE_FIELDS

ROWS: list[dict[str, Any]] = [
    {"id": 1, "identifier": "Build", "unified_job_template": 7, "summary_fields": {"job": {"name": "build"}}},
    {"id": 2, "identifier": "test", "unified_job_template": None, "summary_fields": {}},
    {"id": 3, "identifier": "rebuild", "unified_job_template": 8, "summary_fields": {"job": {"name": "again"}}},
]


def find(*pairs: tuple[str, str]) -> list[int]:
    return [row["id"] for row in select_rows(ROWS, read_wish(pairs, NODE_FIELDS, searched=("identifier",)))]


@pytest.mark.parametrize(
    ("pairs", "ids"),
    [
        ([], [1, 2, 3]),
        ([("identifier", "test")], [2]),
        ([("identifier__icontains", "build")], [1, 3]),
        ([("identifier__contains", "Build")], [1]),
        ([("identifier__startswith", "re")], [3]),
        ([("search", "BUILD")], [1, 3]),
        ([("id__in", "1,3")], [1, 3]),
        ([("id__gt", "1"), ("id__lte", "2")], [2]),
        ([("unified_job_template", "7")], [1]),
        ([("unified_job_template", "None")], [2]),
        ([("unified_job_template__isnull", "false")], [1, 3]),
        ([("unified_job_template__gte", "8")], [3]),
        ([("not__id", "2")], [1, 3]),
        ([("or__id", "1"), ("or__identifier", "test")], [1, 2]),
        ([("job__name", "build")], [1]),
        ([("order_by", "-id")], [3, 2, 1]),
        ([("order_by", "job__name")], [2, 3, 1]),
        ([("order_by", "unified_job_template")], [2, 1, 3]),
    ],
)
def test_rows_are_selected_as_documents_are(pairs: list[tuple[str, str]], ids: list[int]) -> None:
    assert find(*pairs) == ids


@pytest.mark.parametrize(
    ("name", "value"), [("colour", "red"), ("order_by", "colour"), ("identifier__colour", "x"), ("id", "x")]
)
def test_rows_refuse_what_they_do_not_know(name: str, value: str) -> None:
    with pytest.raises(Rejected):
        find((name, value))


def test_a_search_where_there_are_no_names_is_refused() -> None:
    with pytest.raises(Rejected, match="search"):
        read_wish([("search", "x")], {"id": NODE_FIELDS["id"]})
