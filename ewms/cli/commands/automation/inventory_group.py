"""`ewms inventory group`: add and remove groups of an inventory, and put groups into groups."""

from typing import Annotated

import typer

from ewms.cli.context import GlobalOptions, parse_settings

app = typer.Typer(help="The groups of an inventory, which may have groups in them.", no_args_is_help=True)

Inventory = Annotated[str, typer.Argument(metavar="INVENTORY", help="The inventory's name, or its id.")]
Group = Annotated[str, typer.Argument(metavar="GROUP", help="The group's name.")]
Children = Annotated[list[str], typer.Argument(metavar="CHILD...", help="Groups that are in it.")]


@app.command()
def add(
    context: typer.Context,
    inventory: Inventory,
    group: Group,
    *,
    children: Annotated[list[str] | None, typer.Option("--child", help="A group in it. Repeatable.")] = None,
    variables: Annotated[
        list[str] | None, typer.Option("--var", metavar="NAME=VALUE", help="VALUE is JSON, or else a text. Repeatable.")
    ] = None,
) -> None:
    """Add a group to an inventory."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        settings = parse_settings(variables or [], "--var", "NAME")
        made = ews.inventories.add_group(inventory, group, children=children or (), variables=settings)
    if not given.write_result(dict(made), [group]):
        given.tell_user(f"{group} is there; put hosts into it: ewms host join {inventory}/HOST {group}")


@app.command()
def remove(context: typer.Context, inventory: Inventory, group: Group) -> None:
    """Remove a group. Its hosts, and the groups in it, stay in the inventory."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        ews.inventories.remove_group(inventory, group)
    if not given.write_result({"removed": group}, [group]):
        given.tell_user(f"{group} is gone")


@app.command()
def nest(context: typer.Context, inventory: Inventory, group: Group, children: Children) -> None:
    """Put groups into a group: its hosts are theirs, too."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        changed = ews.inventories.add_children(inventory, group, children)
    if not given.write_result(dict(changed), [group]):
        given.tell_user(f"in {group}: {', '.join(changed['children'])}")


@app.command()
def unnest(context: typer.Context, inventory: Inventory, group: Group, children: Children) -> None:
    """Take groups from a group."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        for child in children:
            ews.inventories.remove_child(inventory, group, child)
    if not given.write_result({"group": group, "removed": children}, children):
        given.tell_user(f"no longer in {group}: {', '.join(children)}")
