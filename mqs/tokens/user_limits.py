"""Limit the broker connections of a user, or of a taskforce's pilots. The broker itself counts the connections.

RabbitMQ stores such limits with its internal users, and counts connections by the subject of a token. So MQS makes an
internal user with the name of each subject. This user has only the limit: no password and no rights. We have tried this
with RabbitMQ 4.3.6. The names begin with `user/`, or with `wf/` for a taskforce's pilots. Names of our services never
do. MQS removes the names of pilots when their workflow's queues are deleted.

Only an administrator of the broker may do this, and the user `mqs` is not an administrator. But MQS signs the tokens
that the broker trusts. So MQS signs a token for itself that lives for a minute.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx2

from mqs.api_hosts import ApiHosts
from mqs.tokens.grants import PILOTS, limits_grant
from mqs.tokens.signing_keys import TokenIssuer
from runtime.hosts.host_list import parse_hosts
from runtime.telemetry import log
from schemas.errors import EWMSError, Unavailable
from schemas.ids import WorkflowId

_TOKEN_LIFE = timedelta(seconds=60)
#: How many seconds a user's token may wait for a slow management API, including the turns of other users.
_PATIENCE_S = 2.0
_MAX_REMEMBERED = 10_000


class UserLimits:
    """Limits each user's connections to the broker.

    A process sets the limit of a user only once, before the user gets the first token.
    """

    def __init__(self, api_url: str, issuer: TokenIssuer, *, max_connections: int) -> None:
        """`max_connections` is the limit for each user. 0 means no limit."""
        without_login = replace(parse_hosts(api_url), login="")
        self._http = ApiHosts(without_login, timeout_s=_PATIENCE_S)
        self._issuer = issuer
        self._max_connections = max_connections
        self._done: OrderedDict[str, None] = OrderedDict()
        #: Workflow -> subjects of its pilots that have a limit; None until the broker has answered once.
        self._pilots: dict[WorkflowId, set[str]] | None = None
        self._turn = asyncio.Lock()

    async def limit_user(self, subject: str) -> None:
        """Limit the connections of a user's tokens. If the broker refuses or is slow, log that and return."""
        if self._max_connections:
            await self._limit_once(subject, self._max_connections)

    async def limit_pilots(self, subject: str, max_connections: int) -> None:
        """Limit the connections of a taskforce's pilots like `limit_user`. Do nothing if users have no limit."""
        if self._max_connections and max_connections and await self._limit_once(subject, max_connections):
            _note_pilot(self._pilots, subject)

    async def workflows_with_pilots(self) -> set[WorkflowId]:
        """Return the ids of the workflows whose pilots have a limit on the broker; none if MQS sets no limits.

        Raises:
            Unavailable: the broker does not answer.
        """
        if not self._max_connections:
            return set()
        if self._pilots is None:
            found: dict[WorkflowId, set[str]] = {}
            for user in (await self._call_api("GET", "/api/users")).json():
                _note_pilot(found, user["name"])
            self._pilots = found
        return set(self._pilots)

    async def forget_pilots(self, over: Collection[WorkflowId]) -> None:
        """Remove the limits of the pilots of the workflows `over`.

        Raises:
            Unavailable: the broker does not answer.
        """
        pilots = self._pilots or {}
        if doomed := [subject for workflow_id in over for subject in pilots.get(workflow_id, ())]:
            await self._call_api("POST", "/api/users/bulk-delete", {"users": doomed})
        for workflow_id in over:
            pilots.pop(workflow_id, None)

    async def close(self) -> None:
        """Close the connection to the management API."""
        await self._http.aclose()

    async def _limit_once(self, subject: str, max_connections: int) -> bool:
        """Limit the connections of `subject`. Return whether the limit was set by this call."""
        if subject in self._done:
            return False
        try:
            # The time limit covers the turn too. If the management API hangs, each caller would wait for all callers
            # before it.
            async with asyncio.timeout(_PATIENCE_S), self._turn:
                if subject not in self._done:
                    await self._set_limit(subject, max_connections)
        except (EWMSError, TimeoutError) as error:
            reason = str(error)[:200] or "the management API is slow"
            log.warning("the limit of a subject's connections could not be set", subject=subject, reason=reason)
            return False
        self._done[subject] = None
        if len(self._done) > _MAX_REMEMBERED:
            self._done.popitem(last=False)
        return True

    async def _set_limit(self, subject: str, max_connections: int) -> None:
        name = quote(subject, safe="")
        await self._call_api("PUT", f"/api/users/{name}", {"password_hash": "", "tags": ""})
        await self._call_api("PUT", f"/api/user-limits/{name}/max-connections", {"value": max_connections})

    async def _call_api(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx2.Response:
        token = await self._issuer.mint_token(limits_grant(), life=_TOKEN_LIFE)
        headers = {"Authorization": f"Bearer {token.value.get_secret_value()}"}
        try:
            return (await self._http.request(method, path, json=body, headers=headers)).raise_for_status()
        except httpx2.HTTPError as error:
            raise Unavailable(f"the management API: {str(error)[:200]}") from error


def _note_pilot(pilots: dict[WorkflowId, set[str]] | None, subject: str) -> None:
    """Note `subject` in `pilots` if it is one of a taskforce's pilots."""
    if pilots is not None and (match := PILOTS.fullmatch(subject)):
        pilots.setdefault(WorkflowId(match["workflow"]), set()).add(subject)
