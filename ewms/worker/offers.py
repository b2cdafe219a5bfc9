"""The offers of a worker: the definitions in its modules, by their hash."""

import importlib
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ewms.flows.defining import NodeDefine, WorkflowDefine
from ewms.flows.graph_export import export_flow
from ewms.flows.registry import list_flows
from ewms.steps.alias import install_alias
from ewms.steps.definitions import ProcessDefinition, TwiceDefined, list_definitions
from ewms.steps.registrations import export_definition, find_target, list_mismatches
from ewms.steps.step_list import Step
from runtime.telemetry import log
from schemas.engine.graph import Definition
from schemas.engine.processes import Target
from schemas.errors import Rejected
from schemas.ids import DefinitionHash, NodeKey


@dataclass(frozen=True)
class Offer:
    """A step list's definition (`sent` to WMS) with its code."""

    code: ProcessDefinition
    sent: Definition
    hash: DefinitionHash
    target: Target

    def find_step(self, key: NodeKey) -> Step | None:
        """Return the step with this key. Return None if there is no such step."""
        position = int(key) if key.isdecimal() else -1
        return self.code.steps[position] if 0 <= position < len(self.code.steps) else None

    def is_isolated(self, key: NodeKey) -> bool:
        """Return whether the worker must call the step in a new process."""
        step = self.find_step(key)
        return step is not None and step.isolate


@dataclass(frozen=True)
class FlowOffer:
    """A flow's definition (`sent` to WMS) with its code."""

    code: WorkflowDefine
    sent: Definition
    hash: DefinitionHash

    def find_node(self, key: NodeKey) -> NodeDefine | None:
        """Return the node with this key. Return None if there is no such node."""
        return self.code.nodes.get(key)

    def is_isolated(self, key: NodeKey) -> bool:
        """Return False: nodes of flows are never called in a new process."""
        return False


AnyOffer = Offer | FlowOffer


def load_offers(modules: Iterable[str], pool: str, *, alias: str = "") -> dict[DefinitionHash, AnyOffer]:
    """Import `modules`, and return the definitions in them by their hash. The modules may be in the working directory.

    `alias` is a package such as "orchestrator": its imports then find EWMS's step lists.

    Raises:
        Rejected: a module cannot be imported, two definitions have one name, or the modules define nothing.
    """
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    if alias:
        try:
            install_alias(alias)
        except ValueError as error:
            raise Rejected(str(error)) from error
    for module in modules:
        try:
            importlib.import_module(module)
        except TwiceDefined as error:
            raise Rejected(str(error), hint="give one of them another name") from error
        except Exception as error:
            raise Rejected(
                f"the module {module!r} cannot be imported: {type(error).__name__}: {error}",
                hint="try `python -c 'import ...'` with it where the worker runs",
            ) from error
    offers: list[AnyOffer] = [
        *(_make_offer(one, pool) for one in list_definitions()),
        *(_make_flow_offer(name, flow, pool) for name, flow in list_flows().items()),
    ]
    for line in (*list_mismatches(), *(line for one in offers for line in one.code.list_warnings())):
        log.warning("a definition is odd", what=line)
    names = Counter(offer.sent.name for offer in offers)
    if shared := sorted(name for name, n in names.items() if n > 1):
        raise Rejected(f"a step list and a flow are both named {shared[0]!r}", hint="give one of them another name")
    if not offers:
        raise Rejected(
            f"no workflow is defined in {', '.join(modules)}",
            hint="define one with @task or its like, or with register_workflow",
        )
    return {offer.hash: offer for offer in offers}


def _make_offer(code: ProcessDefinition, pool: str) -> Offer:
    sent = export_definition(code, pool)
    return Offer(code, sent, sent.hash, find_target(code))


def _make_flow_offer(name: str, code: WorkflowDefine, pool: str) -> FlowOffer:
    sent = export_flow(name, code, pool)
    return FlowOffer(code, sent, sent.hash)
