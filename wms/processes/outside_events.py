"""Take events from outside for the processes of one organization: other systems publish them over REST."""

from typing import Any

from runtime.clock import stored_now
from schemas.engine.run_documents import InputDocument
from wms.engine import repository
from wms.engine.inputs import Inputs
from wms.tenancy.rights import Action, Principal, choose_organization


class OutsideEvents:
    """Takes events for processes, with the rights of those who publish them."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs

    async def publish_event(
        self,
        name: str,
        body: Any,
        principal: Principal,
        *,
        event_id: str,
        correlation: str = "",
        organization: str = "",
    ) -> int:
        """Give an event to the processes in `organization` that wait for it, and return how many it has brought on.

        If `organization` is empty, take the only possible one. If no process waits, the event is kept for the first
        process that does, for two weeks. The same event again, with the same `event_id`, changes nothing.

        Raises:
            Forbidden: the principal may not give input to processes there, or the request must name an organization.
            Conflict: another event of this organization has this id.
        """
        owner = choose_organization(principal, Action.RESUME_PROCESS, organization)
        now = stored_now()
        given = InputDocument(
            id=f"{owner}/{event_id}",
            organization=owner,
            name=name,
            correlation=correlation,
            body=body,
            who=principal.subject,
            at=now,
            expires_at=now + repository.INPUT_LIFE,
        )
        return await self._inputs.take_event(given)
