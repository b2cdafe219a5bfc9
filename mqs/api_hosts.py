"""Call a management API that several nodes of the broker serve: the node that answered last, else the next one."""

from typing import Any

import httpx2

from runtime.hosts.certificates import find_http_options
from runtime.hosts.host_list import HostList


class ApiHosts:
    """An HTTP client of all hosts in an address such as `http://user:password@one:15672,two:15672`."""

    def __init__(self, address: HostList, *, timeout_s: float) -> None:
        # Use no proxy from the environment. It cannot reach the broker, and must not see MQS's password.
        self._clients = [
            httpx2.AsyncClient(base_url=one, timeout=timeout_s, trust_env=False, **find_http_options(one))
            for one in address.name_addresses()
        ]

    async def request(self, method: str, path: str, **what: Any) -> httpx2.Response:
        """Send a request whose repetition changes nothing, and return the answer. See `httpx2.AsyncClient.request`.

        If a node does not answer, or answers that it fails, ask the next one.

        Raises:
            httpx2.TransportError: no node answers.
        """
        for place, client in enumerate(list(self._clients)):
            is_last = place == len(self._clients) - 1
            try:
                answer = await client.request(method, path, **what)
            except httpx2.TransportError:
                if is_last:
                    raise
                continue
            if answer.status_code < 500 or is_last:
                # Begin with this node next time.
                self._clients.sort(key=lambda one: one is not client)
                return answer
        raise AssertionError("the last node has returned or raised")

    async def aclose(self) -> None:
        """Close the connections."""
        for client in self._clients:
            await client.aclose()
