"""`ewms quota`: how many workflows users and organizations may have."""

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


Organization = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="An organization instead of a user. Its members, jobs and runs count together; `default`: those without.",
    ),
]


@app.command("list")
def list_quotas(context: typer.Context) -> None:
    """List the quotas: that of every user, and those that operators have set for single users and organizations."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _print_quotas(given, ews.operators.list_quotas())


@app.command("set")
def set_quota(
    context: typer.Context,
    user: User = "",
    *,
    organization: Organization = "",
    workflows: Annotated[
        int | None, typer.Option(min=0, help="At most this many workflows under way; 0: any number.")
    ] = None,
    waiting: Annotated[
        int | None, typer.Option(min=0, help="At most this many that wait for their queues; 0: any number.")
    ] = None,
) -> None:
    """Set the quota of a user, of every user, or of an organization. A number that you leave out is that of every user,
    or of the settings; for an organization it is any number.

    It counts at once, also while workflows run.
    """
    from schemas.errors import Rejected

    if workflows is None and waiting is None:
        raise Rejected("name --workflows, --waiting or both", hint="`ewms quota reset` takes a quota away")
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        quotas = ews.operators.set_quota(
            user, organization=organization, workflows=workflows, workflows_waiting=waiting
        )
        _print_quotas(given, quotas)


@app.command("reset")
def reset_quota(context: typer.Context, user: User = "", *, organization: Organization = "") -> None:
    """Take away the quota that operators have set for a user, for every user, or for an organization."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _print_quotas(given, ews.operators.set_quota(user, organization=organization))


def _print_quotas(given: GlobalOptions, found: "QuotasAnswer") -> None:
    names = [*(quota.user for quota in found.quotas), *(quota.organization for quota in found.organizations)]
    if not given.write_result(found.model_dump(mode="json"), names):
        from ewms.cli.text.operators import quota_table

        given.make_console().print(quota_table(found))
