"""The bodies of the route of the audit log."""

from datetime import datetime
from typing import Any

from pydantic import Field

from schemas.fleet.objects import Object

MAX_AUDIT_ROWS = 200


class AuditRowSeen(Object):
    """One change: who did what to which object."""

    id: int
    at: datetime
    who: str = Field(description="The subject of the token; empty: EWMS itself.")
    operation: str = Field(description="create, update, delete, associate or disassociate.")
    kind: str = Field(description="The kind of the object, such as `workflow` or `workflow_job_template`.")
    object_id: int | str
    name: str
    organization: str | None
    changes: dict[str, Any] = Field(
        description="Field -> its value before and after, or what was done. Values that may be secret are left out."
    )


class AuditAnswer(Object):
    """The rows that the caller may see, the newest first."""

    rows: list[AuditRowSeen]
    next_before: int | None = Field(description="Ask with `before` this for the next page; null: this is the last.")
