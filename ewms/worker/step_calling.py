"""Carry out one order: find its step, or its node of a flow, call the function, and return the outcome.

in a thread    conditions, arguments, plain functions, and the handling of the result
on a loop      the coroutine of a coroutine function; no thread waits for it
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor as ThreadPool
from typing import Any
from uuid import UUID

from ewms.flows.node_calls import call_flow_node
from ewms.steps.step_calls import call_step, walk_step
from ewms.steps.step_errors import describe_error
from ewms.steps.step_list import Step
from ewms.steps.step_scope import StepScope, enter_step
from ewms.steps.wire_outcomes import describe_failure, describe_outcome
from ewms.worker.coroutine_loop import Awaited, CoroutineLoop
from ewms.worker.offers import AnyOffer, FlowOffer, Offer
from ewms.worker.prompt_start import PromptStart, begin_promptly
from ewms.worker.subscription_source import AskWms, WmsSubscriptions, refuse_questions
from runtime.clock import utc_now
from schemas.engine.runs import Outcome
from schemas.events import NodeRun
from schemas.ids import DefinitionHash

Offers = Mapping[DefinitionHash, AnyOffer]
#: The fields of `node.ended`.
EndFields = dict[str, Any]


async def carry_order_out(
    order: NodeRun,
    offers: Offers,
    *,
    threads: ThreadPool,
    coroutines: CoroutineLoop,
    ask: AskWms = refuse_questions,
    start: PromptStart | None = None,
) -> EndFields:
    """Call the step of `order`: plain code in `threads`, coroutines on `coroutines`. `ask` asks WMS on behalf of the
    step.

    Any exception of the step fails it, an interrupt too: in these threads only the step's own code can raise one.
    Return the fields of `node.ended`.

    Raises:
        StartedLate: the thread began too late for `start`. Nothing of the step has been called.
    """
    loop = asyncio.get_running_loop()
    start = start or PromptStart()
    found = _find_step(order, offers)
    if found is None:
        call = _catch_all(lambda: _call_flow_or_refuse(order, offers, coroutines))
        return await loop.run_in_executor(threads, begin_promptly(start, call))
    walk = _Walk(*found, order, ask)
    work = await loop.run_in_executor(threads, begin_promptly(start, walk.go_on))
    while work is not None:
        walk.awaited = await coroutines.await_coroutine(work, walk.scope)
        work = await loop.run_in_executor(threads, walk.go_on)
    return walk.fields


def call_ordered(order: NodeRun, offers: Offers, ask: AskWms = refuse_questions) -> EndFields:
    """Call the step of `order` in this thread, a coroutine function on a new loop. Return the fields of
    `node.ended`.
    """

    def call() -> EndFields:
        found = _find_step(order, offers)
        if found is None:
            return _refuse_order(order)
        scope = _make_scope(found[1], order, ask)
        return describe_outcome(call_step(found[0], order.state, scope), order.state)

    return _catch_all(call)()


class _Walk:
    """One call of a step, which halts at each coroutine."""

    def __init__(self, step: Step, offer: Offer, order: NodeRun, ask: AskWms) -> None:
        self.fields: EndFields = {}
        #: What became of the coroutine at which the walk halted.
        self.awaited = Awaited()
        self._order = order
        self.scope = _make_scope(offer, order, ask)
        self._walk = walk_step(step, order.state, self.scope)

    def go_on(self) -> Coroutine[Any, Any, Any] | None:
        """Go on to the next coroutine, and return it. Return None if the step has ended; `fields` then has its
        outcome.
        """
        work: Coroutine[Any, Any, Any] | None = None

        def go() -> EndFields:
            nonlocal work
            try:
                with enter_step(self.scope):
                    error = self.awaited.error
                    work = self._walk.send(self.awaited.result) if error is None else self._walk.throw(error)
            except StopIteration as end:
                return describe_outcome(end.value, self._order.state)
            return {}

        self.fields = _catch_all(go)()
        return work


def _catch_all(call: Callable[[], EndFields]) -> Callable[[], EndFields]:
    def guarded() -> EndFields:
        try:
            return call()
        except BaseException as error:  # noqa: BLE001 - an order that is never answered would hang
            return {"outcome": Outcome.FAILED, "error": describe_failure(describe_error(error))}

    return guarded


def _find_step(order: NodeRun, offers: Offers) -> tuple[Step, Offer] | None:
    offer = offers.get(order.definition_hash)
    step = offer.find_step(order.node) if isinstance(offer, Offer) else None
    return None if step is None or not isinstance(offer, Offer) else (step, offer)


def _call_flow_or_refuse(order: NodeRun, offers: Offers, coroutines: CoroutineLoop) -> EndFields:
    offer = offers.get(order.definition_hash)
    node = offer.find_node(order.node) if isinstance(offer, FlowOffer) else None
    return _refuse_order(order) if node is None else call_flow_node(node, order, run_coroutine=coroutines.run_coroutine)


def _refuse_order(order: NodeRun) -> EndFields:
    what = f"this worker does not offer {order.definition!r} as it was when the run was launched"
    return {"outcome": Outcome.ERROR, "error": describe_failure({"class": "DefinitionGone", "error": what})}


def _make_scope(offer: Offer, order: NodeRun, ask: AskWms) -> StepScope:
    return StepScope(
        source=WmsSubscriptions(ask, order.subscriptions),
        idempotency_key=order.idempotency_key,
        now=utc_now(),
        process_id=UUID(order.run_uuid),
        workflow=order.definition,
        target=offer.target,
        reporter=str(order.state.get("reporter", "SYSTEM")),
        callback_route=f"/api/processes/{order.run_uuid}/callback/{order.callback_key}" if order.callback_key else "",
    )
