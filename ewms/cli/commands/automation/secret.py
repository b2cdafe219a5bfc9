"""`ewms secret`: set, list and delete the secrets that jobs of an organization give to their tasks."""

from typing import Annotated

import typer

from ewms.cli.context import GlobalOptions

app = typer.Typer()

Organization = Annotated[str, typer.Option(help="The organization that has the secret.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, '_', '-' and '.'; also the file's name.")]


@app.command("set")
def set_secret(
    context: typer.Context,
    name: Name,
    *,
    organization: Organization = "default",
    open_to: Annotated[
        str | None, typer.Option(help="Who may use it in jobs: admins (at first) or members. Default: as it is.")
    ] = None,
) -> None:
    """Set a secret. The command asks for the value, or reads all of standard input if that is no terminal."""
    given: GlobalOptions = context.obj
    value = _read_value(name)
    with given.make_client() as ews:
        ews.secrets.set_secret(name, value, organization=organization, open_to=open_to)
    given.tell_user(f"{name} is set")


@app.command("list")
def list_secrets(context: typer.Context, *, organization: Organization = "default") -> None:
    """List the names of an organization's secrets. No command shows a value."""
    from ewms.cli.text.fleet.tables import secret_table

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.secrets.list_secrets(organization=organization)
    if not given.write_result(found, [str(each["name"]) for each in found]):
        given.print_list(secret_table(found), "no secrets")


@app.command("delete")
def delete_secret(context: typer.Context, name: Name, *, organization: Organization = "default") -> None:
    """Delete a secret. Tasks that run keep it."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        ews.secrets.delete_secret(name, organization=organization)
    given.tell_user(f"{name} is deleted")


def _read_value(name: str) -> str:
    """Return what the user types, which the terminal does not show, or all of standard input.

    Raises:
        Rejected: standard input is not UTF-8.
    """
    import getpass
    import sys

    from schemas.errors import Rejected

    if sys.stdin.isatty():
        return getpass.getpass(f"the value of {name}: ")
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise Rejected("a secret must be text in UTF-8", hint="encode it, for example in base64") from error
