"""A worker offers flows beside step lists, and calls their nodes."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from types import ModuleType

import pytest

from ewms.flows import FlowContext, NodeDefine, WorkflowDefine, WorkflowNode, register_workflow
from ewms.flows.registry import keep_flows
from ewms.steps import StepList, begin, init, task
from ewms.steps.definitions import keep_definitions
from ewms.worker.offers import FlowOffer, load_offers
from ewms.worker.orders import OrderIntake, WmsVoice
from schemas.engine.graph import DefinitionKind
from schemas.engine.runs import Outcome
from schemas.errors import Rejected
from schemas.events import NodeEnded, NodeRun
from schemas.ids import NodeKey
from tests.unit.ewms.worker.test_orders import RUN, Heard, Loan, body_of


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    async def greet(node: WorkflowNode, context: FlowContext) -> None:
        await asyncio.sleep(0)
        context["thread"] = threading.current_thread().name
        node.append_result(f"hello {context['name']}")

    name = "module_with_a_flow"
    monkeypatch.setitem(sys.modules, name, ModuleType(name))
    with keep_flows(), keep_definitions():
        register_workflow("greet", WorkflowDefine({"start": NodeDefine("greet", executor=greet)}))
        yield name


def find_offer(module: str) -> FlowOffer:
    [offer] = [offer for offer in load_offers([module], "default").values() if isinstance(offer, FlowOffer)]
    return offer


def order_for(offer: FlowOffer, node: str) -> NodeRun:
    return NodeRun.model_validate(
        {
            "run": 7,
            "node": node,
            "attempt": 1,
            "pool": "default",
            "run_uuid": RUN,
            "definition": "greet",
            "definition_hash": offer.hash,
            "function": "f",
            "name": "n",
            "state": {"name": "ada"},
            "idempotency_key": f"{RUN}/{node}",
        }
    )


async def test_a_node_of_a_flow_is_called_by_the_same_worker_as_steps(module: str) -> None:
    offer = find_offer(module)
    assert (offer.sent.kind, offer.sent.name, offer.sent.pool) == (DefinitionKind.FLOW, "greet", "default")
    assert not offer.is_isolated(NodeKey("start"))
    heard = Heard()
    intake = OrderIntake({offer.hash: offer}, WmsVoice(heard, pool="default", worker="w"), worker="w", n_slots=1)
    for key in ("start", "gone"):
        intake.take_delivery(Loan(body_of(order_for(offer, key)), heard.log))
    await intake.drain()

    ended = {one.node: one for one in heard.payloads(NodeEnded)}
    start = ended[NodeKey("start")]
    assert (start.outcome, start.artifacts["result"]) == (Outcome.SUCCESSFUL, "hello ada")
    assert start.delta == {"thread": "coroutines"}
    gone = ended[NodeKey("gone")]
    assert gone.error is not None
    assert (gone.outcome, gone.error.error_class) == (Outcome.ERROR, "DefinitionGone")


def test_a_flow_and_a_step_list_may_not_share_a_name(module: str) -> None:
    @task("Greet")
    def greet() -> StepList:
        return begin >> init

    with pytest.raises(Rejected, match="'greet'"):
        load_offers([module], "default")
