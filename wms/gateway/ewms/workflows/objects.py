"""Answer with objects: one by its id, or a page of a query."""

from collections.abc import Mapping

from pydantic_core import to_json
from starlette.responses import Response

from runtime.kernel.decision import Document
from runtime.web.route import Call, Handler, answer_raw
from schemas.errors import Rejected
from schemas.fleet.documents import TASKFORCES, WORKFLOWS
from schemas.registry import Collection
from wms.fleet.reading.object_reader import ObjectReader
from wms.gateway.roles import find_access

#: The names that `?include=` may list, by kind of object.
_PARTS: Mapping[Collection, frozenset[str]] = {
    WORKFLOWS: frozenset({"health", "progress"}),
    TASKFORCES: frozenset({"health"}),
}


async def read_object(reader: ObjectReader, collection: Collection, key: str, call: Call) -> Document | None:
    """Return the object with the id `key` as users see it; None if it does not exist or the caller may not see it.

    Raises:
        Rejected: `include` names something that such an object does not have.
    """
    with_health = "health" in read_wanted_parts(call, collection)
    return await reader.read_object(collection, key, find_access(call.caller), with_health=with_health)


def read_wanted_parts(call: Call, collection: Collection) -> frozenset[str]:
    """Return the names in `?include=`, for example {"health", "progress"}: parts to add to the object.

    Raises:
        Rejected: `include` names something that such an object does not have.
    """
    asked = call.request.query_params.get("include")
    parts = frozenset(() if asked is None else asked.split(","))
    if not parts <= _PARTS.get(collection, frozenset()):
        raise Rejected("'include': must be 'health' of a taskforce; 'health', 'progress' or both of a workflow")
    return parts


def make_query_handler(reader: ObjectReader, collection: Collection, plural: str, *, max_bytes: int) -> Handler:
    """Return the handler of `/query/<plural>`. A page of its answers has at most `max_bytes`."""

    async def query(call: Call) -> Response:
        include = call.request.query_params.get("include")
        if include is not None and (include != "outcome" or collection != WORKFLOWS):
            raise Rejected("'include': must be 'outcome', and only a query of workflows has it")
        page = await reader.read_page(
            collection, call.body, find_access(call.caller), max_bytes=max_bytes, with_outcome=include is not None
        )
        # The objects are JSON already. Parsing them again only to wrap them would double the work.
        objects = b",".join(page.objects)
        return answer_raw(b'{"%s":[%s],"next_after":%s}' % (plural.encode(), objects, to_json(page.next_after)))

    return query
