"""Schedules: when WMS launches a template by itself, for the person who made the schedule.

occurrence   one time of the schedule's rule. It is decided once: WMS launches the template, or notes why it does not
wake_at      the next occurrence; absent while the schedule is disabled, or when none is left
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from schemas.automation.trees import Prompt
from schemas.engine.runs import RunModel
from schemas.ids import OrganizationId, RunId, ScheduleId, TemplateId
from schemas.registry import register_collection


class DecidedOccurrence(RunModel):
    """The last occurrence that WMS has decided about."""

    at: datetime
    skipped: int = 0
    #: What was launched; None: nothing, and `refusal` says why.
    run: RunId | None = None
    refusal: str = ""
    #: Whether the schedule's own settings skipped it: `start_deadline_s`, `skip_if_running`.
    is_skipped: bool = False


class Identity(RunModel):
    """The identity of a user at the time of a request. WMS needs it when it later acts in the user's name."""

    subject: str
    #: The claims of the token by which roles are given.
    claims: Mapping[str, Any] = Field(default_factory=dict)
    #: Whether WMS checked no tokens at that time.
    is_unchecked: bool = False


class ScheduleDocument(RunModel):
    """A schedule as stored."""

    id: ScheduleId
    name: Annotated[str, Field(min_length=1, max_length=512)]
    description: str = ""
    template: TemplateId
    #: The organization of the template. It changes with it.
    organization: OrganizationId | None = None
    #: The times, as their author wrote them.
    rrule: str
    enabled: bool = True
    #: An occurrence that WMS reaches later than this is skipped; None: however late, the last one runs.
    start_deadline_s: int | None = None
    #: Whether an occurrence is skipped while a job that this schedule launched before is not over.
    skip_if_running: bool = False
    #: What each launch gives, and the names of those whose values are secret, and stored encrypted.
    extra_data: dict[str, Any] = Field(default_factory=dict)
    masked: tuple[str, ...] = ()
    prompts: dict[Prompt, Any] = Field(default_factory=dict)
    #: In whose name WMS launches.
    owner: Identity
    #: All occurrences up to here are decided.
    decided_until: datetime
    wake_at: datetime | None = None
    starts_at: datetime
    #: The time zone of the rule, and its end there as clocks show it. Empty in schedules from before they were stored.
    zone: str = ""
    until: str = ""
    #: The last occurrence of all; None: they go on for ever.
    ends_at: datetime | None = None
    last: DecidedOccurrence | None = None
    #: How many occurrences were skipped in all.
    skipped: int = 0
    rev: int = 0
    created: datetime
    modified: datetime
    modified_by: str = ""


SCHEDULES = register_collection("schedules", ScheduleDocument)
