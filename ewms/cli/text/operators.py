"""Show drained places and quotas for people. (core)"""

from rich.table import Table
from rich.text import Text

from ewms.cli.text.fleet.tables import make_table
from schemas.api.operators import DrainStatus, QuotasAnswer


def describe_place(status: DrainStatus) -> Text:
    """Return lines on whether a place is drained, and on what is there."""
    drained = f"{status.drain.sentence}, by {status.who}" if status.drain is not None else "no"
    counts = f"{status.n_running} with workers, {status.n_starting} being started, {status.n_waiting} waiting"
    return Text(f"cluster     {status.location} ({status.schedd})\ndrained     {drained}\ntaskforces  {counts}")


def quota_table(found: QuotasAnswer) -> Table:
    """Return a table with a row for the settings of the server, and one for each quota that operators have set."""
    table = make_table()
    table.add_column("user or organization" if found.organizations else "user", overflow="fold")
    for column in ("workflows", "waiting for queues"):
        table.add_column(column, justify="right")
    table.add_row("(settings)", _write_number(found.workflows), _write_number(found.workflows_waiting))
    for quota in found.quotas:
        user = Text(quota.user or "(every user)")
        table.add_row(user, _write_number(quota.workflows), _write_number(quota.workflows_waiting))
    for each in found.organizations:
        organization = Text(f"organization {each.organization}")
        table.add_row(organization, _write_number(each.workflows), _write_number(each.workflows_waiting))
    return table


def _write_number(number: int | None) -> str:
    return "" if number is None else "any number" if number == 0 else str(number)
