"""Hosts for programs without an event loop: the names of `ewms.inventories.async_hosts`, without `await`."""

from collections.abc import Iterable, Mapping
from typing import Any

from ewms.inventories.async_hosts import AsyncHostClient
from ewms.inventories.async_inventories import Shown
from ewms.loop_thread import LoopThread


class HostClient:
    """The hosts of one server that you may see. A host is named by its id, or as INVENTORY/NAME."""

    def __init__(self, portal: LoopThread, hosts: AsyncHostClient) -> None:
        self._portal = portal
        self._hosts = hosts

    def list_hosts(
        self, *, inventory: str | int = "", name: str = "", labels: Iterable[str] = (), group: str = ""
    ) -> list[Shown]:
        """Return hosts, in the order in which they joined their inventories. A `group` needs an `inventory`."""
        return self._portal.run_coroutine(
            lambda: self._hosts.list_hosts(inventory=inventory, name=name, labels=labels, group=group)
        )

    def find(self, host: str | int) -> Shown:
        """Return the host with its own variables.

        Raises:
            NotFound: there is none.
        """
        return self._portal.run_coroutine(lambda: self._hosts.find(host))

    def add(
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
        return self._portal.run_coroutine(
            lambda: self._hosts.add(inventory, name, labels=labels, groups=groups, variables=variables)
        )

    def remove(self, host: str | int) -> None:
        """Remove a host from its inventory."""
        self._portal.run_coroutine(lambda: self._hosts.remove(host))

    def rename(self, host: str | int, name: str) -> Shown:
        """Give a host a new name, and return it."""
        return self._portal.run_coroutine(lambda: self._hosts.rename(host, name))

    def show_variables(self, host: str | int) -> Shown:
        """Return a host's variables: its own as `variables`, merged ones as `resolved`, their sources as `blame`."""
        return self._portal.run_coroutine(lambda: self._hosts.show_variables(host))

    def set_variables(self, host: str | int, variables: Mapping[str, Any]) -> Shown:
        """Set variables of a host, and return the host."""
        return self._portal.run_coroutine(lambda: self._hosts.set_variables(host, variables))

    def remove_variables(self, host: str | int, names: Iterable[str]) -> None:
        """Remove variables of a host.

        Raises:
            NotThere: the host has no such variable of its own.
        """
        self._portal.run_coroutine(lambda: self._hosts.remove_variables(host, names))

    def add_labels(self, host: str | int, labels: Iterable[str]) -> Shown:
        """Give labels to a host, and return it."""
        return self._portal.run_coroutine(lambda: self._hosts.add_labels(host, labels))

    def remove_labels(self, host: str | int, labels: Iterable[str]) -> None:
        """Take labels from a host."""
        self._portal.run_coroutine(lambda: self._hosts.remove_labels(host, labels))

    def join_groups(self, host: str | int, groups: Iterable[str]) -> Shown:
        """Put a host into groups of its inventory, and return the host."""
        return self._portal.run_coroutine(lambda: self._hosts.join_groups(host, groups))

    def leave_groups(self, host: str | int, groups: Iterable[str]) -> None:
        """Take a host from groups."""
        self._portal.run_coroutine(lambda: self._hosts.leave_groups(host, groups))
