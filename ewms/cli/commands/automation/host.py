"""`ewms host`: add, label, group and remove hosts of inventories, and see where their variables come from."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ewms.cli.context import GlobalOptions, parse_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

app = typer.Typer()

Host = Annotated[str, typer.Argument(metavar="HOST", help="The host's id, or INVENTORY/NAME.")]
Labels = Annotated[list[str], typer.Argument(metavar="LABEL...", help="Labels, which a limit names as label=LABEL.")]
Groups = Annotated[list[str], typer.Argument(metavar="GROUP...", help="Groups of its inventory.")]


@app.command("list")
def list_hosts(
    context: typer.Context,
    inventory: Annotated[str, typer.Argument(metavar="[INVENTORY]", help="Its name or id. Default: all hosts.")] = "",
    *,
    labels: Annotated[list[str] | None, typer.Option("--label", help="Only those with this label. Repeatable.")] = None,
    group: Annotated[str, typer.Option(help="Only those in this group of the inventory.")] = "",
) -> None:
    """List hosts, in the order in which they joined their inventories."""
    from ewms.cli.text.automation.inventories import host_table

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.hosts.list_hosts(inventory=inventory, labels=labels or (), group=group)
    if not given.write_result([dict(each) for each in found], [str(each["id"]) for each in found]):
        given.print_list(host_table(found), "no such hosts")


@app.command()
def show(context: typer.Context, host: Host) -> None:
    """Show a host, and the variables that it has from all levels."""
    from ewms.cli.text.automation.inventories import host_table
    from ewms.cli.text.terminal.yaml_text import yaml_text

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.hosts.find(host)
        seen = ews.hosts.show_variables(found["id"])
    if not given.write_result({**found, "resolved": seen["resolved"]}, [str(found["id"])]):
        given.make_console().print(host_table([found]))
        typer.echo(yaml_text({"resolved": seen["resolved"]}), nl=False)


@app.command()
def blame(
    context: typer.Context,
    host: Host,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these variables.")] = None,
) -> None:
    """Show for each variable of a host which level gives its value, and which values that overrides."""
    from ewms.cli.text.automation.inventories import blame_lines
    from schemas.errors import NotFound

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        seen = ews.hosts.show_variables(host)
    if missing := [name for name in names or () if name not in seen["blame"]]:
        raise NotFound(f"no level gives {host} the variable {missing[0]!r}")
    found = {name: sources for name, sources in seen["blame"].items() if not names or name in names}
    if not given.write_result(found, sorted(found)):
        console = given.make_console()
        for line in blame_lines(seen, names or ()):
            console.print(line)


@app.command()
def add(
    context: typer.Context,
    inventory: Annotated[str, typer.Argument(metavar="INVENTORY", help="The inventory's name, or its id.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="The host's name.")],
    *,
    labels: Annotated[list[str] | None, typer.Option("--label", help="A label. Repeatable.")] = None,
    groups: Annotated[list[str] | None, typer.Option("--group", help="A group of the inventory. Repeatable.")] = None,
    variables: Annotated[
        list[str] | None, typer.Option("--var", metavar="NAME=VALUE", help="VALUE is JSON, or else a text. Repeatable.")
    ] = None,
) -> None:
    """Add a host to an inventory."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        settings = parse_settings(variables or [], "--var", "NAME")
        made = ews.hosts.add(inventory, name, labels=labels or (), groups=groups or (), variables=settings)
    _tell_host(given, made)


@app.command()
def remove(context: typer.Context, host: Host) -> None:
    """Remove a host from its inventory."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        ews.hosts.remove(host)
    _tell_removed(given, host, [host])


@app.command()
def rename(
    context: typer.Context, host: Host, name: Annotated[str, typer.Argument(metavar="NAME", help="Its new name.")]
) -> None:
    """Give a host a new name."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _tell_host(given, ews.hosts.rename(host, name))


@app.command("set")
def set_variables(
    context: typer.Context,
    host: Host,
    settings: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help="VALUE is JSON, or else a text.")],
) -> None:
    """Set variables of a host."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _tell_host(given, ews.hosts.set_variables(host, parse_settings(settings, "set", "NAME")))


@app.command()
def unset(
    context: typer.Context,
    host: Host,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Its own variables to remove.")],
) -> None:
    """Remove variables of a host."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        ews.hosts.remove_variables(host, names)
    _tell_removed(given, host, names)


@app.command()
def label(context: typer.Context, host: Host, labels: Labels) -> None:
    """Give labels to a host."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _tell_host(given, ews.hosts.add_labels(host, labels))


@app.command()
def unlabel(context: typer.Context, host: Host, labels: Labels) -> None:
    """Take labels from a host."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        ews.hosts.remove_labels(host, labels)
    _tell_removed(given, host, labels)


@app.command()
def join(context: typer.Context, host: Host, groups: Groups) -> None:
    """Put a host into groups."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _tell_host(given, ews.hosts.join_groups(host, groups))


@app.command()
def leave(context: typer.Context, host: Host, groups: Groups) -> None:
    """Take a host from groups."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        ews.hosts.leave_groups(host, groups)
    _tell_removed(given, host, groups)


def _tell_host(given: GlobalOptions, host: "Mapping[str, Any]") -> None:
    from ewms.cli.text.automation.inventories import host_table

    if not given.write_result(dict(host), [str(host["id"])]):
        given.make_console().print(host_table([host]))


def _tell_removed(given: GlobalOptions, host: str, names: list[str]) -> None:
    if not given.write_result({"host": host, "removed": names}, names):
        given.tell_user(f"removed: {', '.join(names)}")
