"""Changes of an inventory's content, each a function from the content before to the content after. (core)

A change checks what it names. Whether the result obeys the rules is for `wms.inventory.content.content_rules` to say.
A change of one host needs that host only, with all groups; `replace_all` and `remove_group` need all hosts.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from schemas.errors import Conflict, NotFound
from wms.inventory.content.inventory_content import Group, Host, InventoryContent, Variables
from wms.inventory.content.merging import LevelKind

Edit = Callable[[InventoryContent], InventoryContent]


def get_host(content: InventoryContent, name: str) -> Host:
    """Return a host.

    Raises:
        NotFound: there is none of this name.
    """
    if name not in content.hosts:
        raise NotFound(f"the inventory has no host {name!r}")
    return content.hosts[name]


def get_group(content: InventoryContent, name: str) -> Group:
    """Return a group.

    Raises:
        NotFound: there is none of this name.
    """
    if name not in content.groups:
        raise NotFound(f"the inventory has no group {name!r}")
    return content.groups[name]


def _put_host(content: InventoryContent, host: Host) -> InventoryContent:
    return replace(content, hosts={**content.hosts, host.name: host})


def _put_group(content: InventoryContent, group: Group) -> InventoryContent:
    return replace(content, groups={**content.groups, group.name: group})


def add_host(host: Host) -> Edit:
    """Return the change that adds a host.

    Raises (when it is done):
        Conflict: the inventory has a host of this name.
    """

    def edit(content: InventoryContent) -> InventoryContent:
        if host.name in content.hosts:
            raise Conflict(
                f"the inventory has a host {host.name!r} already", hint="change that one, or take another name"
            )
        return _put_host(content, sort_host(host))

    return edit


def rename_host(name: str, new_name: str) -> Edit:
    """Return the change that gives a host a new name. It needs both hosts, if there are two.

    Raises (when it is done):
        NotFound: there is no such host.
        Conflict: another host has the new name.
    """

    def edit(content: InventoryContent) -> InventoryContent:
        host = get_host(content, name)
        if name != new_name and new_name in content.hosts:
            raise Conflict(f"the inventory has a host {new_name!r} already", hint="take another name")
        renamed = replace(host, name=new_name)
        return replace(content, hosts={each.name: each for each in _swap(content.hosts.values(), host, renamed)})

    return edit


def _swap(hosts: Iterable[Host], before: Host, after: Host) -> Iterable[Host]:
    return (after if each is before else each for each in hosts)


def remove_host(name: str) -> Edit:
    """Return the change that removes a host."""

    def edit(content: InventoryContent) -> InventoryContent:
        get_host(content, name)
        return replace(content, hosts={key: each for key, each in content.hosts.items() if key != name})

    return edit


def change_labels(name: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> Edit:
    """Return the change that gives labels to a host, and takes others. A label that it does not have is no error."""

    def edit(content: InventoryContent) -> InventoryContent:
        host = get_host(content, name)
        return _put_host(content, sort_host(replace(host, labels=_change_names(host.labels, add, remove))))

    return edit


def change_memberships(name: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> Edit:
    """Return the change that puts a host into groups, and takes it from others."""

    def edit(content: InventoryContent) -> InventoryContent:
        host = get_host(content, name)
        for group in (*add, *remove):
            get_group(content, group)
        return _put_host(content, sort_host(replace(host, groups=_change_names(host.groups, add, remove))))

    return edit


def add_group(group: Group) -> Edit:
    """Return the change that adds a group. It needs the host of the same name, if there is one.

    Raises (when it is done):
        Conflict: the inventory has a group of this name.
    """

    def edit(content: InventoryContent) -> InventoryContent:
        if group.name in content.groups:
            raise Conflict(f"the inventory has a group {group.name!r} already", hint="change that one")
        return _put_group(content, group)

    return edit


def remove_group(name: str) -> Edit:
    """Return the change that removes a group. Its hosts and the groups in it stay in the inventory."""

    def edit(content: InventoryContent) -> InventoryContent:
        get_group(content, name)
        groups = {
            key: replace(each, children=tuple(child for child in each.children if child != name))
            for key, each in content.groups.items()
            if key != name
        }
        hosts = {
            key: replace(each, groups=tuple(group for group in each.groups if group != name))
            if name in each.groups
            else each
            for key, each in content.hosts.items()
        }
        return replace(content, groups=groups, hosts=hosts)

    return edit


def change_children(name: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> Edit:
    """Return the change that puts groups into a group, and takes others from it."""

    def edit(content: InventoryContent) -> InventoryContent:
        group = get_group(content, name)
        for child in (*add, *remove):
            get_group(content, child)
        return _put_group(content, replace(group, children=_change_names(group.children, add, remove)))

    return edit


def _change_names(before: tuple[str, ...], add: Iterable[str], remove: Iterable[str]) -> tuple[str, ...]:
    gone = set(remove)
    return tuple(dict.fromkeys(each for each in (*before, *add) if each not in gone))


def change_variables(kind: LevelKind, name: str, *, add: Variables, remove: Iterable[str] = ()) -> Edit:
    """Return the change that sets variables of a level, and removes others. `name` is that of the group or the host.

    Raises (when it is done):
        NotFound: the level is not there, or a variable to remove is not.
    """
    gone = tuple(remove)

    def change(before: Variables) -> dict[str, Any]:
        if missing := [each for each in gone if each not in before]:
            where = f"{kind} {name!r}" if name else "the inventory"
            raise NotFound(f"{where} has no variable {missing[0]!r} of its own")
        return {key: value for key, value in {**before, **add}.items() if key not in gone}

    def edit(content: InventoryContent) -> InventoryContent:
        match kind:
            case LevelKind.INVENTORY:
                return replace(content, variables=change(content.variables))
            case LevelKind.GROUP:
                group = get_group(content, name)
                return _put_group(content, replace(group, variables=change(group.variables)))
            case LevelKind.HOST:
                host = get_host(content, name)
                return _put_host(content, replace(host, variables=change(host.variables)))

    return edit


def replace_all(wanted: InventoryContent) -> Edit:
    """Return the change to exactly the `wanted` content. A host that stays keeps its id, and so its place."""

    def edit(content: InventoryContent) -> InventoryContent:
        known = content.hosts
        hosts = {
            name: replace(sort_host(host), id=known[name].id if name in known else None)
            for name, host in wanted.hosts.items()
        }
        return replace(wanted, hosts=hosts)

    return edit


def merge_all(given: InventoryContent) -> Edit:
    """Return the change that adds the `given` content: nothing goes, and a given variable replaces the one before.

    It needs all hosts that are given.
    """

    def edit(content: InventoryContent) -> InventoryContent:
        groups: dict[str, Group] = dict(content.groups)
        for name, group in given.groups.items():
            before = groups.get(name, Group(name))
            groups[name] = Group(
                name, _change_names(before.children, group.children, ()), {**before.variables, **group.variables}
            )
        hosts: dict[str, Host] = dict(content.hosts)
        for name, host in given.hosts.items():
            old = hosts.get(name, Host(name))
            hosts[name] = sort_host(_merge_host(old, host))
        return InventoryContent({**content.variables, **given.variables}, groups, hosts)

    return edit


def _merge_host(before: Host, given: Host) -> Host:
    return replace(
        before,
        labels=_change_names(before.labels, given.labels, ()),
        groups=_change_names(before.groups, given.groups, ()),
        variables={**before.variables, **given.variables},
    )


def sort_host(host: Host) -> Host:
    """Return a host with its labels and groups sorted and without repeats, as they are stored."""
    return replace(host, labels=tuple(sorted(set(host.labels))), groups=tuple(sorted(set(host.groups))))


def list_changed_hosts(
    before: Mapping[str, Host], after: Mapping[str, Host]
) -> tuple[list[Host], list[Host], list[Host]]:
    """Return the hosts that are new, those that have changed, and those that are gone."""
    old = {each.id: each for each in before.values()}
    new = {each.id for each in after.values() if each.id is not None}
    made = [each for each in after.values() if each.id is None]
    changed = [each for each in after.values() if each.id is not None and each != old[each.id]]
    return made, changed, [each for each in before.values() if each.id not in new]
