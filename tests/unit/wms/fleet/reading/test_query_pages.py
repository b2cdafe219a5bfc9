"""Pages of a query over documents in memory: bounded in bytes, objects and time, and together complete."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from schemas.api.queries import Query
from schemas.errors import Unavailable
from schemas.fleet.documents import WORKFLOWS
from wms.fleet.ownership import Access
from wms.fleet.reading import query_pages


class Documents:
    """What paging needs of a store. From the `slow_from`th batch on it takes too long, or it is `away` at once."""

    def __init__(self, n: int, slow_from: int | None = None, *, away: bool = False) -> None:
        self.away = away
        self.cursors = [f"{number:024x}" for number in range(n)]
        self.slow_from = slow_from
        self.times_ms: list[int] = []

    async def find(
        self, _: str, query: Mapping[str, Any], *, limit: int, max_time_ms: int, **__: Any
    ) -> list[dict[str, Any]]:
        self.times_ms.append(max_time_ms)
        if self.slow_from is not None and len(self.times_ms) > self.slow_from:
            if self.slow_from and not self.away:
                await asyncio.sleep(max_time_ms / 1000)
            raise Unavailable("took too long")
        after = next((part["cursor"]["$gt"] for part in query.get("$and", []) if "cursor" in part), "")
        return [{"cursor": cursor} for cursor in self.cursors if cursor > after][:limit]


async def pages(store: Any, *, max_bytes: int = 10**9, n_pages: int = 1000) -> list[query_pages.QueryPage]:
    found: list[query_pages.QueryPage] = []
    after = None
    while len(found) < n_pages:
        query = Query(query={}, projection=["nope"], after=after)
        found.append(await query_pages.read_page(store, WORKFLOWS, query, Access("ada"), max_bytes=max_bytes))
        after = found[-1].next_after
        if after is None:
            break
    return found


async def test_a_page_of_nearly_empty_objects_ends_by_their_number_and_the_next_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # On a busy machine the time would be up first.
    monkeypatch.setattr(query_pages, "_MAX_TIME_S", 1000.0)
    found = await pages(Documents(2 * query_pages.MAX_OBJECTS + 7))
    assert [len(page.objects) for page in found] == [query_pages.MAX_OBJECTS, query_pages.MAX_OBJECTS, 7]


@pytest.mark.parametrize("max_bytes", [2, 8, 100, 101, 103])
async def test_the_commas_count(max_bytes: int) -> None:
    found = await pages(Documents(60), max_bytes=max_bytes)
    assert sum(len(page.objects) for page in found) == 60
    assert all(len(b",".join(page.objects)) <= max_bytes for page in found)
    assert len(b",".join(found[0].objects)) + len(",{}") > max_bytes


async def test_what_was_found_before_the_time_was_up_is_a_page() -> None:
    store = Documents(1000, slow_from=2)
    (page,) = await pages(store, n_pages=1)
    assert len(page.objects) == 400
    assert page.next_after == store.cursors[399]
    assert store.times_ms == sorted(store.times_ms, reverse=True), "all batches share one time"


async def test_a_store_that_goes_away_in_the_middle_of_a_page_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await pages(Documents(1000, slow_from=2, away=True))


async def test_a_query_that_finds_nothing_in_time_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await pages(Documents(1000, slow_from=0))
