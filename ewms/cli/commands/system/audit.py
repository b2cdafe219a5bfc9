"""`ewms audit`: who changed what and when."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from ewms.cli.context import GlobalOptions, parse_option

app = typer.Typer()

#: The longest time to look back.
_LONGEST = timedelta(days=366)


@app.command("list")
def list_changes(
    context: typer.Context,
    *,
    who: Annotated[str | None, typer.Option(help="Only what this user did.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only objects of this kind: workflow, catalogue_task, ...")] = None,
    object_id: Annotated[str | None, typer.Option("--object", help="Only the object with this id.")] = None,
    organization: Annotated[str | None, typer.Option(help="Only objects of this organization.")] = None,
    last: Annotated[str | None, typer.Option(help="How far back: 90m, 2h, 30d.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many changes.")] = 50,
) -> None:
    """List changes, the newest first: of workflows, dead letters, tasks, trees, inventories, secrets and roles."""
    from ewms.gateway.audit_pages import AuditFilter
    from schemas.errors import Rejected

    given: GlobalOptions = context.obj
    last_s = parse_option("--last", last) if last is not None else None
    if last_s is not None and last_s > _LONGEST.total_seconds():
        raise Rejected(f"--last: must be at most {_LONGEST.days}d; WMS keeps changes for a year")
    since = None if last_s is None else datetime.now(UTC) - timedelta(seconds=last_s)
    with given.make_client() as ews:
        wanted = AuditFilter(who=who, kind=kind, object_id=object_id, organization=organization, since=since)
        rows = ews.changes(wanted, limit=limit)
    found = {"rows": [row.model_dump(mode="json") for row in rows]}
    if not given.write_result(found, [str(row.id) for row in rows]):
        from ewms.cli.text.audit_log import audit_table

        given.print_list(audit_table(rows), "no such changes")
