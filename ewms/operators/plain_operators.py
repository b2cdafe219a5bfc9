"""What operators do, for programs without an event loop: the names of `ewms.operators.async_operators`, without
`await`.
"""

from datetime import datetime

from ewms.loop_thread import LoopThread
from ewms.operators.async_operators import AsyncOperatorClient
from schemas.api.operators import DrainStatus, QuotasAnswer


class OperatorClient:
    """What operators change while the server runs. It needs a token with the role `ops`; auditors may look."""

    def __init__(self, portal: LoopThread, operators: AsyncOperatorClient) -> None:
        self._portal = portal
        self._operators = operators

    def read_drain(self, cluster: str) -> DrainStatus:
        """Return whether a place is drained, and how many taskforces are there.

        Raises:
            NotThere: there is no such place.
        """
        return self._portal.run_coroutine(lambda: self._operators.read_drain(cluster))

    def drain(
        self, cluster: str, *, reason: str = "", workers_end_at: datetime | None = None, is_lost: bool = False
    ) -> DrainStatus:
        """Start no workers at a place any more, and return what is still there.

        `workers_end_at`: when the workers that still run there end; it needs a time zone. None: in their own time.
        `is_lost`: its access point is gone for good, so every taskforce there ends, and the server waits for no answer.
        This cannot be undone. For a drained place, the new reason, time and loss count.

        Raises:
            NotThere: there is no such place.
        """
        return self._portal.run_coroutine(
            lambda: self._operators.drain(cluster, reason=reason, workers_end_at=workers_end_at, is_lost=is_lost)
        )

    def undrain(self, cluster: str) -> None:
        """Let workers start at a place again.

        Raises:
            NotThere: there is no such place.
        """
        self._portal.run_coroutine(lambda: self._operators.undrain(cluster))

    def list_quotas(self) -> QuotasAnswer:
        """Return how many workflows users and organizations may have."""
        return self._portal.run_coroutine(self._operators.list_quotas)

    def set_quota(
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
        return self._portal.run_coroutine(
            lambda: self._operators.set_quota(
                user, organization=organization, workflows=workflows, workflows_waiting=workflows_waiting
            )
        )
