"""Send a notification to a webhook: one HTTP request to an address that is allowed, without following redirects."""

import asyncio
import base64
import json
import socket
import ssl
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2

from schemas.errors import Rejected
from wms.notifications.sending.address_rules import check_address
from wms.notifications.sending.attempts import SendOutcome, judge_answer
from wms.notifications.templates.configurations import join_url

#: Carries the id of a notification, which is the same with each attempt.
ID_HEADER = "X-EWMS-Notification"


class WebhookSender:
    """Sends notifications to webhooks.

    It keeps no connection open: by the next notification the address may belong to another receiver.
    """

    def __init__(self, *, timeout_s: float, allows_local: bool) -> None:
        self._timeout_s = timeout_s
        self._allows_local = allows_local
        #: Whether certificates are checked -> the client.
        self._clients: dict[bool, httpx2.AsyncClient] = {}

    async def close(self) -> None:
        """Close the clients."""
        for client in self._clients.values():
            await client.aclose()

    async def send(
        self, configuration: Mapping[str, Any], payload: Mapping[str, Any], *, notification: str
    ) -> SendOutcome:
        """Send `payload` as JSON to the webhook, and return the outcome. A failure is an outcome, too, and raises
        nothing.
        """
        client = await self._find_client(is_checked=not configuration["disable_ssl_verification"])
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._ask(client, configuration, payload, notification)
        except TimeoutError:
            return SendOutcome(f"the receiver did not answer within {self._timeout_s:g} s", may_repeat=True)
        except Rejected as error:
            return SendOutcome(f"{error.reason}; {error.hint}")
        except (httpx2.HTTPError, OSError) as error:
            # The text of the library's error has no URL with a password in it.
            return SendOutcome(
                f"the receiver cannot be reached: {type(error).__name__}: {error}"[:300], may_repeat=True
            )

    async def _find_client(self, *, is_checked: bool) -> httpx2.AsyncClient:
        if is_checked not in self._clients:
            # This reads all certificates of authorities, which takes a tenth of a second.
            context = await asyncio.to_thread(ssl.create_default_context) if is_checked else False
            self._clients.setdefault(
                is_checked,
                httpx2.AsyncClient(
                    verify=context,
                    timeout=self._timeout_s,
                    trust_env=False,
                    limits=httpx2.Limits(max_keepalive_connections=0),
                ),
            )
        return self._clients[is_checked]

    async def _ask(
        self,
        client: httpx2.AsyncClient,
        configuration: Mapping[str, Any],
        payload: Mapping[str, Any],
        notification: str,
    ) -> SendOutcome:
        url = join_url(configuration)
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        address = await _find_address(host, port, allows_local=self._allows_local)
        own = {
            "Host": parts.netloc,
            "Content-Type": "application/json",
            ID_HEADER: notification,
            "Idempotency-Key": notification,
        }
        if configuration["username"] or configuration["password"]:
            login = f"{configuration['username']}:{configuration['password']}"
            own["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
        headers = {**drop_headers(configuration["headers"], own), **own}
        # Connect to the address that was checked: the name could have another one when it is looked up again.
        there = httpx2.URL(url).copy_with(host=address, port=port)
        content = json.dumps(payload, ensure_ascii=False).encode()
        method, names = configuration["http_method"], {"sni_hostname": host}
        async with client.stream(method, there, content=content, headers=headers, extensions=names) as answer:
            return judge_answer(answer.status_code)


def drop_headers(headers: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return `headers` without those of these `names`, in any case."""
    dropped = {name.lower() for name in names}
    return {name: value for name, value in headers.items() if name.lower() not in dropped}


async def _find_address(host: str, port: int, *, allows_local: bool) -> str:
    """Return the first address of `host`. All of its addresses must be allowed.

    Raises:
        ForbiddenAddress: WMS must not send to one of the addresses.
        OSError: the host has no address.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(each[4][0]) for each in found]
    for address in addresses:
        check_address(address, host, allows_local=allows_local)
    return addresses[0]
