"""Read objects for the routes: one by its id, or a page of a query."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pydantic_core import to_json
from starlette.responses import Response

from runtime.clock import utc_now
from runtime.kernel.decision import Document
from runtime.kernel.store import Store
from schemas.documents import TASKFORCES, WORKFLOWS
from schemas.endings import outcome_words
from schemas.errors import Rejected
from schemas.phases import Phase
from schemas.registry import Collection
from schemas.unmatched import complain_of_unmatched
from wms.fleet import query_pages, repository
from wms.fleet.ownership import Access
from wms.fleet.stalls.staffing import find_missing_workers, read_crew
from wms.gateway.route import Call, Handler, answer_raw

#: Statuses older than this count as stale. A TMS repeats unchanged statuses more often than that.
_FRESH = timedelta(seconds=60)

#: A taskforce offered over REST for longer than this is reported as unclaimed.
_LONG = timedelta(minutes=10)

#: The fields that `?include=health` adds to the contract's, by their names in the documents.
_HEALTH: Mapping[Collection, tuple[str, ...]] = {
    WORKFLOWS: ("queues_deferred", "queues_active_at", "over_at"),
    TASKFORCES: (
        "stuck",
        "n_submit_failures",
        "n_remove_failures",
        "retry_at",
        "ended_at",
        "status_as_of",
    ),
}


#: The fields that tell how a workflow ended.
_END_FIELDS = {"deactivated": 1, "deactivated_ts": 1, "completion": 1, "completion_reason": 1}

#: The names that `?include=` may list, by kind of object.
_PARTS: Mapping[Collection, frozenset[str]] = {
    WORKFLOWS: frozenset({"health", "progress"}),
    TASKFORCES: frozenset({"health"}),
}


async def read_object(store: Store, collection: Collection, key: str, call: Call) -> Document | None:
    """Return the object with the id `key` as users see it; None if it does not exist or the caller may not see it.

    Raises:
        Rejected: `include` names something that such an object does not have.
    """
    includes = read_wanted_parts(call, collection)
    document = await store.find_one(collection, {"_id": key})
    if document is None or not is_visible(document, call.caller.access):
        return None
    found = repository.select_public(collection, document)
    if "health" in includes:
        found["health"] = {name: document.get(name) for name in _HEALTH[collection]}
        if collection == TASKFORCES:
            found["health"]["stuck"] = explain_stuck(document, utc_now())
            found["health"]["unmatched"], _ = complain_of_unmatched(
                document.get("unmatched") or "", document.get("task_index")
            )
            found["health"]["exit_codes"] = document.get("exit_codes") or {}
            found["health"]["stale"] = is_stale(document, utc_now())
            found["health"] |= describe_staffing(document, utc_now())
            workflow = await store.find_one(WORKFLOWS, {"_id": document["workflow_id"]}, projection=_END_FIELDS)
            found["health"]["ended"] = describe_end(workflow) if workflow is not None else ""
            if found["health"]["ended"]:
                found["health"]["missing"] = []
        else:
            found["health"]["stalled"] = describe_stall(document)
    return found


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


def explain_stuck(taskforce: Document, now: datetime) -> str:
    """Return why a stored `taskforce` makes no progress; empty if WMS knows no reason.

    WMS sends nothing to a TMS that polls, so no missing answer shows that it is silent. This function compares times: a
    taskforce on offer for more than 10 minutes is stuck.
    """
    if reason := taskforce.get("stuck", ""):
        return str(reason)
    is_offered = taskforce["phase"] in (Phase.PENDING_STARTER, Phase.PENDING_STOPPER) and not taskforce.get("ended_at")
    if not is_offered or taskforce.get("asked_at") or taskforce.get("retry_at"):
        return ""
    since = datetime.fromtimestamp(taskforce["phase_change_log"][-1]["timestamp"], UTC)
    if now - since <= _LONG:
        return ""
    return f"the TMS of {taskforce['schedd']} has not taken up this taskforce since {since:%F %T} UTC"


def describe_end(workflow: Document) -> str:
    """Return how and when a stored `workflow` ended; empty if it has not."""
    if workflow.get("deactivated") is None:
        return ""
    words = outcome_words(workflow["deactivated"], workflow.get("completion"))
    reason = f" ({workflow['completion_reason']})" if workflow.get("completion_reason") else ""
    at = workflow.get("deactivated_ts")
    when = f" at {datetime.fromtimestamp(at, UTC):%F %T} UTC" if at is not None else ""
    return f"its workflow ended{when}: {words}{reason}"


def describe_stall(workflow: Document) -> Document | None:
    """Return why and since when work of a stored `workflow` waits in vain; None if none does, or it has ended."""
    stall = workflow.get("stalled")
    if not stall or workflow.get("deactivated") is not None:
        return None
    names = ("cause", "text", "command", "task_id", "n_events")
    return {"since": stall["since"], "causes": [{name: cause[name] for name in names} for cause in stall["causes"]]}


def describe_staffing(taskforce: Document, now: datetime) -> Document:
    """Return how many workers a stored `taskforce` should have, how many take events, and why the others do not."""
    by_rest = taskforce.get("status_as_of") is not None and taskforce.get("status_epoch", -1) < 0
    crew = read_crew(taskforce, asks_itself=by_rest)
    missing = find_missing_workers(crew, now) if crew.n_at_work < crew.n_wanted else ()
    return {
        "n_wanted": crew.n_wanted,
        "n_at_work": crew.n_at_work,
        "missing": [
            {
                "cause": str(one.lack),
                "n_workers": one.n_workers,
                "text": one.text,
                "command": one.command,
                "is_coming": one.is_coming,
            }
            for one in missing
        ],
    }


def is_stale(taskforce: Document, now: datetime) -> bool:
    """Return whether a stored `taskforce` has statuses older than 60 s. Those of an ended cluster are never stale."""
    as_of: datetime | None = taskforce.get("status_as_of")
    return as_of is not None and taskforce["phase"] != Phase.CONDOR_COMPLETE and now - as_of > _FRESH


def is_visible(document: Document, access: Access) -> bool:
    """Return whether a caller with `access` may know of a stored document."""
    return access.may_see(document.get("owner", ""), document.get("projects", [])) and access.may_see_at(
        document.get("schedd")
    )


def make_query_handler(store: Store, collection: Collection, plural: str, *, max_bytes: int) -> Handler:
    """Return the handler of `/query/<plural>`. A page of its answers has at most `max_bytes`."""

    async def query(call: Call) -> Response:
        include = call.request.query_params.get("include")
        if include is not None and (include != "outcome" or collection != WORKFLOWS):
            raise Rejected("'include': must be 'outcome', and only a query of workflows has it")
        page = await query_pages.read_page(
            store,
            collection,
            call.body,
            call.caller.access,
            max_bytes=max_bytes,
            with_outcome=include is not None,
        )
        # The objects are JSON already. Parsing them again only to wrap them would double the work.
        objects = b",".join(page.objects)
        return answer_raw(b'{"%s":[%s],"next_after":%s}' % (plural.encode(), objects, to_json(page.next_after)))

    return query
