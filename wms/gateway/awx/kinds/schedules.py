"""The kind of schedules. (core)"""

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel

from wms.gateway.awx.kinds.fields import Data, Key, Keys, NamedModel, required, shown, writable
from wms.gateway.awx.kinds.kind import Kind, Part
from wms.gateway.awx.lists import ListField
from wms.tenancy.rights import Action

_RULE = "When it launches: DTSTART, RRULE, and if need be EXRULE, RDATE and EXDATE, with blanks between them."

#: The fields by which lists of schedules are filtered.
SCHEDULE_FIELDS: Mapping[str, ListField] = {
    "id": ListField("_id", int),
    "name": ListField("name"),
    "description": ListField("description"),
    "unified_job_template": ListField("template", int),
    "enabled": ListField("enabled", bool),
    "organization": ListField("organization"),
    "created": ListField("created", datetime),
    "modified": ListField("modified", datetime),
    "dtstart": ListField("starts_at", datetime),
    "dtend": ListField("ends_at", datetime),
    "next_run": ListField("wake_at", datetime),
}


class ScheduleModel(NamedModel):
    """The fields of a schedule."""

    rrule: str = required(_RULE)
    unified_job_template: Key = required("The template that it launches: its id, or its name.")
    enabled: bool = writable("Whether it launches anything.", True)
    start_deadline_s: int = writable(
        "An occurrence that WMS reaches more than so many seconds late is skipped; null: it runs, however late."
    )
    skip_if_running: bool = writable("Whether it skips an occurrence while an earlier job of it is not over.", False)
    extra_data: Data = writable("Variables; the template must ask for them, or its survey.", {})
    inventory: Key = shown("There are no inventories.")
    limit: str = writable("A limit for the work; jobs that ask for it get it.", "")
    scm_branch: str = writable("A branch for the work; jobs that ask for it get it.", "")
    job_tags: str = writable("Tags of what to do; jobs that ask for it get it.", "")
    skip_tags: str = writable("Tags of what to leave out; jobs that ask for it get it.", "")
    labels: Keys = writable("Labels of each job, by their ids.", [])
    dtstart: datetime = shown("Its first occurrence.")
    dtend: datetime = shown("Its last occurrence.")
    next_run: datetime = shown("Its next occurrence.")
    timezone: str = shown("The time zone of its rule.")
    until: str = shown("The end of its rule, in its time zone.")
    last_occurrence: Data = shown("The last occurrence: its job, what was skipped before it, or why nothing ran.")
    skipped_occurrences: int = shown("How many occurrences were skipped in all.")


class PreviewBody(BaseModel):
    """A rule to preview."""

    rrule: str = required(_RULE)
    count: int = writable("How many occurrences to show, at most 100.", 10)


SCHEDULE_KINDS: tuple[Kind, ...] = (
    Kind(
        path="schedules",
        model=ScheduleModel,
        change=Action.LAUNCH_TREE,
        filters=SCHEDULE_FIELDS,
        parts={"jobs": Part(kind="unified_jobs")},
        actions={"preview": PreviewBody},
    ),
)
