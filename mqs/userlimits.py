"""How many connections one user may have to the broker, however many tokens it has. The broker itself counts.

RabbitMQ keeps such limits with its internal users, and counts connections by the subject of a token. So each user gets
an internal user of that name, which carries the limit and nothing else: it has no password and no right anywhere.
Tried on RabbitMQ 4.3.6. Names begin with `user/`, which none of our services' do.

Only an administrator of the broker may do this, and the user `mqs` is none. MQS signs the tokens that the broker
believes, so it signs one for itself, good for a minute. Pilots have no limit: those of a taskforce share a subject, and
there may be thousands.
"""

import asyncio
from collections import OrderedDict
from datetime import timedelta
from urllib.parse import quote, urlsplit

import httpx2

from mqs.grants import limits_grant
from mqs.keys import Issuer
from runtime.telemetry import log
from schemas.errors import EWMSError

_TOKEN_LIFE = timedelta(seconds=60)
#: How long a user's token may wait for a slow management API, the turns of other users included.
_PATIENCE_S = 2.0
_MAX_REMEMBERED = 10_000


class UserLimits:
    """Sets each user's limit once in the life of this process, before the user's first token is handed out."""

    def __init__(self, api_url: str, issuer: Issuer, *, max_connections: int) -> None:
        """`max_connections` 0 is no limit."""
        parts = urlsplit(api_url)
        self._http = httpx2.AsyncClient(
            base_url=f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}",
            timeout=_PATIENCE_S,
            # The broker is never behind a proxy of the environment; see `mqs.management`.
            trust_env=False,
        )
        self._issuer = issuer
        self._max_connections = max_connections
        self._done: OrderedDict[str, None] = OrderedDict()
        self._turn = asyncio.Lock()

    async def apply(self, subject: str) -> None:
        """Limit the connections of the tokens with `subject`. If the broker does not let us, log it and go on."""
        if not self._max_connections or subject in self._done:
            return
        try:
            # Around the turn: behind a management API that hangs, each waiter would wait for all those before it.
            async with asyncio.timeout(_PATIENCE_S), self._turn:
                if subject not in self._done:
                    await self._set(subject)
        except (httpx2.HTTPError, EWMSError, TimeoutError) as error:
            reason = str(error)[:200] or "the management API is slow"
            log.warning("a user's connections are not limited", subject=subject, reason=reason)
            return
        self._done[subject] = None
        if len(self._done) > _MAX_REMEMBERED:
            self._done.popitem(last=False)

    async def close(self) -> None:
        """Close the connection to the management API."""
        await self._http.aclose()

    async def _set(self, subject: str) -> None:
        token = await self._issuer.token(limits_grant(), life=_TOKEN_LIFE)
        headers = {"Authorization": f"Bearer {token.value.get_secret_value()}"}
        name = quote(subject, safe="")
        nobody = {"password_hash": "", "tags": ""}
        (await self._http.put(f"/api/users/{name}", json=nobody, headers=headers)).raise_for_status()
        limit = {"value": self._max_connections}
        path = f"/api/user-limits/{name}/max-connections"
        (await self._http.put(path, json=limit, headers=headers)).raise_for_status()
