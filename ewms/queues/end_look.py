"""While no event comes, ask the server whether more will come. Tell the user when the workflow stalls."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from ewms.ends import has_delivered_all
from ewms.gateway.http import Gateway
from ewms.gateway.queries import read_workflow
from ewms.stalls import StallNotices
from schemas.errors import EWMSError
from schemas.ids import WorkflowId

log = logging.getLogger(__name__)

#: The first question comes after 1 s without an event; later ones up to 5 s apart.
_FIRST_LOOK_S = 1.0
_LONGEST_LOOK_S = 5.0


class EndLook:
    """Finds the end of a queue's results. It asks the server whenever `is_idle()` is true, so no event waits in the
    loop.
    """

    def __init__(
        self,
        gateway: Gateway,
        workflow: WorkflowId,
        alias: str,
        *,
        is_idle: Callable[[], bool],
        notify: Callable[[str], None],
    ) -> None:
        self._gateway = gateway
        self._workflow = workflow
        self._alias = alias
        self._is_idle = is_idle
        self._notify = notify
        self._stalls = StallNotices(workflow)
        #: Whether every result is delivered: no more will come.
        self.has_all = False

    async def look_until_end(self) -> None:
        """Return once every result is delivered."""
        pause_s = _FIRST_LOOK_S
        while not self.has_all:
            await asyncio.sleep(pause_s)
            if not self._is_idle():
                pause_s = _FIRST_LOOK_S
                continue
            pause_s = min(1.5 * pause_s, _LONGEST_LOOK_S)
            try:
                await self._look_once()
            except Exception:
                log.exception("the client does not know whether all results have come")

    async def _look_once(self) -> None:
        # While the gateway is away we know nothing new, and go on with what the broker sends.
        with suppress(EWMSError):
            self.has_all = await has_delivered_all(self._gateway, self._workflow, self._alias)
        with suppress(EWMSError):
            workflow, stall = await read_workflow(self._gateway, self._workflow)
            if news := self._stalls.next_notice(stall, is_ending=workflow.deactivated is not None):
                self._notify(news)
