"""The client for programs that run an event loop of their own; `ewms.client` is the same for all others."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from ewms.durations import Duration, seconds
from ewms.http import Gateway
from ewms.runs import AsyncRun, query_all
from ewms.server import find_server
from ewms.workflows import Workflow
from schemas import objects
from schemas.api import WorkflowAnswer
from schemas.errors import Rejected
from schemas.ids import WorkflowId


class AsyncClient:
    """A user's session with one EWMS server.

    async with AsyncClient() as ews:
        run = await ews.submit(workflow)
    """

    def __init__(
        self,
        server: str | None = None,
        *,
        token: str | None = None,
        token_file: str | Path | None = None,
        cluster: str | None = None,
        timeout: Duration = 30,
    ) -> None:
        """Find the server: arguments, then the environment, then `.ewms/endpoints.json`. See `ewms.server`.

        `timeout` is for one call, its repetitions included.
        """
        self.server = find_server(server, token=token, token_file=token_file, cluster=cluster)
        self._timeout_s = seconds(timeout)
        self._gateway: Gateway | None = None

    async def __aenter__(self) -> Self:
        self._gateway = Gateway(self.server, timeout_s=self._timeout_s)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections to the gateway."""
        if self._gateway is not None:
            await self._gateway.close()
            self._gateway = None

    async def submit(self, workflow: Workflow | Mapping[str, Any]) -> AsyncRun:
        """Post `workflow` (built, or the request's JSON object) and return it as it is on the server.

        Raises:
            Refused: the server does not accept it; the reason names the field.
            Rejected: it makes no sense before it is sent.
        """
        name = workflow.name if isinstance(workflow, Workflow) else ""
        try:
            body = workflow.request(self.server.clusters) if isinstance(workflow, Workflow) else dict(workflow)
        except ValueError as error:
            raise Rejected(str(error)) from error
        answer = WorkflowAnswer.model_validate(await self._open.post("/workflows", body), extra="ignore")
        return AsyncRun(self._open, answer.workflow.workflow_id, name=name)

    def run(self, workflow_id: str) -> AsyncRun:
        """Return the workflow `workflow_id`, submitted earlier or elsewhere."""
        return AsyncRun(self._open, WorkflowId(workflow_id))

    async def workflows(self, query: Mapping[str, Any] | None = None) -> list[objects.Workflow]:
        """Return the workflows that `query` finds, oldest first."""
        return await query_all(self._open, "workflows", "workflows", objects.Workflow, dict(query or {}))

    @property
    def _open(self) -> Gateway:
        if self._gateway is None:
            raise RuntimeError("use the client inside its `with` block")
        return self._gateway
