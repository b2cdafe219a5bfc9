"""How the routes read objects: one by its id, or a page of a query."""

from pydantic_core import to_json
from starlette.responses import Response

from runtime.decision import Document
from runtime.store import Store
from schemas.documents import Collection
from wms.fleet import paging, repository
from wms.fleet.access import Access
from wms.gateway.calls import Call, Handler, answered_raw


async def one(store: Store, collection: Collection, key: str, access: Access) -> Document | None:
    """Return the object with the id `key` as users see it; None if it does not exist or is not the caller's."""
    document = await store.find_one(collection, {"_id": key})
    if document is None or not access.may_see(document["owner"], document["projects"]):
        return None
    return repository.public(collection, document)


def querying(store: Store, collection: Collection, plural: str, *, max_bytes: int) -> Handler:
    """Return the handler of `/query/<plural>`."""

    async def query(call: Call) -> Response:
        page = await paging.page(store, collection, call.body, call.caller.access, max_bytes=max_bytes)
        # The objects are JSON already; to parse them again only to wrap them would double the work.
        objects = b",".join(page.objects)
        return answered_raw(b'{"%s":[%s],"next_after":%s}' % (plural.encode(), objects, to_json(page.next_after)))

    return query
