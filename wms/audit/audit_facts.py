"""The facts about one change that somebody made, as noted and as stored. (core)"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.ids import OrganizationId, TemplateId
from schemas.registry import register_collection


class AuditDocument(BaseModel):
    """One change, as stored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: int
    at: datetime
    who: str
    #: create, update, delete, associate or disassociate.
    operation: str
    #: The kind of the object in the word of its dialect, such as `workflow_job_template` or `workflow`.
    kind: str
    object_id: int | str
    name: str
    organization: OrganizationId | None = None
    #: The template, or those from which the job comes: their readers see the row.
    templates: tuple[TemplateId, ...] = ()
    #: The owner of the object and its projects, if users share such objects in that way: they see the row.
    owner: str = ""
    projects: tuple[str, ...] = ()
    #: Field -> its value before and after, or what was joined. Values that may be secret are left out.
    changes: dict[str, Any] = Field(default_factory=dict)


#: The collection is named for the activity stream, which showed it first.
AUDIT_ROWS = register_collection("activity", AuditDocument)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFacts:
    """One change that is not stored yet."""

    operation: str
    kind: str
    object_id: int | str
    name: str
    organization: OrganizationId | None = None
    templates: tuple[TemplateId, ...] = ()
    owner: str = ""
    projects: tuple[str, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)


#: Stands for a value that may be secret.
NOT_SHOWN = "(not shown)"


def compare_fields(before: Any, after: Any, *, shown: Iterable[str], hidden: Iterable[str] = ()) -> dict[str, Any]:
    """Return the fields in which two objects differ, with their values before and after. Values of the `hidden` fields
    may be secret, so only their change is told.
    """
    pairs = [(name, getattr(before, name), getattr(after, name)) for name in shown]
    told = {name: [_write_value(old), _write_value(new)] for name, old, new in pairs if old != new}
    changed = [name for name in hidden if getattr(before, name) != getattr(after, name)]
    return {**told, **{name: [NOT_SHOWN, NOT_SHOWN] for name in changed}}


def _write_value(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float) else str(value)
