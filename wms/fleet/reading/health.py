"""Describe the health of an object for `?include=health`: whether it makes progress, and if not, why. (core)"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from runtime.kernel.decision import Document
from schemas.api.workflows.health import ALL_FAILED
from schemas.causes.failed_runs import advise_closed_run
from schemas.explain.unmatched import complain_of_unmatched
from schemas.fleet.endings import outcome_words
from schemas.fleet.phases import Phase
from wms.fleet.choices.fleet_settings import Drain
from wms.fleet.choices.tms_port import TmsPort
from wms.fleet.stalls.crew import read_crew
from wms.fleet.stalls.staffing import find_missing_workers

#: Statuses older than this count as stale. A TMS repeats unchanged statuses more often than that.
_FRESH = timedelta(seconds=60)

#: A taskforce offered over REST for longer than this is reported as unclaimed.
_LONG = timedelta(minutes=10)

_WORKFLOW_FIELDS = ("queues_deferred", "queues_active_at", "over_at")
_TASKFORCE_FIELDS = ("stuck", "n_submit_failures", "n_remove_failures", "retry_at", "ended_at", "status_as_of")

#: The fields of a workflow that tell how it ended.
END_FIELDS: Mapping[str, int] = {"deactivated": 1, "deactivated_ts": 1, "completion": 1, "completion_reason": 1}


def describe_workflow_health(workflow: Document) -> Document:
    """Return the health of a stored `workflow`."""
    return {**{name: workflow.get(name) for name in _WORKFLOW_FIELDS}, "stalled": describe_stall(workflow)}


def describe_taskforce_health(
    taskforce: Document, workflow: Document | None, port: TmsPort, now: datetime, drain: Drain | None = None
) -> Document:
    """Return the health of a stored `taskforce`. `port` is the TMS port of its schedd, `drain` the schedd's drain."""
    health: Document = {name: taskforce.get(name) for name in _TASKFORCE_FIELDS}
    # The TMS of a drained schedd gets nothing to start, so it is not to blame.
    is_held_back = drain is not None and taskforce["phase"] == Phase.PENDING_STARTER
    health["stuck"] = taskforce.get("stuck", "") if is_held_back else explain_stuck(taskforce, now)
    health["unmatched"], _ = complain_of_unmatched(taskforce.get("unmatched") or "", taskforce.get("task_index"))
    health["exit_codes"] = taskforce.get("exit_codes") or {}
    health["kills"] = taskforce.get("kills") or []
    health["stale"] = is_stale(taskforce, now)
    health |= describe_staffing(taskforce, port, now, drain)
    health["ended"] = describe_end(workflow) if workflow is not None else ""
    if health["ended"]:
        health["missing"] = []
    return health


def explain_stuck(taskforce: Document, now: datetime) -> str:
    """Return why a stored `taskforce` makes no progress. Return "" if WMS knows no reason.

    WMS sends nothing to a TMS that polls, so a missing answer cannot show that the TMS is silent. Instead this function
    compares times: a taskforce on offer for more than 10 minutes is stuck.
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


def is_stale(taskforce: Document, now: datetime) -> bool:
    """Return whether the statuses of a stored `taskforce` are older than 60 s. The statuses of an ended cluster never
    are.
    """
    as_of: datetime | None = taskforce.get("status_as_of")
    return as_of is not None and taskforce["phase"] != Phase.CONDOR_COMPLETE and now - as_of > _FRESH


def describe_staffing(taskforce: Document, port: TmsPort, now: datetime, drain: Drain | None = None) -> Document:
    """Return how many workers a stored `taskforce` should have, how many take events, and why the others do not."""
    crew = read_crew(taskforce, port, drain)
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
                "reason": one.cause,
            }
            for one in missing
        ],
    }


def describe_end(workflow: Document) -> str:
    """Return how and when a stored `workflow` ended. Return "" if it has not ended."""
    if workflow.get("deactivated") is None:
        return ""
    words = outcome_words(workflow["deactivated"], workflow.get("completion"))
    reason = f" ({workflow['completion_reason']})" if workflow.get("completion_reason") else ""
    at = workflow.get("deactivated_ts")
    when = f" at {datetime.fromtimestamp(at, UTC):%F %T} UTC" if at is not None else ""
    return f"its workflow ended{when}: {words}{reason}"


def describe_stall(workflow: Document) -> Document | None:
    """Return why and since when a stored `workflow` is stalled. Return None if it is not, or has ended."""
    stall = workflow.get("stalled")
    if not stall or workflow.get("deactivated") is not None:
        return None
    names = ("cause", "text", "command", "task_id", "n_events")
    causes = [{name: cause[name] for name in names} for cause in stall["causes"]]
    for cause in causes:
        # The last look may be older than the request that closed the inputs. Its advice to close them is then wrong.
        if cause["cause"] == ALL_FAILED and workflow.get("inputs_closed_at") is not None:
            cause["text"], cause["command"] = advise_closed_run(workflow["_id"], cause["text"])
    return {"since": stall["since"], "causes": causes}


def list_stall_texts(workflow: Document) -> list[str]:
    """Return the texts that say why a stored `workflow` is stalled, each once. Return [] if it is not, or has ended."""
    stall = describe_stall(workflow)
    return [] if stall is None else list(dict.fromkeys(str(cause["text"]) for cause in stall["causes"]))
