"""Administer the broker for a launcher or a test: make vhosts with EWMS's rights, and delete them."""

from collections.abc import Collection, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx2

from deploy.local.servers.broker_definitions import (
    control_vhost_definitions,
    data_vhost_definitions,
    vhost_definitions,
)


class BrokerAdmin:
    """The management API, logged in as the administrator."""

    def __init__(self, management_url: str) -> None:
        # Ignore the environment's proxy: it cannot reach this machine's loopback. Keep no connection between two calls:
        # the broker closes idle ones, and a call at that moment fails.
        self._client = httpx2.Client(
            base_url=management_url,
            timeout=60,
            trust_env=False,
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    def __enter__(self) -> "BrokerAdmin":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def add_vhosts(self, users: Sequence[str], *, control_vhost: str, data_vhost: str) -> None:
        """Create a control vhost and a data vhost, with the rights that `users` have in a real system."""
        self._import_definitions(vhost_definitions(users, control_vhost=control_vhost, data_vhost=data_vhost))

    def add_control_vhost(self, users: Sequence[str], vhost: str) -> None:
        """Create a control vhost, with the rights that `users` have in a real system."""
        self._import_definitions(control_vhost_definitions(users, vhost))

    def add_data_vhost(self, users: Sequence[str], vhost: str) -> None:
        """Create a data vhost, with the rights that `users` have in a real system."""
        self._import_definitions(data_vhost_definitions(users, vhost))

    def remove_vhost(self, vhost: str) -> None:
        """Delete `vhost` with all its queues, and close its connections."""
        self._client.delete(f"/api/vhosts/{quote(vhost, safe='')}").raise_for_status()

    def close_connections(self, vhost: str) -> None:
        """Drop every connection to `vhost`, as a bad network would."""
        answer = self._client.get(f"/api/vhosts/{quote(vhost, safe='')}/connections").raise_for_status()
        for connection in answer.json():
            self._client.delete(f"/api/connections/{quote(connection['name'], safe='')}")

    def empty_vhost(self, vhost: str, *, keep: Collection[str]) -> None:
        """Close the connections of `vhost`, empty the queues that `keep` names, and delete the other queues.

        Exchanges, bindings of the kept queues and rights stay.
        """
        self.close_connections(vhost)
        for name in self.list_queues(vhost):
            path = f"{_queues(vhost)}/{quote(name, safe='')}"
            answer = self._client.delete(f"{path}/contents" if name in keep else path)
            # An exclusive queue has gone with its connection.
            if answer.status_code != httpx2.codes.NOT_FOUND:
                answer.raise_for_status()

    def delete_exchanges(self, vhost: str) -> None:
        """Delete the exchanges of `vhost` that are not the broker's own, with their bindings."""
        for name in self.list_exchanges(vhost):
            self._client.delete(f"{_exchanges(vhost)}/{quote(name, safe='')}").raise_for_status()

    def list_exchanges(self, vhost: str) -> list[str]:
        """Return the names of the exchanges of `vhost` that are not the broker's own."""
        return [name for name in self._list_names(_exchanges(vhost)) if name and not name.startswith("amq.")]

    def list_queues(self, vhost: str) -> list[str]:
        """Return the names of the queues of `vhost`."""
        return self._list_names(_queues(vhost))

    def _list_names(self, path: str) -> list[str]:
        found = self._client.get(path, params={"columns": "name"}).raise_for_status()
        return [each["name"] for each in found.json()]

    def _import_definitions(self, definitions: dict[str, list[Any]]) -> None:
        self._client.post("/api/definitions", json=definitions).raise_for_status()


def _exchanges(vhost: str) -> str:
    return f"/api/exchanges/{quote(vhost, safe='')}"


def _queues(vhost: str) -> str:
    return f"/api/queues/{quote(vhost, safe='')}"
