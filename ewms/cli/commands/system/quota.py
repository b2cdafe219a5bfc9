"""`ewms quota`: how many workflows users may have."""

from typing import TYPE_CHECKING, Annotated

import typer

from ewms.cli.context import GlobalOptions

if TYPE_CHECKING:
    from schemas.api.operators import QuotasAnswer

app = typer.Typer()

User = Annotated[
    str,
    typer.Argument(metavar="[USER]", help="The subject of the user's token. Without: every user who has none."),
]


@app.command("list")
def list_quotas(context: typer.Context) -> None:
    """List the quotas: that of every user, and those that operators have set for single users."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _print_quotas(given, ews.operators.list_quotas())


@app.command("set")
def set_quota(
    context: typer.Context,
    user: User = "",
    *,
    workflows: Annotated[
        int | None, typer.Option(min=0, help="At most this many workflows under way; 0: any number.")
    ] = None,
    waiting: Annotated[
        int | None, typer.Option(min=0, help="At most this many that wait for their queues; 0: any number.")
    ] = None,
) -> None:
    """Set the quota of a user, or of every user. A number that you leave out is that of every user, or of the settings.

    It counts at once, also while workflows run.
    """
    from schemas.errors import Rejected

    if workflows is None and waiting is None:
        raise Rejected("name --workflows, --waiting or both", hint="`ewms quota reset` takes a quota away")
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _print_quotas(given, ews.operators.set_quota(user, workflows=workflows, workflows_waiting=waiting))


@app.command("reset")
def reset_quota(context: typer.Context, user: User = "") -> None:
    """Take away the quota that operators have set for a user, or for every user."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _print_quotas(given, ews.operators.set_quota(user))


def _print_quotas(given: GlobalOptions, found: "QuotasAnswer") -> None:
    if not given.write_result(found.model_dump(mode="json"), [quota.user for quota in found.quotas]):
        from ewms.cli.text.operators import quota_table

        given.make_console().print(quota_table(found))
