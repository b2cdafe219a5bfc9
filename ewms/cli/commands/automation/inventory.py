"""`ewms inventory`: create, import, export and show inventories, change their variables and groups, try a limit."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ewms.cli.commands.automation import inventory_group
from ewms.cli.context import GlobalOptions, parse_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

app = typer.Typer()
app.add_typer(inventory_group.app, name="group")

Inventory = Annotated[str, typer.Argument(metavar="INVENTORY", help="The inventory's name, or its id.")]
Source = Annotated[Path, typer.Argument(metavar="FILE", help="Ansible's INI, YAML or JSON; - is standard input.")]
Form = Annotated[str | None, typer.Option("--as", metavar="FORM", help="ini, yaml or json. Default: it is found out.")]
Group = Annotated[str, typer.Option("--group", metavar="GROUP", help="A group of it, instead of the whole.")]


@app.command("list")
def list_inventories(
    context: typer.Context,
    *,
    organization: Annotated[str, typer.Option(help="Only those of this organization.")] = "",
) -> None:
    """List the inventories that you may see."""
    from ewms.cli.text.automation.inventories import inventory_table

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.inventories.list_inventories(organization=organization)
    if not given.write_result([dict(each) for each in found], [str(each["id"]) for each in found]):
        given.print_list(inventory_table(found), "no inventories")


@app.command()
def show(context: typer.Context, inventory: Inventory) -> None:
    """Show an inventory: its variables, its groups, its revision."""
    from ewms.cli.text.automation.inventories import group_table, inventory_table
    from ewms.cli.text.terminal.yaml_text import yaml_text

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.inventories.find(inventory)
    if not given.write_result(dict(found), [str(found["id"])]):
        console = given.make_console()
        console.print(inventory_table([found]))
        if found["variables"]:
            typer.echo(yaml_text({"variables": found["variables"]}), nl=False)
        if found["groups"]:
            console.print(group_table(found))
        given.tell_user(f"its hosts: ewms host list {found['id']}")


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name that is new in the organization.")],
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="What it shall have; - is standard input.")
    ] = None,
    *,
    form: Form = None,
    organization: Annotated[str, typer.Option(help="Default: the only one in which you may create some.")] = "",
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Create an inventory: empty, or with the hosts and groups of a file."""
    given: GlobalOptions = context.obj
    content = "" if file is None else _read_file(file)
    with given.make_client() as ews:
        made = ews.inventories.create(
            name, content=content, form=form, organization=organization, description=description
        )
    _tell_state(given, made)


@app.command("import")
def import_file(
    context: typer.Context,
    inventory: Inventory,
    file: Source,
    *,
    form: Form = None,
    merge: Annotated[bool, typer.Option("--merge", help="Add to what it has, instead of replacing it.")] = False,
    rev: Annotated[int | None, typer.Option(help="Refuse if it has another revision than this one.")] = None,
) -> None:
    """Replace what an inventory has by what a file has, or add it."""
    given: GlobalOptions = context.obj
    content = _read_file(file)
    with given.make_client() as ews:
        changed = ews.inventories.import_content(inventory, content, form=form, merge=merge, rev=rev)
    _tell_state(given, changed)


@app.command()
def export(
    context: typer.Context,
    inventory: Inventory,
    *,
    form: Annotated[str, typer.Option("--as", metavar="FORM", help="ini, yaml, or json as scripts print it.")] = "yaml",
    label_groups: Annotated[bool, typer.Option("--label-groups", help="json: a group for each label.")] = False,
) -> None:
    """Write an inventory to stdout, in a form that Ansible reads."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        typer.echo(ews.inventories.export(inventory, form=form, label_groups=label_groups), nl=False)


@app.command()
def delete(context: typer.Context, inventory: Inventory) -> None:
    """Delete an inventory with its hosts."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        ews.inventories.delete(inventory)
    if not given.write_result({"deleted": inventory}, [inventory]):
        given.tell_user(f"{inventory} is deleted")


@app.command("set")
def set_variables(
    context: typer.Context,
    inventory: Inventory,
    settings: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help="VALUE is JSON, or else a text.")],
    *,
    group: Group = "",
) -> None:
    """Set variables of an inventory, or of a group of it."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        left = ews.inventories.set_variables(inventory, parse_settings(settings, "set", "NAME"), group=group)
    _tell_variables(given, left)


@app.command()
def unset(
    context: typer.Context,
    inventory: Inventory,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="The variables to remove.")],
    *,
    group: Group = "",
) -> None:
    """Remove variables of an inventory, or of a group of it."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        ews.inventories.remove_variables(inventory, names, group=group)
    if not given.write_result({"removed": names}, names):
        given.tell_user(f"removed: {', '.join(names)}")


@app.command()
def match(
    context: typer.Context,
    inventory: Inventory,
    limit: Annotated[
        str, typer.Argument(metavar="[LIMIT]", help="Such as 'web*:&label=prod:!db1'. Default: all.")
    ] = "",
) -> None:
    """Show the hosts that a limit chooses, in the order in which a job takes them."""
    from ewms.cli.text.automation.inventories import host_table

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.inventories.match(inventory, limit)
    if not given.write_result([dict(each) for each in found], [str(each["name"]) for each in found]):
        given.print_list(host_table(found), "no such hosts")
        given.tell_user(f"{len(found)} host(s)")


def _read_file(path: Path) -> str:
    from ewms.cli.text.terminal.streams import describe_file, read_document
    from schemas.errors import Rejected

    try:
        return read_document(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Rejected(
            f"{describe_file(path)} is not UTF-8: byte {error.start + 1}",
            hint="convert the file, for example: iconv -f latin1 -t utf8 FILE",
        ) from error


def _tell_state(given: GlobalOptions, inventory: "Mapping[str, Any]") -> None:
    if not given.write_result(dict(inventory), [str(inventory["id"])]):
        typer.echo(inventory["id"])
        given.tell_user(
            f"{inventory['name']}: {inventory['n_hosts']} host(s), {inventory['n_groups']} group(s), "
            f"revision {inventory['rev']}"
        )


def _tell_variables(given: GlobalOptions, variables: "Mapping[str, Any]") -> None:
    from ewms.cli.text.terminal.yaml_text import yaml_text

    if not given.write_result(dict(variables), list(variables)):
        typer.echo(yaml_text(dict(variables)), nl=False)
