"""Build the parts of processes, once."""

from dataclasses import dataclass

from wms.engine.engine_parts import EngineParts
from wms.insight.runs.run_explainer import RunExplainer
from wms.processes.callback_answers import CallbackAnswers
from wms.processes.definition_reader import DefinitionReader
from wms.processes.engine_switch import EngineSwitch
from wms.processes.outside_events import OutsideEvents
from wms.processes.process_feed import ProcessFeed
from wms.processes.process_reader import ProcessReader
from wms.processes.process_service import ProcessService
from wms.processes.process_starts import ProcessStarts
from wms.processes.subscriptions.gate_rules import GateRules
from wms.processes.subscriptions.products import Products
from wms.processes.subscriptions.start_gate import StartGate
from wms.processes.subscriptions.step_questions import StepQuestions
from wms.processes.subscriptions.subscription_reader import SubscriptionReader
from wms.processes.subscriptions.subscription_store import Subscriptions
from wms.tenancy.organizations import Organizations


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionParts:
    """What routes of subscriptions call."""

    reader: SubscriptionReader
    products: Products
    gate: StartGate
    rules: GateRules


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessParts:
    """What routes of processes call, and what answers the questions of steps."""

    reader: ProcessReader
    starts: ProcessStarts
    service: ProcessService
    callbacks: CallbackAnswers
    events: OutsideEvents
    switch: EngineSwitch
    definitions: DefinitionReader
    feed: ProcessFeed
    subscriptions: SubscriptionParts
    questions: StepQuestions
    explainer: RunExplainer


def build_processes(
    runs: EngineParts, organizations: Organizations, subscriptions: Subscriptions, products: Products
) -> ProcessParts:
    """Return the parts. The watch in `runs` must run for the feed."""
    store, switch, reader = runs.engine.store, EngineSwitch(runs.lock), ProcessReader(runs.engine.store)
    return ProcessParts(
        reader=reader,
        starts=ProcessStarts(runs.engine, runs.questions, switch, organizations),
        service=ProcessService(runs.engine, runs.questions, switch),
        callbacks=CallbackAnswers(runs.engine),
        events=OutsideEvents(runs.inputs),
        switch=switch,
        definitions=DefinitionReader(store, runs.workers),
        feed=ProcessFeed(store, reader, runs.watch),
        subscriptions=SubscriptionParts(
            reader=SubscriptionReader(store, subscriptions),
            products=products,
            gate=StartGate(subscriptions, products),
            rules=GateRules(runs.questions),
        ),
        questions=StepQuestions(store, subscriptions, products),
        explainer=RunExplainer(store, runs.workers, runs.lock),
    )
