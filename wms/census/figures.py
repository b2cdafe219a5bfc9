"""The queries of the census, and the values that the gauges show for their rows. (core)

Each query groups documents that are under way, so it yields few rows however many documents there are. No label is an
id.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from schemas.engine.graph import DefinitionKind
from schemas.engine.runs import RUN_OVER, RunStatus
from schemas.fleet.phases import Deactivated, Phase
from schemas.fleet.statuses import JobStatus

#: The values of a gauge, by the texts of its labels.
GaugeValues = Mapping[tuple[str, ...], float]
#: One group that an aggregation yields: its key as `_id`, and its numbers.
GroupRow = Mapping[str, Any]
#: The stages of an aggregation of MongoDB.
AggregatePipeline = Sequence[Mapping[str, Any]]

#: The label of a schedd that no location names any more, and of a status that HTCondor does not have.
OTHER = "other"

WORKFLOW_STATES = ("waiting", "running", "stalled", "ending")
#: In these phases a taskforce has a cluster, and its TMS reports the statuses of its workers.
_WITH_CLUSTER = (Phase.CONDOR_SUBMIT, Phase.PENDING_STOPPER, Phase.CONDOR_RM)


def group_workflows(unfinished: Mapping[str, Any]) -> AggregatePipeline:
    """Return the query that counts the `unfinished` workflows by the facts that decide their state."""
    # MongoDB takes an index only if the query names its first field.
    match = {**unfinished, "deactivated": {"$in": [None, *Deactivated]}}
    facts = {
        "is_ending": {"$ne": [{"$ifNull": ["$deactivated", None]}, None]},
        "has_queues": {"$ne": [{"$ifNull": ["$queues_active_at", None]}, None]},
        "is_stalled": {"$ne": [{"$ifNull": ["$stalled", None]}, None]},
    }
    return [{"$match": match}, {"$group": {"_id": facts, "n": {"$sum": 1}}}]


def count_workflows(rows: Iterable[GroupRow]) -> GaugeValues:
    """Return the number of workflows in each state, with a 0 for a state without any."""
    counts: Counter[tuple[str, ...]] = Counter({(state,): 0 for state in WORKFLOW_STATES})
    for row in rows:
        counts[(_name_state(row["_id"]),)] += row["n"]
    return counts


def _name_state(facts: GroupRow) -> str:
    if facts["is_ending"]:
        return "ending"
    if facts["is_stalled"]:
        return "stalled"
    return "running" if facts["has_queues"] else "waiting"


def group_taskforces(schedds: Sequence[str]) -> AggregatePipeline:
    """Return the query that counts the taskforces at `schedds` that are not over, by schedd and phase, with the time of
    the newest statuses.
    """
    phases = [phase for phase in Phase if phase is not Phase.CONDOR_COMPLETE]
    key = {"schedd": "$schedd", "phase": "$phase"}
    return [
        {"$match": {"schedd": {"$in": list(schedds)}, "phase": {"$in": phases}, "ended_at": None}},
        {"$group": {"_id": key, "n": {"$sum": 1}, "heard_at": {"$max": "$status_as_of"}}},
    ]


def count_taskforces(rows: Iterable[GroupRow], places: Mapping[str, str]) -> GaugeValues:
    """Return the number of taskforces by place and phase. `places` names the place of each schedd."""
    counts: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        counts[places.get(row["_id"]["schedd"], OTHER), str(row["_id"]["phase"])] += row["n"]
    return counts


def find_last_heard(
    rows: Iterable[GroupRow], places: Mapping[str, str], *, repeats_statuses: Callable[[str], bool]
) -> GaugeValues:
    """Return, by place, when WMS last got statuses of a taskforce that has a cluster, in seconds since 1970.

    A schedd for which `repeats_statuses` returns False is left out: its silence means nothing.
    """
    heard: dict[tuple[str, ...], float] = {}
    for row in rows:
        at = row.get("heard_at")
        schedd = row["_id"]["schedd"]
        if isinstance(at, datetime) and row["_id"]["phase"] in _WITH_CLUSTER and repeats_statuses(schedd):
            key = (places.get(schedd, OTHER),)
            heard[key] = max(at.timestamp(), heard.get(key, 0.0))
    return heard


def group_workers(schedds: Sequence[str]) -> AggregatePipeline:
    """Return the query that adds up the workers of the taskforces at `schedds`, by schedd and job status."""
    status = {"$objectToArray": {"$ifNull": ["$compound_statuses", {}]}}
    pilots = {"$map": {"input": {"$objectToArray": "$status.v"}, "as": "pilot", "in": "$$pilot.v"}}
    return [
        {"$match": {"schedd": {"$in": list(schedds)}, "phase": {"$in": list(_WITH_CLUSTER)}, "ended_at": None}},
        {"$project": {"schedd": 1, "status": status}},
        {"$unwind": "$status"},
        {"$group": {"_id": {"schedd": "$schedd", "status": "$status.k"}, "n": {"$sum": {"$sum": pilots}}}},
    ]


def count_workers(rows: Iterable[GroupRow], places: Mapping[str, str]) -> GaugeValues:
    """Return the number of workers by place and HTCondor's status. The reason of a hold is left out."""
    counts: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        status = row["_id"]["status"].partition(":")[0]
        counts[places.get(row["_id"]["schedd"], OTHER), status if status in set(JobStatus) else OTHER] += row["n"]
    return counts


def group_runs() -> AggregatePipeline:
    """Return the query that counts the runs that are not over, by kind and status."""
    open_statuses = [str(status) for status in RunStatus if status not in RUN_OVER]
    return [
        {"$match": {"status": {"$in": open_statuses}}},
        {"$group": {"_id": {"kind": "$kind", "status": "$status"}, "n": {"$sum": 1}}},
    ]


def count_runs(rows: Iterable[GroupRow]) -> GaugeValues:
    """Return the number of runs by kind and status."""
    kinds = set(DefinitionKind)
    counts: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        kind = row["_id"]["kind"]
        counts[str(kind) if kind in kinds else OTHER, str(row["_id"]["status"])] += row["n"]
    return counts


def group_step_workers(since: datetime) -> AggregatePipeline:
    """Return the query that counts the step workers that reported after `since`, by pool."""
    return [{"$match": {"seen_at": {"$gte": since}}}, {"$group": {"_id": "$pool", "n": {"$sum": 1}}}]


def count_step_workers(rows: Iterable[GroupRow]) -> GaugeValues:
    """Return the number of step workers by pool."""
    return {(str(row["_id"]),): row["n"] for row in rows}
