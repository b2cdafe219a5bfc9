"""Inventories for programs with an event loop. `plain_inventories` beside it has the same methods without `await`."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from ewms.gateway.http import Gateway
from schemas.errors import NotFound

#: The largest page of the server.
_PAGE = 1000
#: An inventory, or a host, as the server shows it.
Shown = Mapping[str, Any]


class AsyncInventoryClient:
    """The inventories of one server that you may see. An inventory is named by its id or its name."""

    def __init__(self, open_gateway: Callable[[], Gateway]) -> None:
        self._open_gateway = open_gateway

    async def list_inventories(self, *, name: str = "", organization: str = "") -> list[Shown]:
        """Return the inventories that you may see, by id; with `name` or `organization`, those of this name, or of this
        organization.
        """
        query = {"name": name, "organization": organization}
        return await list_pages(
            self._open_gateway(), "inventories", [(key, text) for key, text in query.items() if text]
        )

    async def find(self, inventory: str | int) -> Shown:
        """Return the inventory with its variables and groups.

        Raises:
            NotFound: there is none, or several have the name.
        """
        text = str(inventory)
        if not text.isdecimal():
            found = await self.list_inventories(name=text)
            if len(found) != 1:
                n = "several inventories are" if found else "no inventory is"
                raise NotFound(f"{n} called {text!r}", hint="give the id of one" if found else "")
            text = str(found[0]["id"])
        return dict(await self._open_gateway().get_json(f"/inventories/{text}"))

    async def create(
        self,
        name: str,
        *,
        content: str | Mapping[str, Any] = "",
        form: str | None = None,
        organization: str = "",
        description: str = "",
        variables: Mapping[str, Any] | None = None,
    ) -> Shown:
        """Create an inventory and return it. `content` is a text in one of Ansible's forms, or an object of JSON.

        `form` is ini, yaml or json; None: the server finds it out.

        Raises:
            Refused: the text has faults; the reason has the line of each.
            AlreadyThere: the organization has an inventory of this name.
        """
        body = {
            "name": name,
            "content": content,
            "format": form,
            "organization": organization,
            "description": description,
            "variables": dict(variables or {}),
        }
        return dict(await self._open_gateway().post_json("/inventories", body))

    async def delete(self, inventory: str | int) -> None:
        """Delete an inventory with its hosts."""
        await self._open_gateway().delete(await self._find_path(inventory))

    async def import_content(
        self,
        inventory: str | int,
        content: str | Mapping[str, Any],
        *,
        form: str | None = None,
        merge: bool = False,
        rev: int | None = None,
    ) -> Shown:
        """Replace the content of an inventory, or merge a text into it, and return the inventory.

        With `rev`, the revision that you have read, nothing changes if the inventory has another one now.

        Raises:
            Refused: the text has faults; the reason has the line of each.
            AlreadyThere: the inventory has another revision.
        """
        body = {"content": content, "format": form, "mode": "merge" if merge else "replace", "rev": rev}
        return dict(await self._open_gateway().post_json(f"{await self._find_path(inventory)}/import", body))

    async def export(self, inventory: str | int, *, form: str = "yaml", label_groups: bool = False) -> str:
        """Return an inventory as a text: `ini`, `yaml`, or `json` as inventory scripts print it.

        With `label_groups`, JSON has a group `label_NAME` for each label.
        """
        query = urlencode({"format": form, "label_groups": "true" if label_groups else "false"})
        content, _ = await self._open_gateway().get_bytes(f"{await self._find_path(inventory)}/export?{query}")
        return content.decode()

    async def set_variables(self, inventory: str | int, variables: Mapping[str, Any], *, group: str = "") -> Shown:
        """Set variables of the inventory, or of a group of it, and return all variables of that level."""
        path = f"{await self._find_path(inventory)}{_name_group(group)}/variables"
        return dict((await self._open_gateway().put(path, {"variables": dict(variables)}))["variables"])

    async def remove_variables(self, inventory: str | int, names: Iterable[str], *, group: str = "") -> None:
        """Remove variables of the inventory, or of a group of it.

        Raises:
            NotThere: the level has no such variable of its own.
        """
        path = f"{await self._find_path(inventory)}{_name_group(group)}/variables"
        for name in names:
            await self._open_gateway().delete(f"{path}/{quote(name, safe='')}")

    async def add_group(
        self,
        inventory: str | int,
        name: str,
        *,
        children: Iterable[str] = (),
        variables: Mapping[str, Any] | None = None,
    ) -> Shown:
        """Add a group, with the groups in it, and return it."""
        body = {"name": name, "children": list(children), "variables": dict(variables or {})}
        return dict(await self._open_gateway().post_json(f"{await self._find_path(inventory)}/groups", body))

    async def remove_group(self, inventory: str | int, name: str) -> None:
        """Remove a group. Its hosts, and the groups in it, stay in the inventory."""
        await self._open_gateway().delete(f"{await self._find_path(inventory)}{_name_group(name)}")

    async def add_children(self, inventory: str | int, group: str, children: Iterable[str]) -> Shown:
        """Put groups into a group, and return it."""
        path = f"{await self._find_path(inventory)}{_name_group(group)}/children"
        return dict(await self._open_gateway().put(path, {"children": list(children)}))

    async def remove_child(self, inventory: str | int, group: str, child: str) -> None:
        """Take a group from a group."""
        path = f"{await self._find_path(inventory)}{_name_group(group)}/children/{quote(child, safe='')}"
        await self._open_gateway().delete(path)

    async def match(self, inventory: str | int, limit: str = "") -> list[Shown]:
        """Return the hosts that a limit such as `web*:&label=prod:!db1` chooses, in the inventory's order.

        Raises:
            Refused: the limit cannot be read, or names what the inventory does not have.
        """
        found = await self.find(inventory)
        return await list_pages(self._open_gateway(), "hosts", [("inventory", str(found["id"])), ("match", limit)])

    async def _find_path(self, inventory: str | int) -> str:
        text = str(inventory)
        return f"/inventories/{text if text.isdecimal() else (await self.find(text))['id']}"


def _name_group(name: str) -> str:
    return f"/groups/{quote(name, safe='')}" if name else ""


async def list_pages(gateway: Gateway, kind: str, query: Iterable[tuple[str, str]]) -> list[Shown]:
    """Return all objects of a kind that match a query, page by page."""
    found: list[Shown] = []
    marker: int | None = 0
    while marker is not None:
        pairs = [*query, ("limit", str(_PAGE)), ("marker", str(marker))]
        page = await gateway.get_json(f"/{kind}?{urlencode(pairs)}")
        found += page[kind]
        marker = page["next"]
    return found
