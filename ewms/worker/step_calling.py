"""Carry one order out: find its step, call it, and say what came of it."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any
from uuid import UUID

from ewms.steps.step_calls import call_step
from ewms.steps.step_errors import describe_error
from ewms.steps.step_scope import StepScope, enter_step
from ewms.steps.wire_outcomes import describe_failure, describe_outcome
from ewms.worker.offers import Offer
from ewms.worker.order_source import OrderedSubscriptions
from runtime.clock import utc_now
from schemas.events import NodeRun
from schemas.ids import DefinitionHash
from schemas.runs import Outcome


def call_ordered(
    order: NodeRun, offers: Mapping[DefinitionHash, Offer], loop: asyncio.AbstractEventLoop | None
) -> dict[str, Any]:
    """Call the step of `order` in this thread and return the fields of `node.ended`.

    A coroutine function runs on `loop`; None: in a loop of its own. Whatever is raised here fails the step, an
    interrupt too: in this thread only the step's own code can raise one.
    """
    try:
        return _call_ordered(order, offers, loop)
    except BaseException as error:  # noqa: BLE001 - see above; an order that is never answered would hang
        return {"outcome": Outcome.FAILED, "error": describe_failure(describe_error(error))}


def _call_ordered(
    order: NodeRun, offers: Mapping[DefinitionHash, Offer], loop: asyncio.AbstractEventLoop | None
) -> dict[str, Any]:
    offer = offers.get(order.definition_hash)
    step = None if offer is None else offer.find_step(order.node)
    if offer is None or step is None:
        what = f"this worker does not offer {order.definition!r} as it was when the run was launched"
        return {"outcome": Outcome.ERROR, "error": describe_failure({"class": "DefinitionGone", "error": what})}
    scope = StepScope(
        source=OrderedSubscriptions(order),
        idempotency_key=order.idempotency_key,
        now=utc_now(),
        process_id=UUID(order.run_uuid),
        workflow=order.definition,
        target=offer.target,
        reporter=str(order.state.get("reporter", "SYSTEM")),
        callback_route=f"/api/processes/{order.run_uuid}/callback/{order.callback_key}" if order.callback_key else "",
    )

    def run_on_loop(work: Coroutine[Any, Any, Any]) -> Any:
        async def within_scope() -> Any:
            with enter_step(scope):
                return await work

        return asyncio.run(work) if loop is None else asyncio.run_coroutine_threadsafe(within_scope(), loop).result()

    return describe_outcome(call_step(step, order.state, scope, run_coroutine=run_on_loop), order.state)
