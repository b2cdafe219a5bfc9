"""The route of the audit log: who changed what and when."""

from typing import Any

from starlette.responses import Response

from runtime.web.route import Call, Route, answer_json
from schemas.api.audit import MAX_AUDIT_ROWS, AuditAnswer, AuditRowSeen
from wms.audit.audit_facts import AuditDocument
from wms.audit.audit_log import AuditLog
from wms.gateway.ewms.query_instants import parse_instant
from wms.gateway.roles import READERS, find_access
from wms.tenancy.audit_rights import make_audit_filter
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Action, roles_for

_DEFAULT_ROWS = 50
_MAX_DIGITS = 15
#: Parameter of the query -> the field of a row that has the same text.
_TEXTS = {"who": "who", "operation": "operation", "kind": "kind", "organization": "organization"}
_SPAN = {"since": "$gte", "until": "$lt"}


class AuditRoutes:
    """The handler of /audit."""

    def __init__(self, audit: AuditLog, organizations: Organizations) -> None:
        self._audit = audit
        self._organizations = organizations

    def routes(self) -> list[Route]:
        """Return the route."""
        instant = {"type": "string", "format": "date-time"}
        number = {"type": "integer", "minimum": 1}
        return [
            Route(
                "GET",
                "/audit",
                self.list_changes,
                "List who changed what, the newest first",
                roles=READERS | roles_for(Action.SEE_AUDIT),
                answer=AuditAnswer,
                query=dict.fromkeys((*_TEXTS, "object", *_SPAN, "before", "limit"), False),
                parameters={
                    **dict.fromkeys(_SPAN, instant),
                    "object": {"type": "string", "description": "The id of the object."},
                    "before": number,
                    "limit": {**number, "maximum": MAX_AUDIT_ROWS, "default": _DEFAULT_ROWS},
                },
            )
        ]

    async def list_changes(self, call: Call) -> Response:
        principal = await self._organizations.find_principal(call.caller)
        limit = call.read_number("limit", _DEFAULT_ROWS, minimum=1, maximum=MAX_AUDIT_ROWS)
        seen = make_audit_filter(principal, find_access(call.caller))
        rows = await self._audit.list_rows({"$and": [_read_filter(call), seen]}, limit=limit + 1)
        shown = rows[:limit]
        return answer_json(
            AuditAnswer(
                rows=[_show_row(row) for row in shown],
                next_before=shown[-1].id if len(rows) > limit else None,
            )
        )


def _read_filter(call: Call) -> dict[str, Any]:
    """Return the MongoDB filter for the rows that the query names.

    Raises:
        Rejected: an instant or a number is none.
    """
    wanted: dict[str, Any] = {
        field: text for name, field in _TEXTS.items() if (text := call.read_query(name)) is not None
    }
    if (named := call.read_query("object")) is not None:
        # The ids of some kinds are numbers.
        is_number = named.isascii() and named.isdecimal() and len(named) <= _MAX_DIGITS
        wanted["object_id"] = {"$in": [named, int(named)] if is_number else [named]}
    span = {
        operator: parse_instant(name, text)
        for name, operator in _SPAN.items()
        if (text := call.read_query(name)) is not None
    }
    if span:
        wanted["at"] = span
    if call.read_query("before") is not None:
        wanted["_id"] = {"$lt": call.read_number("before", 1, minimum=1)}
    return wanted


def _show_row(row: AuditDocument) -> AuditRowSeen:
    return AuditRowSeen(**row.model_dump(include=set(AuditRowSeen.model_fields)))
