"""Hosts of inventories for programs with an event loop. `ewms.inventories.plain_hosts` has the same without `await`."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from ewms.gateway.http import Gateway
from ewms.inventories.async_inventories import AsyncInventoryClient, Shown, list_pages
from schemas.errors import NotFound


class AsyncHostClient:
    """The hosts of one server that you may see. A host is named by its id, or as INVENTORY/NAME."""

    def __init__(self, open_gateway: Callable[[], Gateway]) -> None:
        self._open_gateway = open_gateway
        self._inventories = AsyncInventoryClient(open_gateway)

    async def list_hosts(
        self, *, inventory: str | int = "", name: str = "", labels: Iterable[str] = (), group: str = ""
    ) -> list[Shown]:
        """Return hosts, in the order in which they joined their inventories. A `group` needs an `inventory`."""
        query = [("name", name)] if name else []
        query += [("label", label) for label in labels]
        if inventory:
            query.append(("inventory", str((await self._inventories.find(inventory))["id"])))
        if group:
            query.append(("group", group))
        return await list_pages(self._open_gateway(), "hosts", query)

    async def find(self, host: str | int) -> Shown:
        """Return the host with its own variables.

        Raises:
            NotFound: there is none.
        """
        text = str(host)
        if text.isdecimal():
            return dict(await self._open_gateway().get_json(f"/hosts/{text}"))
        inventory, slash, name = text.partition("/")
        if not slash or not name:
            raise NotFound(f"no host is called {text!r}", hint="name it by its id, or as INVENTORY/NAME")
        found = await self.list_hosts(inventory=inventory, name=name)
        if not found:
            raise NotFound(f"the inventory {inventory!r} has no host {name!r}")
        return dict(found[0])

    async def add(
        self,
        inventory: str | int,
        name: str,
        *,
        labels: Iterable[str] = (),
        groups: Iterable[str] = (),
        variables: Mapping[str, Any] | None = None,
    ) -> Shown:
        """Add a host to an inventory, and return it.

        Raises:
            Refused: the name or a label is none, or a group is not there.
            AlreadyThere: the inventory has a host of this name.
        """
        found = await self._inventories.find(inventory)
        body = {
            "inventory": found["id"],
            "name": name,
            "labels": list(labels),
            "groups": list(groups),
            "variables": dict(variables or {}),
        }
        return dict(await self._open_gateway().post_json("/hosts", body))

    async def remove(self, host: str | int) -> None:
        """Remove a host from its inventory."""
        await self._open_gateway().delete(await self._find_path(host))

    async def rename(self, host: str | int, name: str) -> Shown:
        """Give a host a new name, and return it."""
        return dict(await self._open_gateway().put(await self._find_path(host), {"name": name}))

    async def show_variables(self, host: str | int) -> Shown:
        """Return a host's variables: its own as `variables`, merged ones as `resolved`, their sources as `blame`."""
        return dict(await self._open_gateway().get_json(f"{await self._find_path(host)}/variables"))

    async def set_variables(self, host: str | int, variables: Mapping[str, Any]) -> Shown:
        """Set variables of a host, and return the host."""
        path = f"{await self._find_path(host)}/variables"
        return dict(await self._open_gateway().put(path, {"variables": dict(variables)}))

    async def remove_variables(self, host: str | int, names: Iterable[str]) -> None:
        """Remove variables of a host.

        Raises:
            NotThere: the host has no such variable of its own.
        """
        await self._remove(host, "variables", names)

    async def add_labels(self, host: str | int, labels: Iterable[str]) -> Shown:
        """Give labels to a host, and return it."""
        path = f"{await self._find_path(host)}/labels"
        return dict(await self._open_gateway().put(path, {"labels": list(labels)}))

    async def remove_labels(self, host: str | int, labels: Iterable[str]) -> None:
        """Take labels from a host."""
        await self._remove(host, "labels", labels)

    async def join_groups(self, host: str | int, groups: Iterable[str]) -> Shown:
        """Put a host into groups of its inventory, and return the host."""
        path = f"{await self._find_path(host)}/groups"
        return dict(await self._open_gateway().put(path, {"groups": list(groups)}))

    async def leave_groups(self, host: str | int, groups: Iterable[str]) -> None:
        """Take a host from groups."""
        await self._remove(host, "groups", groups)

    async def _remove(self, host: str | int, what: str, names: Iterable[str]) -> None:
        path = await self._find_path(host)
        for name in names:
            await self._open_gateway().delete(f"{path}/{what}/{quote(name, safe='')}")

    async def _find_path(self, host: str | int) -> str:
        text = str(host)
        return f"/hosts/{text if text.isdecimal() else (await self.find(text))['id']}"
