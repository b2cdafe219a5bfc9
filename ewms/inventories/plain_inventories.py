"""Inventories for programs without an event loop. `async_inventories` beside it has the same methods with `await`."""

from collections.abc import Iterable, Mapping
from typing import Any

from ewms.inventories.async_inventories import AsyncInventoryClient, Shown
from ewms.loop_thread import LoopThread


class InventoryClient:
    """The inventories of one server that you may see. An inventory is named by its id or its name."""

    def __init__(self, portal: LoopThread, inventories: AsyncInventoryClient) -> None:
        self._portal = portal
        self._inventories = inventories

    def list_inventories(self, *, name: str = "", organization: str = "") -> list[Shown]:
        """Return the inventories that you may see, by id; with `name` or `organization`, those of this name, or of this
        organization.
        """
        return self._portal.run_coroutine(
            lambda: self._inventories.list_inventories(name=name, organization=organization)
        )

    def find(self, inventory: str | int) -> Shown:
        """Return the inventory with its variables and groups.

        Raises:
            NotFound: there is none, or several have the name.
        """
        return self._portal.run_coroutine(lambda: self._inventories.find(inventory))

    def create(
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
        return self._portal.run_coroutine(
            lambda: self._inventories.create(
                name,
                content=content,
                form=form,
                organization=organization,
                description=description,
                variables=variables,
            )
        )

    def delete(self, inventory: str | int) -> None:
        """Delete an inventory with its hosts."""
        self._portal.run_coroutine(lambda: self._inventories.delete(inventory))

    def import_content(
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
        return self._portal.run_coroutine(
            lambda: self._inventories.import_content(inventory, content, form=form, merge=merge, rev=rev)
        )

    def export(self, inventory: str | int, *, form: str = "yaml", label_groups: bool = False) -> str:
        """Return an inventory as a text: `ini`, `yaml`, or `json` as inventory scripts print it.

        With `label_groups`, JSON has a group `label_NAME` for each label.
        """
        return self._portal.run_coroutine(
            lambda: self._inventories.export(inventory, form=form, label_groups=label_groups)
        )

    def set_variables(self, inventory: str | int, variables: Mapping[str, Any], *, group: str = "") -> Shown:
        """Set variables of the inventory, or of a group of it, and return all variables of that level."""
        return self._portal.run_coroutine(lambda: self._inventories.set_variables(inventory, variables, group=group))

    def remove_variables(self, inventory: str | int, names: Iterable[str], *, group: str = "") -> None:
        """Remove variables of the inventory, or of a group of it.

        Raises:
            NotThere: the level has no such variable of its own.
        """
        self._portal.run_coroutine(lambda: self._inventories.remove_variables(inventory, names, group=group))

    def add_group(
        self,
        inventory: str | int,
        name: str,
        *,
        children: Iterable[str] = (),
        variables: Mapping[str, Any] | None = None,
    ) -> Shown:
        """Add a group, with the groups in it, and return it."""
        return self._portal.run_coroutine(
            lambda: self._inventories.add_group(inventory, name, children=children, variables=variables)
        )

    def remove_group(self, inventory: str | int, name: str) -> None:
        """Remove a group. Its hosts, and the groups in it, stay in the inventory."""
        self._portal.run_coroutine(lambda: self._inventories.remove_group(inventory, name))

    def add_children(self, inventory: str | int, group: str, children: Iterable[str]) -> Shown:
        """Put groups into a group, and return it."""
        return self._portal.run_coroutine(lambda: self._inventories.add_children(inventory, group, children))

    def remove_child(self, inventory: str | int, group: str, child: str) -> None:
        """Take a group from a group."""
        self._portal.run_coroutine(lambda: self._inventories.remove_child(inventory, group, child))

    def match(self, inventory: str | int, limit: str = "") -> list[Shown]:
        """Return the hosts that a limit such as `web*:&label=prod:!db1` chooses, in the inventory's order.

        Raises:
            Refused: the limit cannot be read, or names what the inventory does not have.
        """
        return self._portal.run_coroutine(lambda: self._inventories.match(inventory, limit))
