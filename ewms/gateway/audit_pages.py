"""Read the audit log page by page."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from ewms.gateway.http import Gateway
from schemas.api.audit import MAX_AUDIT_ROWS, AuditAnswer, AuditRowSeen


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """A choice of changes: all that match every given field."""

    who: str | None = None
    kind: str | None = None
    object_id: str | None = None
    organization: str | None = None
    since: datetime | None = None


async def read_changes(gateway: Gateway, wanted: AuditFilter, limit: int) -> list[AuditRowSeen]:
    """Return at most `limit` rows of the audit log that match, the newest first."""
    given = {
        "who": wanted.who,
        "kind": wanted.kind,
        "object": wanted.object_id,
        "organization": wanted.organization,
        "since": None if wanted.since is None else wanted.since.isoformat(),
    }
    named = {name: text for name, text in given.items() if text is not None}
    rows: list[AuditRowSeen] = []
    before: dict[str, int] = {}
    while len(rows) < limit:
        asked = urlencode({**named, **before, "limit": min(limit - len(rows), MAX_AUDIT_ROWS)})
        found = AuditAnswer.model_validate(await gateway.get_json(f"/audit?{asked}"), extra="ignore")
        rows += found.rows
        if found.next_before is None:
            break
        before = {"before": found.next_before}
    return rows
