"""What operators do, for programs with an event loop; `ewms.operators.plain_operators` is for all others."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote

from ewms.gateway.http import Gateway
from schemas.api.operators import DrainStatus, QuotasAnswer


class AsyncOperatorClient:
    """What operators change while the server runs. It needs a token with the role `ops`; auditors may look."""

    def __init__(self, open_gateway: Callable[[], Gateway]) -> None:
        self._open_gateway = open_gateway

    async def read_drain(self, cluster: str) -> DrainStatus:
        """Return whether a place is drained, and how many taskforces are there.

        Raises:
            NotThere: there is no such place.
        """
        return DrainStatus.model_validate(await self._open_gateway().get_json(_make_path(cluster)), extra="ignore")

    async def drain(
        self, cluster: str, *, reason: str = "", workers_end_at: datetime | None = None, is_lost: bool = False
    ) -> DrainStatus:
        """Start no workers at a place any more, and return what is still there.

        `workers_end_at`: when the workers that still run there end; it needs a time zone. None: in their own time.
        `is_lost`: its access point is gone for good, so every taskforce there ends, and the server waits for no answer.
        This cannot be undone. For a drained place, the new reason, time and loss count.

        Raises:
            NotThere: there is no such place.
        """
        end = None if workers_end_at is None else workers_end_at.isoformat()
        body: dict[str, Any] = {"reason": reason, "workers_end_at": end}
        if is_lost:
            # An older server does not know the field.
            body["is_lost"] = True
        answer = await self._open_gateway().put(_make_path(cluster), body)
        return DrainStatus.model_validate(answer, extra="ignore")

    async def undrain(self, cluster: str) -> None:
        """Let workers start at a place again.

        Raises:
            NotThere: there is no such place.
        """
        await self._open_gateway().delete(_make_path(cluster))

    async def list_quotas(self) -> QuotasAnswer:
        """Return how many workflows users and organizations may have."""
        return QuotasAnswer.model_validate(await self._open_gateway().get_json("/quotas"), extra="ignore")

    async def set_quota(
        self,
        user: str = "",
        *,
        organization: str = "",
        workflows: int | None = None,
        workflows_waiting: int | None = None,
    ) -> QuotasAnswer:
        """Say how many workflows a user or an organization may have, and return all quotas. 0 means any number.

        `user` is the subject of the user's token; without it, every user gets this quota who has no own one. None means
        as many as every user, or as the server's settings say. With `organization` it is the quota of all that belongs
        to this organization, and None means any number.
        """
        body: dict[str, Any] = {"user": user, "workflows": workflows, "workflows_waiting": workflows_waiting}
        if organization:
            # An older server does not know the field.
            body["organization"] = organization
        return QuotasAnswer.model_validate(await self._open_gateway().put("/quotas", body), extra="ignore")


def _make_path(cluster: str) -> str:
    return f"/clusters/{quote(cluster, safe='')}/drain"
