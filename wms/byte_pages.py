"""Read pages of documents that may be large: a page has at most so many documents, and at most so many bytes."""

from collections.abc import Mapping
from typing import Any

from runtime.kernel.decision import Document
from runtime.kernel.store import Store

#: The most bytes of a page. A single document may be larger; then the page has this one alone.
PAGE_BYTES = 8 * 1024 * 1024


async def find_page(
    store: Store,
    collection: str,
    query: Mapping[str, Any],
    *,
    order: str,
    limit: int,
    most_bytes: int = PAGE_BYTES,
) -> tuple[list[Document], bool]:
    """Return the first documents that match `query`, at most `limit`, sorted by `order`; and whether there are more."""
    sized = {"n_bytes": {"$bsonSize": "$$ROOT"}}
    sizes = [
        each["n_bytes"]
        for each in await store.find(collection, query, sort=[(order, 1)], limit=limit + 1, projection=sized)
    ]
    n_fitting, n_bytes = 0, 0
    for size in sizes[:limit]:
        n_bytes += size
        if n_fitting and n_bytes > most_bytes:
            break
        n_fitting += 1
    if not n_fitting:
        return [], False
    return await store.find(collection, query, sort=[(order, 1)], limit=n_fitting), len(sizes) > n_fitting
