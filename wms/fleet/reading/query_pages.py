"""Read a query's result page by page. A page has limits on bytes, objects and time. No object is lost between two
pages.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from runtime.kernel.store import Store
from schemas.api.queries import Query
from schemas.errors import EWMSError, Rejected, Unavailable
from schemas.fleet.documents import TASKFORCES
from schemas.fleet.endings import outcome_words
from schemas.registry import Collection
from wms.fleet.ownership import Access
from wms.fleet.reading import query_filters
from wms.fleet.repository import PUBLIC

#: How many documents to fetch at a time. The next batch follows only if the page has room.
_BATCH = 200
#: How many seconds a page may take, and how many objects it may have, because a projection can shorten each to two
#: bytes. The rest comes with the next page.
_MAX_TIME_S = 2.0
MAX_OBJECTS = 10_000
#: Begin no further batch if less time than this is left.
_LEAST_TIME_S = 0.1


@dataclass(frozen=True, slots=True)
class QueryPage:
    """Objects as JSON texts, and the cursor of the last one if more objects follow."""

    objects: Sequence[bytes]
    next_after: str | None


async def read_page(
    store: Store,
    collection: Collection,
    query: Query,
    access: Access,
    *,
    max_bytes: int,
    with_outcome: bool = False,
) -> QueryPage:
    """Return the first matching objects, in the order of their creation: at most `max_bytes`, but at least one object.

    `max_bytes` counts the objects and the commas between them. If `with_outcome`, add the outcome to each workflow that
    has ended.

    Raises:
        BadQuery: the query has a part that is not allowed.
        Unavailable: the query took too long to find any object.
    """
    fields = PUBLIC[collection]
    wanted = query_filters.make_filter(query.query, fields)
    projection = query_filters.make_projection(query.projection, fields)
    if with_outcome:
        projection = {**projection, "completion": 1, "deactivated": 1}
    clause = access.owner_filter
    if collection == TASKFORCES and access.schedds is not None:
        clause = {"$and": [access.schedd_filter, clause]} if clause else access.schedd_filter
    objects: list[bytes] = []
    n_bytes = 0
    after = query.after
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _MAX_TIME_S
    while not objects or (len(objects) < MAX_OBJECTS and deadline - loop.time() > _LEAST_TIME_S):
        left_s = deadline - loop.time()
        within = query_filters.restrict_filter(wanted, clause, after=after)
        try:
            batch = await _read_batch(store, collection, within, projection, max_time_ms=int(left_s * 1000))
        except Unavailable:
            # A page that has used up its time ends here. If time is left, the store itself is away.
            if objects and deadline - loop.time() <= _LEAST_TIME_S:
                break
            raise
        for document in batch:
            cursor = document.pop("cursor")
            if with_outcome:
                completion = document.pop("completion", None)
                document["outcome"] = outcome_words(document.get("deactivated"), completion) or None
            text = to_json(document)
            n_bytes += len(text) + (1 if objects else 0)
            if objects and n_bytes > max_bytes:
                return QueryPage(objects, after)
            objects.append(text)
            after = cursor
        if len(batch) < _BATCH:
            return QueryPage(objects, None)
    return QueryPage(objects, after)


async def _read_batch(
    store: Store, collection: Collection, query: Mapping[str, Any], projection: Mapping[str, int], *, max_time_ms: int
) -> list[dict[str, Any]]:
    try:
        return await store.find(
            collection, query, sort=[("cursor", 1)], limit=_BATCH, projection=projection, max_time_ms=max_time_ms
        )
    except EWMSError as error:
        if error.code != 500:
            raise
        # The database finds what our checker cannot, such as a regular expression that does not compile.
        raise Rejected("'query': MongoDB refuses it as not valid; check its regular expressions") from error
